"""What is said in a conversation, as plain values. Identity and order belong to storage."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from tools.spec import ToolCall, ToolReturn

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A thought of the model.

    `signature` is the provider's seal on the thought, which must go back unchanged with it;
    `redacted` is a thought that the provider sent encrypted (then `text` is empty).
    """

    text: str
    signature: str | None = None
    redacted: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of the context window.

    `content` is text, or a list of content parts as the API takes them
    (`{"type": "text", "text": ...}`, `{"type": "image", "source": {...}}`).
    An assistant message may carry thoughts and calls; a tool message carries `returned`.
    `nudge`: the loop itself says it, in the user's place, to make the model go on.
    """

    role: Role
    content: str | list[dict[str, Any]] = ""
    reasoning: tuple[Reasoning, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    returned: ToolReturn | None = None
    name: str | None = None
    nudge: bool = False


MOST_TOKENS = 10**9  # of one kind: two of them together still fit a column


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one model call. `prompt` counts everything that went in, cached or not."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        return self.prompt + self.completion

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def within_bounds(self) -> "Usage":
        """As it can be stored: providers have said all kinds of numbers."""
        return Usage(*(min(max(getattr(self, field.name), 0), MOST_TOKENS) for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answered: thoughts, text and calls, complete."""

    text: str = ""
    reasoning: tuple[Reasoning, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    finish: str = "stop"
    usage: Usage = field(default_factory=Usage)

    @property
    def is_empty(self) -> bool:
        return not (self.text.strip() or self.calls)
