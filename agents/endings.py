"""The ways for a run to end, or to wait. Each is one fenced transaction."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.fields import new_id
from agents.errors import LLMError
from agents.events import TOTALS, Totals, closing_entries
from agents.faultpoints import faultpoint
from agents.loop.decision import Finished
from agents.mail import wake
from agents.models import TERMINAL, Message, Run, Step, ToolAttempt
from agents.retry import settled
from agents.rows import return_row
from agents.statements import execute, insert, set_columns
from agents.turns import READY_AT, READY_NOW, Turn, close_step, fence
from tools.spec import ToolReturn

_WAIT = """
UPDATE agents_run SET status = 'queued', not_before = clock_timestamp() + make_interval(secs => %s)
 WHERE id = %s RETURNING not_before
"""


TOO_LATE = Finished("error", "deadline_exceeded", "The run did not end before its deadline.")


def fail(turn: Turn, ending: Finished) -> None:
    """End the run; what the step had recorded stays, and its open calls are paired."""
    _close(turn, Run.Status.FAILED, ending)


def cancel(turn: Turn) -> None:
    _close(turn, Run.Status.CANCELLED, Finished("cancelled"))


def _close(turn: Turn, status: str, ending: Finished) -> None:
    def work(again: bool) -> list[Message]:
        with transaction.atomic():
            if again and Run.objects.filter(id=turn.run.id, status__in=TERMINAL).exists():
                turn.run.refresh_from_db()
                return []
            fence(turn.hold, 0, release=True)
            turn.step.refresh_from_db(fields=["status"])
            return end(turn, status, ending, pair=True)

    rows = settled(work)
    faultpoint("c15")
    turn.committed(rows, turn.run)


def postpone(turn: Turn, delay: float, error: LLMError) -> None:
    """The model could not be asked: try again in `delay` seconds, and hold no worker meanwhile."""

    def work(again: bool) -> None:
        with transaction.atomic():
            fence(turn.hold, 0, release=True)
            Step.objects.filter(id=turn.step.id).update(
                claims=0,
                llm_failures=turn.step.llm_failures + 1,
                overflows=turn.step.overflows + (error.code == "context_overflow"),
                error_code=error.code,
                error_message=error.message,
            )
            (until,) = execute(_WAIT, [delay, turn.run.id])
            execute(READY_AT, [True, until, turn.conversation.id])

    settled(work)


def release(turn: Turn) -> None:
    """Stop in good order, with the step as far as it has come: another worker goes on at once."""

    def work(again: bool) -> None:
        with transaction.atomic():
            fence(turn.hold, 0, release=True)
            set_columns(turn.step, {"claims": 0})
            execute(READY_NOW, [turn.conversation.id])

    settled(work)


def end(
    turn: Turn, status: str, ending: Finished, answered: dict[str, Any] | None = None, *, pair: bool = False
) -> list[Message]:
    """The run becomes terminal. Inside a fenced transaction.

    `pair`: the step may have calls without a return. They are given one each; these are what it returns.
    """
    done = bool(answered) or turn.step.status == Step.Status.RESPONDED
    paired = _pair_open_calls(turn, ending) if pair and done else []
    now = timezone.now()
    closed = {
        "status": Step.Status.COMMITTED if done else Step.Status.ABORTED,
        "claims": 0,
        "model": turn.step.model,
        "context_window": turn.step.context_window,
        "tool_ns": turn.tool_ns or None,
        "stop_reason": ending.stop_reason,
        "error_code": ending.error_code,
        "error_message": ending.error_message,
        "completed_at": now,
    }
    ended = {
        "status": status,
        "steps_done": turn.step.no if done else turn.run.steps_done,
        "stop_reason": ending.stop_reason,
        "error_code": ending.error_code,
        "error_message": ending.error_message,
        "final_event_seq": turn.number(3),
        "completed_at": now,
    }
    # One that brought an answer has overtaken those before it.
    overtook = turn.run.approval_id is not None
    turn.ready, *totals = close_step(turn, (answered or {}) | closed, ended, ready=overtook, told=TOTALS)
    for name, value in ended.items():
        setattr(turn.run, name, value)
    before = Totals.of(*totals)
    turn.closing = closing_entries(turn.run, before.and_step(answered) if answered else before)
    if woken := wake(turn.run):
        turn.also_ready.append(woken)
    return paired


def _pair_open_calls(turn: Turn, ending: Finished) -> list[Message]:
    """Give every call of the recorded answer that has none a return, so that the transcript stays well-formed."""
    if turn.answers:
        answer = Message.objects.filter(id=turn.answers["approval_request_id"]).first()
    else:
        answer = Message.objects.filter(step_id=turn.step.id, role=Message.Role.ASSISTANT, call_index=0).first()
    if answer is None:
        return []
    stored = set(
        Message.objects.filter(step_id=turn.step.id, role=Message.Role.TOOL).values_list("content__call_id", flat=True)
    )
    missing = [call for call in answer.content["calls"] if call["id"] not in stored]
    if not missing:
        return []
    why = "The user cancelled the request, so this call was not completed."
    if ending.stop_reason != "cancelled":
        why = f"The run ended ({ending.error_code or ending.stop_reason}) before this call was completed."
    seq = fence(turn.hold, len(missing))
    rows = [
        return_row(
            turn.step,
            turn.hold.conversation_id,
            ToolReturn(call["id"], call["name"], "error", why),
            id=new_id("message"),
            seq=seq + index,
        )
        for index, call in enumerate(missing)
    ]
    for row in rows:
        row.event_seq = turn.number()
    insert(rows)
    ToolAttempt.objects.filter(step_id=turn.step.id, finished_at=None).update(
        status=ToolAttempt.Status.CANCELLED if ending.stop_reason == "cancelled" else ToolAttempt.Status.INTERRUPTED,
        finished_at=timezone.now(),
    )
    return rows
