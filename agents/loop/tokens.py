"""How many tokens a request may be: a cheap estimate, put right by what providers have counted.

A provider's count is believed within bounds only. None, zero, or a number that no text could have leaves the estimate
as it was.
"""

import json
import threading
from dataclasses import dataclass, field
from typing import Any

from agents.loop.messages import Message
from agents.loop.ports import LLMRequest
from tools.spec import ToolSpec

BYTES_PER_TOKEN = 4
PER_MESSAGE = 4  # role and separators
_PER_TOOL = 8
_PER_IMAGE = 1_600  # what providers charge for a picture of about a megapixel

LEAST, MOST = 0.5, 4.0
"""Between which a provider's count may lie, as a multiple of our estimate."""

OWN = 1_000
"""Tokens that a provider may add by itself: its template, its words on how tools are called."""

LEARNS_FROM = 500
"""Estimated tokens of a call from which on its count teaches something of its model: below, OWN weighs too much."""

_WEIGHT = 0.2  # of the newest call in a model's rate
_KEPT = 1_000  # models


def estimate(text: str) -> int:
    """Tokens of `text`. UTF-8 bytes rather than characters: other scripts cost more tokens than Latin."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return -(-size // BYTES_PER_TOKEN)


def beginning(text: str, tokens: int) -> str:
    """As much of `text` as is estimated to be at most so many tokens."""
    size = max(tokens, 0) * BYTES_PER_TOKEN
    if len(text) * 4 <= size or text.isascii():
        return text[:size]
    return text[:size].encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


def estimate_request(request: LLMRequest) -> int:
    """Tokens of everything that a call sends."""
    messages = sum(estimate_message(message) for message in request.messages)
    return estimate_prompt(request.system) + messages + sum(estimate_tool(tool) for tool in request.tools)


def estimate_prompt(system: str) -> int:
    return estimate(system) + PER_MESSAGE


def estimate_message(message: Message) -> int:
    if not (message.calls or message.returned or message.reasoning):
        return PER_MESSAGE + _content(message.content)
    calls = sum(estimate(call.name) + estimate(call.arguments) + _PER_TOOL for call in message.calls)
    sealed = sum(estimate(thought.text) for thought in message.reasoning if thought.signature)
    returned = estimate(message.returned.text) if message.returned else 0
    content = 0 if message.returned else _content(message.content)
    return PER_MESSAGE + content + calls + sealed + returned


def _content(content: str | list[dict[str, Any]]) -> int:
    if isinstance(content, str):
        return estimate(content)
    return sum(_PER_IMAGE if part.get("type") == "image" else estimate(part.get("text", "")) for part in content)


def estimate_tool(tool: ToolSpec) -> int:
    return estimate(tool.name) + estimate(tool.description) + estimate(json.dumps(tool.parameters)) + _PER_TOOL


# What providers have counted ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counted:
    """An earlier call: the prompt tokens that its provider has reported, and what was estimated here."""

    model: str
    reported: int
    estimated: int

    @property
    def is_believable(self) -> bool:
        return self.estimated > 0 and LEAST * self.estimated <= self.reported <= MOST * self.estimated + OWN


def scale(estimated: int, handle: str, last: Counted | None, rate: float) -> float:
    """By what an estimate of a request has to be multiplied to be what the provider would count.

    last  the conversation's last call, whose count is taken as it is: only what has come since is estimated
    rate  what is known of the model by other calls
    """
    if last is None or last.model != handle or not last.is_believable or estimated <= 0:
        return rate
    if estimated <= last.estimated:  # something has left: what stays costs what it did
        return last.reported / last.estimated
    return (last.reported + rate * (estimated - last.estimated)) / estimated


@dataclass(slots=True)
class Rates:
    """Tokens that a provider counts for each one that is estimated, by model; learnt from calls. Thread-safe."""

    _rates: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, handle: str) -> float:
        return self._rates.get(handle, 1.0)

    def learn(self, call: Counted) -> None:
        if call.estimated < LEARNS_FROM or not call.is_believable:
            return
        seen = min(call.reported / call.estimated, MOST)
        with self._lock:
            if len(self._rates) >= _KEPT and call.model not in self._rates:
                self._rates.clear()
            before = self._rates.get(call.model, seen)
            self._rates[call.model] = before + _WEIGHT * (seen - before)
