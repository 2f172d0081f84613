"""What the transcript tells of calls that waited for an answer: what became of each, and who has answered."""

from collections.abc import Iterable, Mapping
from typing import Any

from accounts.models import ApiKey, User
from agents.admin.display import pretty
from agents.approvals import CANCELLED, OVERDUE
from agents.models import Approval
from agents.rows import flat_text

Answer = dict[str, Any]


def approvals_of(message_ids: Iterable[str]) -> dict[str, Approval]:
    """By the message that has the calls, or the answer to them: both name that message."""
    return {approval.message_id: approval for approval in Approval.objects.filter(message_id__in=list(message_ids))}


def names_of(approvals: Iterable[Approval]) -> dict[str, str]:
    """Whoever has answered, by id; those who exist no more are left out."""
    ids = {approval.answered_by_id for approval in approvals if approval.answered_by_id}
    if not ids:
        return {}
    keys = {key.id: f"the API key {key}" for key in ApiKey.objects.filter(id__in=ids)}
    return keys | dict(User.objects.filter(id__in=ids).values_list("id", "username"))


def state(approval: Approval | None) -> str:
    """What a call says that had to be answered before it ran."""
    if approval is None:
        return "had to be answered before it ran"
    if approval.answered_at is None:
        return f"waits for an answer until {approval.deadline_at:%Y-%m-%d %H:%M} UTC; nothing is answered yet"
    if approval.answers is None:
        return "was never answered: the conversation was reset"
    return "waited for an answer, which follows"


def names_of_calls(approval: Approval | None) -> dict[str, str]:
    return {call["tool_call_id"]: call["name"] for call in approval.calls} if approval else {}


def verdict(answer: Answer) -> str:
    if answer["type"] == "tool":
        return "run by the client"
    if answer["approve"]:
        return "approved"
    reason = answer.get("reason")
    if reason == OVERDUE:
        return "denied: nobody answered in time"
    if reason == CANCELLED:
        return "denied: the request was cancelled"
    return f"denied: {reason}" if reason else "denied, without a reason"


def given_by(approval: Approval | None, names: Mapping[str, str]) -> str:
    """Nothing where the server answered by itself, or it is not known who did."""
    name = names.get(approval.answered_by_id or "", "") if approval else ""
    return f"answered by {name}" if name else ""


def returned(answer: Answer) -> str:
    """What the client sent as the result of a call that it has run."""
    return pretty(flat_text(answer["tool_return"])) if answer["type"] == "tool" else ""
