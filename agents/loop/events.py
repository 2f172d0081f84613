"""What a model's stream is made of. An adapter yields these, in order, and ends with one Done."""

from dataclasses import dataclass, field
from typing import Literal

from agents.loop.messages import Usage

Finish = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningEnd:
    """Closes the thought that the deltas before it made."""

    signature: str | None = None
    redacted: str | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class CallStart:
    """The model begins call number `index` (0, 1, ...) of this reply."""

    index: int
    name: str
    provider_id: str = ""


@dataclass(frozen=True, slots=True)
class CallDelta:
    """A fragment of the JSON text of call `index`'s arguments."""

    index: int
    arguments: str


@dataclass(frozen=True, slots=True)
class Done:
    """The provider said that it had finished. A stream without it was cut."""

    finish: Finish = "stop"
    usage: Usage = field(default_factory=Usage)


LLMEvent = ReasoningDelta | ReasoningEnd | TextDelta | CallStart | CallDelta | Done
