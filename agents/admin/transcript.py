"""A conversation as people read it: pages of messages, each with its speech, thoughts, calls and returns."""

from dataclasses import dataclass
from typing import Any

from agents.admin.display import pretty
from agents.models import Conversation, Message
from agents.wire import Wire, parts

PAGE = 100
MAX_CHARS = 20_000
"""More of one text is cut here; the page of the message has all of it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A message and what it is shown as: [{"kind", "text", ...}]. `forgotten`: no longer in the model's context."""

    message: Message
    items: list[dict[str, Any]]
    forgotten: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Messages in order. `earlier` and `later` are what `before` has to be for the neighbouring pages, or None."""

    entries: list[Entry]
    earlier: int | None
    later: int | None


def page(conversation: Conversation, before: int | None = None, size: int = PAGE) -> Page:
    """The last `size` messages with a number below `before`; without it, the newest."""
    messages = Message.objects.filter(conversation_id=conversation.id).defer("terms", "text")
    below = messages if before is None else messages.filter(seq__lt=before)
    rows = list(below.order_by("-seq")[: size + 1])
    earlier = rows[size - 1].seq if len(rows) > size else None
    later = None if before is None else _later(messages, before, size)
    return Page([_entry(message, conversation) for message in reversed(rows[:size])], earlier, later)


def _later(messages: Any, before: int, size: int) -> int | None:
    following = messages.filter(seq__gte=before).order_by("seq").values_list("seq", flat=True)[:size]
    return following[len(following) - 1] + 1 if following else None


def _entry(message: Message, conversation: Conversation) -> Entry:
    forgotten = message.seq != 1 and message.seq < conversation.context_from
    items = [item for part in parts(message) for item in _items(part)]
    return Entry(message, items, forgotten)


def _items(part: Wire) -> list[dict[str, Any]]:
    match part["message_type"]:
        case "system_message":
            return [{"kind": "system", **_cut(part["content"])}]
        case "user_message" | "assistant_message":
            return [{"kind": "speech", **_cut(_flat(part["content"]))}]
        case "reasoning_message":
            return [{"kind": "thought", **_cut(part["reasoning"])}]
        case "hidden_reasoning_message":
            return [{"kind": "thought", "text": "(a thought that the provider sent encrypted)"}]
        case "tool_call_message":
            return [
                {"kind": "call", "name": call["name"], **_cut(pretty(call["arguments"]))} for call in part["tool_calls"]
            ]
        case "tool_return_message":
            return [_return(part)]
    return []


def _return(part: Wire) -> dict[str, Any]:
    output = {name: _cut("\n".join(part[name] or []))["text"] for name in ("stdout", "stderr")}
    return {"kind": "return", "name": part["name"], "status": part["status"], **output, **_cut(part["tool_return"])}


def _flat(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(item["text"] if item.get("type") == "text" else f"[{item.get('type')}]" for item in content)


def _cut(text: str) -> dict[str, Any]:
    return {"text": text[:MAX_CHARS], "is_cut": len(text) > MAX_CHARS}
