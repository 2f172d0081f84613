"""A conversation as people read it: pages of messages, each with its speech, thoughts, calls and returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Max

from agents.admin import consent
from agents.admin.display import pretty
from agents.models import Approval, Conversation, Message, Run
from agents.wire import Wire, parts

PAGE = 100
MAX_CHARS = 20_000
"""More of one text is cut here; the page of the message has all of it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A message and what it is shown as: [{"kind", "text", ...}]. `forgotten`: no longer in the model's context.

    `ended_badly` is its run, where that failed or was cancelled and said nothing after this message.
    """

    message: Message
    items: list[dict[str, Any]]
    forgotten: bool
    ended_badly: Run | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Messages in order. `earlier` and `later` are what `before` has to be for the neighbouring pages, or None."""

    entries: list[Entry]
    earlier: int | None
    later: int | None


@dataclass(frozen=True, slots=True)
class Around:
    """What a page needs to know beside its messages: approvals by their message, who answered, runs by last number."""

    approvals: Mapping[str, Approval] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    bad_ends: Mapping[int, Run] = field(default_factory=dict)


def page(conversation: Conversation, before: int | None = None, size: int = PAGE) -> Page:
    """The last `size` messages with a number below `before`; without it, the newest."""
    messages = Message.objects.filter(conversation_id=conversation.id).defer("terms", "text")
    below = messages if before is None else messages.filter(seq__lt=before)
    rows = list(below.order_by("-seq")[: size + 1])
    earlier = rows[size - 1].seq if len(rows) > size else None
    later = None if before is None else _later(messages, before, size)
    around = _around(rows[:size])
    return Page([_entry(message, conversation, around) for message in reversed(rows[:size])], earlier, later)


def _later(messages: Any, before: int, size: int) -> int | None:
    following = messages.filter(seq__gte=before).order_by("seq").values_list("seq", flat=True)[:size]
    return following[len(following) - 1] + 1 if following else None


def _around(rows: Sequence[Message]) -> Around:
    asking = [row.id for row in rows if row.content.get("waiting")]
    answered = [row.content["approval_request_id"] for row in rows if row.role == Message.Role.APPROVAL]
    approvals = consent.approvals_of([*asking, *answered]) if asking or answered else {}
    return Around(approvals, consent.names_of(approvals.values()), _bad_ends({row.run_id for row in rows}))


def _bad_ends(run_ids: set[str | None]) -> dict[int, Run]:
    ended = Run.objects.filter(id__in=run_ids - {None}, status__in=(Run.Status.FAILED, Run.Status.CANCELLED))
    return {run.last: run for run in ended.annotate(last=Max("messages__seq"))}


def _entry(message: Message, conversation: Conversation, around: Around) -> Entry:
    forgotten = message.seq != 1 and message.seq < conversation.context_from
    items = [item for part in parts(message) for item in _items(part, around)]
    return Entry(message, items, forgotten, around.bad_ends.get(message.seq))


def _items(part: Wire, around: Around) -> list[dict[str, Any]]:
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
            return [_call(call) for call in part["tool_calls"]]
        case "approval_request_message":
            approval = around.approvals.get(part["id"])
            return [_call(call) | _waiting(approval) for call in part["tool_calls"]]
        case "approval_response_message":
            return _answers(part, around)
        case "tool_return_message":
            return [_return(part)]
    return []


def _call(call: Wire) -> dict[str, Any]:
    return {"kind": "call", "name": call["name"], **_cut(pretty(call["arguments"]))}


def _waiting(approval: Approval | None) -> dict[str, Any]:
    is_open = approval is not None and approval.answered_at is None
    return {"waiting": consent.state(approval), "approval": approval, "is_open": is_open}


def _answers(part: Wire, around: Around) -> list[dict[str, Any]]:
    approval = around.approvals.get(part["approval_request_id"])
    names, by = consent.names_of_calls(approval), consent.given_by(approval, around.names)
    return [
        {
            "kind": "answer",
            "name": names.get(answer["tool_call_id"], answer["tool_call_id"]),
            "verdict": consent.verdict(answer),
            "by": by,
            **_cut(consent.returned(answer)),
        }
        for answer in part["approvals"]
    ]


def _return(part: Wire) -> dict[str, Any]:
    output = {name: _cut("\n".join(part[name] or []))["text"] for name in ("stdout", "stderr")}
    return {"kind": "return", "name": part["name"], "status": part["status"], **output, **_cut(part["tool_return"])}


def _flat(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(item["text"] if item.get("type") == "text" else f"[{item.get('type')}]" for item in content)


def _cut(text: str) -> dict[str, Any]:
    return {"text": text[:MAX_CHARS], "is_cut": len(text) > MAX_CHARS}
