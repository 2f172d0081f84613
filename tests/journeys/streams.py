"""What a client has in the end that puts the pieces of a stream together."""

from collections.abc import Iterable
from typing import Any

PARTS = ("ping", "stop_reason", "usage_statistics")


def joined(events: Iterable[Any]) -> list[tuple[str, str, str]]:
    """(type, message id, text) of each message, in the order in which they began."""
    told: dict[tuple[str, str, str], str] = {}
    for event in events:
        if event.message_type not in PARTS:
            key = (event.message_type, event.id, event.otid)
            told[key] = told.get(key, "") + _text(event)
    return [(kind, id, text) for (kind, id, _), text in told.items()]


def _text(event: Any) -> str:
    if event.message_type == "tool_call_message":
        return event.tool_call.arguments or ""
    return getattr(event, "content", None) or getattr(event, "reasoning", None) or getattr(event, "tool_return", "")
