"""What the loop asks of the outside."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from agents.errors import Cancelled
from agents.loop.events import LLMEvent
from agents.loop.messages import Message
from tools.spec import ToolSpec


class Abort:
    """A stop button that any thread may press while another waits for a model or a tool.

    The waiting side gives `on_press` what ends its wait (for example, shut the socket down), and calls `check`
    wherever it comes up for air.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._lock = threading.Lock()
        self._enders: list[Callable[[], None]] = []

    def press(self, reason: str) -> None:
        """The first reason stands."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason = reason
            enders = list(self._enders)
        for end in enders:
            end()

    def on_press(self, end: Callable[[], None]) -> Callable[[], None]:
        """Call `end` when the button is pressed (now, if it was). Returns what takes `end` back."""
        with self._lock:
            self._enders.append(end)
            pressed = self.reason is not None
        if pressed:
            end()

        def forget() -> None:
            with self._lock:
                if end in self._enders:
                    self._enders.remove(end)

        return forget

    def check(self) -> None:
        if self.reason is not None:
            raise Cancelled(self.reason)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How to call the model. None leaves the provider's default."""

    temperature: float | None = None
    max_output_tokens: int | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    thinking_budget: int | None = None  # tokens; 0 or None: no extended thinking
    response_format: dict[str, Any] | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class LLMRequest:
    """One model call.

    handle       "provider/model"; the part behind the first slash is what the provider is asked for
    system       the compiled system prompt, with core memory
    messages     user, assistant and tool messages, oldest first; every call of an assistant message has its return
    tool_choice  "auto", "required", "none", or a tool's name
    """

    handle: str
    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = "auto"
    settings: ModelSettings = field(default_factory=ModelSettings)


class LLM(Protocol):
    def stream(self, request: LLMRequest, abort: Abort) -> Iterator[LLMEvent]:
        """Yield the answer's events, ending with Done. Raises LLMError, or Cancelled when `abort` is pressed."""
        ...
