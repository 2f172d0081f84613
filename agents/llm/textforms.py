"""What local models write into their text: thoughts in <think> tags, and tool calls as JSON.

Both are understood only where they cannot be ordinary prose, and text is held back only while it could still be one.
"""

import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

from agents.loop.events import ReasoningDelta, ReasoningEnd, TextDelta

_OPEN, _CLOSE = "<think>", "</think>"

Call = tuple[str, str]  # name, JSON text of the arguments


class ThinkSplitter:
    """Turns a <think>...</think> at the beginning of a streamed text into reasoning, wherever chunks are cut."""

    def __init__(self) -> None:
        self._state = "start"  # start, opened, thinking, after (the blank lines behind a thought), text
        self._held = ""

    def feed(self, text: str) -> Iterator[ReasoningDelta | ReasoningEnd | TextDelta]:
        self._held += text
        if self._state == "start":
            self._start()
        if self._state == "opened":
            self._held = self._held.lstrip("\n")
            self._state = "thinking" if self._held else "opened"
        if self._state == "thinking":
            yield from self._think()
        if self._state == "after":
            self._held = self._held.lstrip()
            self._state = "text" if self._held else "after"
        if self._state == "text" and self._held:
            yield TextDelta(self._held)
            self._held = ""

    def end(self) -> Iterator[ReasoningDelta | ReasoningEnd | TextDelta]:
        """The rest. A thought that was never closed stays a thought."""
        if self._held and self._state != "after":
            yield ReasoningDelta(self._held) if self._state == "thinking" else TextDelta(self._held)
        if self._state == "thinking":
            yield ReasoningEnd()
        self._held = ""

    def _start(self) -> None:
        begun = self._held.lstrip()
        if begun.startswith(_OPEN):
            self._state, self._held = "opened", begun[len(_OPEN) :]
        elif not _OPEN.startswith(begun):
            self._state = "text"

    def _think(self) -> Iterator[ReasoningDelta | ReasoningEnd]:
        thought, closed, rest = self._held.partition(_CLOSE)
        if closed:
            self._state, self._held = "after", rest
        else:
            keep = _overlap(thought, _CLOSE)
            thought, self._held = thought[: len(thought) - keep], thought[len(thought) - keep :]
        if thought:
            yield ReasoningDelta(thought)
        if closed:
            yield ReasoningEnd()


def _overlap(text: str, tag: str) -> int:
    """How many of the last characters of `text` could be the beginning of `tag`."""
    return next((n for n in range(min(len(tag) - 1, len(text)), 0, -1) if tag.startswith(text[-n:])), 0)


# Calls

_FENCES = ("", "```", "```json", "```tool_call")
_KEYS = ('{"name"', '{"arguments"', '{"parameters"')
_BEGINNINGS = ("<tool_call>{", *(fence + key for fence, key in product(_FENCES, _KEYS)))
_LONGEST = max(map(len, _BEGINNINGS))
_TAG, _TAG_END, _FENCE = "<tool_call>", "</tool_call>", "```"
_SPACE = re.compile(r"\s+")


class CallHolder:
    """Holds a streamed text back while it could still be a call."""

    def __init__(self) -> None:
        self._held = ""
        self._passing = False

    def feed(self, text: str) -> str:
        """What may be shown now."""
        if self._passing:
            return text
        self._held += text
        if may_be_calls(self._held):
            return ""
        self._passing = True
        return self.rest()

    def rest(self) -> str:
        """What is still held, which is then no longer held."""
        held, self._held = self._held, ""
        return held


def may_be_calls(beginning: str) -> bool:
    """Whether a text that begins like this could turn out to be nothing but calls."""
    # Whitespace does not count between the tokens, so look at a window that is generous with it.
    compact = _SPACE.sub("", beginning[: 8 * _LONGEST])[:_LONGEST]
    return any(known.startswith(compact) or compact.startswith(known) for known in _BEGINNINGS)


def calls_in(text: str, offered: set[str]) -> list[Call]:
    """The calls that `text` consists of; none when anything else is in it.

    <tool_call>{"name": ..., "arguments": {...}}</tool_call>, one or more; or one bare or fenced JSON object of exactly
    these keys (or `parameters`), which then must name a tool that was offered.
    """
    text = text.strip()
    if text.startswith(_TAG):
        calls = [_call(body) for body in _tagged(text)]
        return [call for call in calls if call] if all(calls) else []
    call = _call(_unfenced(text))
    return [call] if call and call[0] in offered else []


def _tagged(text: str) -> list[str]:
    """What stands in the tags; nothing where anything else is between them."""
    bodies, at = list[str](), 0
    while at < len(text):
        end = text.find(_TAG_END, at)
        if end < 0 or not text.startswith(_TAG, at):
            return []
        bodies.append(text[at + len(_TAG) : end])
        at = end + len(_TAG_END)
        while at < len(text) and text[at].isspace():
            at += 1
    return bodies


def _unfenced(text: str) -> str:
    first, _, rest = text.partition("\n")
    is_fenced = first.rstrip() in _FENCES[1:] and rest.endswith(_FENCE)
    return rest.removesuffix(_FENCE) if is_fenced else text


def _call(text: str) -> Call | None:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or len(value) != 2:
        return None
    arguments = value.get("arguments", value.get("parameters"))
    return (value["name"], json.dumps(arguments, ensure_ascii=False)) if isinstance(arguments, dict) else None
