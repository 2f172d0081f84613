"""Fold the stream of a model's answer into one Reply."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from agents.errors import LLMError
from agents.loop.events import CallDelta, CallStart, Done, LLMEvent, ReasoningDelta, ReasoningEnd, TextDelta
from agents.loop.messages import Reasoning, Reply
from tools.spec import ToolCall

KEPT_CALLS = 256
"""Of one answer. Not all of them are run (agents/loop/step.py), but each is answered."""


@dataclass(slots=True)
class _Draft:
    text: list[str] = field(default_factory=list)
    thought: list[str] = field(default_factory=list)
    reasoning: list[Reasoning] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    arguments: dict[int, list[str]] = field(default_factory=dict)
    done: Done | None = None

    def add(self, event: LLMEvent) -> None:
        match event:
            case TextDelta(text):
                self.text.append(text)
            case ReasoningDelta(text):
                self.thought.append(text)
            case ReasoningEnd(signature, redacted):
                self._end_thought(signature, redacted)
            case CallStart(index, name):
                self.names[index] = name
                self.arguments.setdefault(index, [])
            case CallDelta(index, arguments):
                self.arguments.setdefault(index, []).append(arguments)
            case Done():
                self.done = event

    def _end_thought(self, signature: str | None = None, redacted: str | None = None) -> None:
        if self.thought or redacted:
            self.reasoning.append(Reasoning("".join(self.thought), signature, redacted))
        self.thought = []

    def reply(self, call_id: Callable[[int], str]) -> Reply:
        if self.done is None:
            raise LLMError("cut_stream", "The provider's answer broke off before its end.", retryable=True)
        self._end_thought()
        calls = [
            ToolCall(call_id(position), self.names.get(index, ""), "".join(fragments))
            for position, (index, fragments) in enumerate(sorted(self.arguments.items()))
        ]
        return Reply(
            text="".join(self.text),
            reasoning=tuple(self.reasoning),
            calls=tuple(calls[:KEPT_CALLS]),
            finish=self.done.finish,
            usage=self.done.usage.within_bounds(),
        )


def fold(events: Iterable[LLMEvent], emit: Callable[[LLMEvent], None], call_id: Callable[[int], str]) -> Reply:
    """Drain `events`, handing each on to `emit` as it comes.

    `call_id` makes the id of the n-th call: providers repeat theirs, or leave them out. At most 256 calls are kept.
    """
    draft = _Draft()
    for event in events:
        draft.add(event)
        emit(event)
    return draft.reply(call_id)
