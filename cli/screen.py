"""How the events of a turn look in a terminal: thoughts dim, tool calls compact, the answer as it streams."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console

Event = dict[str, Any]

LONGEST_RETURN = 400


@dataclass(slots=True)
class Screen:
    """Prints the deltas of events one after another; `open` names the block that the last one belongs to."""

    console: Console
    open: str = ""

    def show(self, event: Event) -> None:
        printer = PRINTERS.get(str(event.get("message_type")))
        if printer:
            printer(self, event)

    def block(self, name: str) -> bool:
        """Begins a block of this name, on a new line, unless it is the one that is open."""
        if self.open == name:
            return False
        self.close()
        self.open = name
        return True

    def close(self) -> None:
        if self.open:
            self.console.print()
        self.open = ""

    def write(self, text: str, style: str = "") -> None:
        self.console.print(printable(text), end="", style=style, markup=False, highlight=False, soft_wrap=True)

    def line(self, text: str, style: str = "") -> None:
        self.close()
        self.write(text + "\n", style)


def show_reasoning(screen: Screen, event: Event) -> None:
    screen.block("thought")
    screen.write(event.get("reasoning") or "", "dim italic")


def show_calls(screen: Screen, event: Event) -> None:
    """One call, or a piece of one, while the model writes; all calls of a message that is shown later."""
    calls = event.get("tool_calls")
    for call in calls if isinstance(calls, list) and calls else [event.get("tool_call") or {}]:
        show_call(screen, call)


def show_call(screen: Screen, call: dict[str, Any]) -> None:
    if screen.block(f"call {call.get('tool_call_id') or screen.open.removeprefix('call ')}"):
        screen.write(f"→ {call.get('name') or ''} ", "cyan")
    screen.write(call.get("arguments") or "", "dim cyan")


def show_verdicts(screen: Screen, event: Event) -> None:
    for answer in event.get("approvals") or []:
        if answer.get("type") == "approval":
            reason = f": {answer['reason']}" if answer.get("reason") else ""
            screen.line(f"({'approved' if answer.get('approve') else 'denied'}{reason})", "dim")


def show_return(screen: Screen, event: Event) -> None:
    failed = event.get("status") == "error"
    returned = " ".join(content_text(event.get("tool_return")).split())
    screen.line(f"← {shortened(returned, LONGEST_RETURN)}", "red" if failed else "dim green")


def show_answer(screen: Screen, event: Event) -> None:
    screen.block("answer")
    screen.write(content_text(event.get("content")))


def show_restart(screen: Screen, _event: Event) -> None:
    screen.line("(this step starts again; what it printed so far does not count)", "dim yellow")


def show_stop(screen: Screen, event: Event) -> None:
    screen.close()
    reason = event.get("stop_reason")
    if reason != "end_turn":
        screen.line(f"({str(reason).replace('_', ' ')})", "dim yellow")


def show_error(screen: Screen, event: Event) -> None:
    screen.line(str(event.get("message") or event.get("detail") or "The run failed."), "red")


def show_user(screen: Screen, event: Event) -> None:
    screen.line(f"> {content_text(event.get('content'))}", "bold")


PRINTERS: dict[str, Callable[[Screen, Event], None]] = {
    "user_message": show_user,
    "reasoning_message": show_reasoning,
    "tool_call_message": show_calls,
    "approval_request_message": show_calls,
    "approval_response_message": show_verdicts,
    "tool_return_message": show_return,
    "assistant_message": show_answer,
    "step_restarted": show_restart,
    "stop_reason": show_stop,
    "error_message": show_error,
}


def content_text(content: Any) -> str:
    """The text of a message: a string, or a list of parts of which only the texts are shown."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]} ... ({len(text) - longest} more characters)"


_TURNING = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
"""Letters that turn the order of those around them: a call that waits for leave would read as another."""


def printable(text: str) -> str:
    """Without control characters: what a model or a tool writes must not steer the terminal."""
    return "".join(character for character in text if character in "\n\t" or is_printable(ord(character)))


def is_printable(code: int) -> bool:
    return 0x20 <= code < 0x7F or (code >= 0xA0 and code not in _TURNING)
