"""Calls that wait for an answer: asked for by one run's last commit, answered by the input of another run.

The answer is a message of its own kind; the run that brings it goes before those that were already queued, and its
first step runs what was approved. docs/run-lifecycle.md tells what happens when.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from accounts.fields import new_id
from agents.errors import BadRequest, Conflict
from agents.loop.step import Waiting
from agents.models import TERMINAL, Approval, Conversation, Message, Run, Step
from agents.rows import attempt_row, flat_text
from agents.statements import insert, set_columns
from agents.turns import Turn
from tools.spec import ToolCall, ToolReturn

DENIED = "Error: request to call tool denied. User reason: {reason}"
CANCELLED = "The user cancelled the request, so the tool call was denied."
OVERDUE = "Nobody answered in time, so the tool call was denied."

Answer = dict[str, Any]
"""One of Approval.answers."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a request answers. `each` names the calls; a verdict without names is for all that wait.

    verdict  (approve, reason) for every call, when `each` is empty
    of       the approval that is meant; None: whichever is open
    by       who answers, where it is not the API key of the request
    """

    each: tuple[Answer, ...] = ()
    verdict: tuple[bool, str | None] | None = None
    of: str | None = None
    by: str | None = None

    @property
    def is_own(self) -> bool:
        """Given by the server itself, because nobody answered or all was cancelled."""
        return self.verdict in ((False, CANCELLED), (False, OVERDUE))


# Asking ---------------------------------------------------------------------------------------------------------------


def ask(turn: Turn, message: Message, waiting: Sequence[Waiting]) -> None:
    """Inside the commit that ends the run. Messages that were queued behind it must outlast the wait."""
    lifetime = timedelta(seconds=settings.APPROVAL_SECONDS)
    calls = [
        {
            "tool_call_id": item.call.id,
            "name": item.call.name,
            "arguments": item.call.arguments,
            "by_client": item.by_client,
        }
        for item in waiting
    ]
    Approval.objects.create(
        organization_id=message.organization_id,
        agent_id=message.agent_id,
        conversation_id=message.conversation_id,
        message_id=message.id,
        asked_by_id=turn.run.id,
        calls=calls,
        deadline_at=timezone.now() + lifetime,
    )
    queued = Run.objects.filter(conversation_id=message.conversation_id, seq__gt=turn.run.seq)
    queued.exclude(status__in=TERMINAL).update(deadline_at=F("deadline_at") + lifetime)


def pending(conversation: Conversation) -> Approval | None:
    return Approval.objects.filter(conversation_id=conversation.id, answered_at=None).first()


def forget(conversation: Conversation) -> None:
    """Nobody is asked any more, because the calls have left the context."""
    Approval.objects.filter(conversation_id=conversation.id, answered_at=None).update(answered_at=timezone.now())


# Answering ------------------------------------------------------------------------------------------------------------


def take(conversation: Conversation, answers: Answers, by: str | None) -> Approval:
    """Note the answer to what is open. Inside the accept of the run that brings it. Raises BadRequest or Conflict."""
    approval = pending(conversation)
    if answers.of and (approval is None or approval.id != answers.of):
        raise Conflict("These tool calls were answered already, or cancelled. Nothing has changed.")
    if approval is None:
        raise BadRequest(
            "Cannot process approval response: No tool call is currently awaiting approval. "
            "It may have been answered already, or its run was cancelled."
        )
    if approval.deadline_at <= timezone.now() and not answers.is_own:
        raise Conflict("The time to answer these tool calls is over: they count as denied. Nothing has changed.")
    approval.answers = _complete(approval, answers)
    approval.answered_at, approval.answered_by_id = timezone.now(), answers.by or by
    approval.save(update_fields=["answers", "answered_at", "answered_by_id"])
    return approval


def run_of_same(conversation: Conversation, answers: Answers) -> Run | None:
    """The run that this very answer had started before, when a client sends it again."""
    if answers.of or pending(conversation):
        return None
    answered = Approval.objects.filter(conversation_id=conversation.id, answers__isnull=False)
    last = answered.order_by("-answered_at").first()
    try:
        same = last is not None and _complete(last, answers) == last.answers
    except BadRequest:
        return None
    return Run.objects.filter(approval=last).first() if same else None


def message_of(approval: Approval, otid: str | None) -> dict[str, Any]:
    """The answer as a run's input."""
    content = {"approval_request_id": approval.message_id, "approvals": approval.answers}
    return {"id": new_id("message"), "role": Message.Role.APPROVAL, "content": content, "name": None, "otid": otid}


def _complete(approval: Approval, answers: Answers) -> list[Answer]:
    """One answer for each call that waits, in their order. Raises BadRequest where they do not match."""
    ids = [call["tool_call_id"] for call in approval.calls]
    if answers.verdict is not None:
        approve, reason = answers.verdict
        each = {id: _verdict(id, approve, reason) for id in ids}
    else:
        each = {answer["tool_call_id"]: answer for answer in answers.each}
    if sorted(each) != sorted(ids) or (answers.each and len(answers.each) != len(ids)):
        raise BadRequest(f"The tool calls that wait are {', '.join(ids)}; answer each of them once, and no other.")
    for call in approval.calls:
        given = each[call["tool_call_id"]]
        if call["by_client"] and given["type"] == "approval" and given["approve"]:
            raise BadRequest(f"{call['name']} is run by the client: send what it returned, not an approval.")
    return [each[id] for id in ids]


def _verdict(call_id: str, approve: bool, reason: str | None) -> Answer:
    return {"type": "approval", "tool_call_id": call_id, "approve": approve, "reason": reason}


# Going on -------------------------------------------------------------------------------------------------------------


def resume(turn: Turn) -> None:
    """Make the first step of the answering run the one that has the calls. Inside the claim that begins the run."""
    assert turn.answers is not None
    message = Message.objects.only("content").get(id=turn.answers["approval_request_id"])
    calls = [ToolCall(call["id"], call["name"], call["arguments"]) for call in message.content["calls"]]
    insert([attempt_row(turn.step, call, index, turn.hold.epoch) for index, call in enumerate(calls)])
    set_columns(turn.step, {"status": Step.Status.RESPONDED})
    turn.step.status = Step.Status.RESPONDED


def outcomes(content: Mapping[str, Any], calls: Sequence[ToolCall]) -> dict[str, ToolReturn | None]:
    """agents.loop.state.StepState.answers, from what was answered."""
    names = {call.id: call.name for call in calls}
    return {answer["tool_call_id"]: _outcome(answer, names) for answer in content["approvals"]}


def _outcome(answer: Answer, names: Mapping[str, str]) -> ToolReturn | None:
    call_id = answer["tool_call_id"]
    name = names.get(call_id, "")
    if answer["type"] == "tool":
        text = flat_text(answer["tool_return"])
        return ToolReturn(call_id, name, answer["status"], text, answer.get("stdout"), answer.get("stderr"))
    if answer["approve"]:
        return None
    reason = answer.get("reason")
    text = reason if reason in (CANCELLED, OVERDUE) else DENIED.format(reason=reason or "none given")
    return ToolReturn(call_id, name, "error", text)
