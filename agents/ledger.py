"""Rows in, rows out: the claim of a step, and its commits, each one fenced transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.db import transaction
from django.db.models import Exists, F, Q
from django.utils import timezone

from accounts.fields import new_id
from agents import approvals, mail
from agents.endings import TOO_LATE, end
from agents.faultpoints import faultpoint
from agents.loop.decision import Decision, Finished, Heartbeat
from agents.loop.messages import Reply
from agents.loop.step import INTERRUPTED, Admitted, Ready, Waiting
from agents.models import TERMINAL, Approval, Conversation, Message, Run, Step, ToolAttempt
from agents.retry import settled
from agents.rows import attempt_row, input_row, nudge_row, reply_row, return_row
from agents.statements import execute, insert, rows_of, set_columns
from agents.turns import READY_AT, Hold, Turn, append, close_step, fence
from agents.wire import parts
from tools.spec import ToolCall, ToolReturn

MAX_CLAIMS = 3

FAILED_STOP_REASONS = {
    "error",
    "llm_api_error",
    "invalid_llm_response",
    "invalid_tool_call",
    "no_tool_call",
    "max_tokens_exceeded",
    "context_window_overflow_in_system_prompt",
    "insufficient_credits",
}

_BEGIN = """
WITH run AS (
     UPDATE agents_run SET status = 'running', waits = FALSE, claims = claims + 1,
            started_at = COALESCE(started_at, clock_timestamp())
      WHERE id = (SELECT id FROM agents_run
                   WHERE conversation_id = %s AND NOT (status IN ('completed', 'failed', 'cancelled'))
                     AND (approval_id IS NOT NULL OR NOT EXISTS (
                             SELECT 1 FROM agents_approval WHERE conversation_id = %s AND answered_at IS NULL))
                   ORDER BY approval_id IS NULL, seq LIMIT 1)
        AND (not_before IS NULL OR not_before <= clock_timestamp() OR cancel_requested_at IS NOT NULL
             OR deadline_at <= clock_timestamp())
     RETURNING *),
     step AS (
     INSERT INTO agents_step (id, organization_id, agent_id, run_id, no, epoch, created_at)
     SELECT %s, organization_id, agent_id, id, steps_done + 1, %s, clock_timestamp() FROM run
         ON CONFLICT (run_id, no) DO UPDATE SET epoch = EXCLUDED.epoch, claims = agents_step.claims + %s
     RETURNING *, xmax <> 0 AS was_there)
SELECT {run}, {step}, EXTRACT(EPOCH FROM run.deadline_at - clock_timestamp())::float8, step.was_there,
       (SELECT message_buffer_autoclear OR agent_type = 'workflow_agent' FROM agents_agent WHERE id = run.agent_id)
  FROM run, step
"""

# Claiming -------------------------------------------------------------------------------------------------------------


def begin(hold: Hold, conversation: Conversation, again: bool = False) -> Turn | None:
    """Open the next step of the first run that is not done; None if there is nothing to do.

    A run that must not go on (cancelled, too late, or deadly for workers) is ended at once: then the turn's run is
    terminal. Runs inside the transaction of the claim.

    `again`: this claim repeats one of the same worker, which has not died in between.
    """
    keys = [conversation.id, conversation.id, new_id("step"), hold.epoch, int(not again)]
    opened = rows_of(_BEGIN, keys, run=Run, step=Step)
    if opened is None:
        _rest(hold)
        return None
    (run, step), (seconds_left, was_there, clears_buffer) = opened
    turn = Turn(hold, conversation, run, step, is_again=was_there, seconds_left=seconds_left)
    if run.claims == 1:
        # Not for an answer to waiting calls, which goes on with what is there, nor for what says nothing new.
        if clears_buffer and run.input and run.approval_id is None:
            conversation.context_from, conversation.summary_seq = conversation.next_seq, None
        _promote(turn)
    if ending := _must_end(turn):
        fence(hold, 0, release=True)
        end(turn, *ending, pair=True)
    return turn


def _must_end(turn: Turn) -> tuple[str, Finished] | None:
    if turn.run.cancel_requested_at:
        return Run.Status.CANCELLED, Finished("cancelled")
    if turn.seconds_left <= 0:
        return Run.Status.FAILED, TOO_LATE
    if turn.step.claims > MAX_CLAIMS:
        text = f"{MAX_CLAIMS} workers in a row stopped in the middle of step {turn.step.no}."
        return Run.Status.FAILED, Finished("error", "worker_lost", text)
    return None


def _promote(turn: Turn) -> None:
    """The run's input becomes messages of the conversation."""
    place, first = turn.conversation.id, turn.conversation.next_seq
    append(
        turn,
        [
            input_row(turn.step, place, accepted, seq=first + index, index=index)
            for index, accepted in enumerate(turn.run.input)
        ],
    )
    if turn.answers:
        approvals.resume(turn)


def _rest(hold: Hold) -> None:
    """Nothing can be done now: give the hold back, and say when there will be something."""
    fence(hold, 0, release=True)
    execute("SELECT 1 FROM agents_inbox WHERE conversation_id = %s FOR UPDATE", [hold.conversation_id])
    # A run may have been accepted since the claim looked for one: that locks the inbox alone.
    asked = Approval.objects.filter(conversation_id=hold.conversation_id, answered_at=None)
    runs = Run.objects.filter(conversation_id=hold.conversation_id).exclude(status__in=TERMINAL)
    startable = runs.filter(Q(approval__isnull=False) | ~Exists(asked))
    head = startable.order_by(F("approval").asc(nulls_last=True), "seq").only("not_before").first()
    execute(READY_AT, [head is not None, head and head.not_before, hold.conversation_id])


# The commits of a step ------------------------------------------------------------------------------------------------


class StateCalls(Protocol):
    """The tools that change only our own database, inside the open transaction of a commit."""

    def run(self, admitted: Admitted) -> ToolReturn: ...

    def save(self) -> None:
        """Write what the calls changed."""
        ...


class _NothingSent(Exception):
    """No message of the calls could be sent; `refused` says why."""

    def __init__(self, refused: list[ToolReturn]):
        super().__init__()
        self.refused = refused


@dataclass(slots=True)
class StepLedger:
    """agents.loop.step.Ledger over the rows of one turn. `state_calls` is asked anew by every try at a commit."""

    turn: Turn
    state_calls: Callable[[], StateCalls]

    def call_id(self, index: int) -> str:
        return self.turn.call_id(index)

    def commit(self, reply: Reply | None, ready: Sequence[Ready], starting: Sequence[Admitted]) -> list[ToolReturn]:
        returns, _ = self._write(reply, ready, starting=starting)
        faultpoint("c8")
        return returns

    def close(
        self, reply: Reply | None, ready: Sequence[Ready], conclude: Callable[[list[ToolReturn]], Decision]
    ) -> Decision:
        _, decision = self._write(reply, ready, conclude=conclude)
        faultpoint("c13")
        assert decision is not None
        return decision

    def post(self, reply: Reply | None, ready: Sequence[Ready], asking: Sequence[Admitted]) -> list[ToolReturn]:
        try:
            self._write(reply, ready, asking=asking)
        except _NothingSent as nothing:
            return nothing.refused
        faultpoint("c13")
        return []

    def suspend(self, reply: Reply, waiting: Sequence[Waiting]) -> Decision:
        _, decision = self._write(reply, [], waiting=waiting, conclude=lambda _: Finished("requires_approval"))
        faultpoint("c13")
        assert decision is not None
        return decision

    def _write(
        self,
        reply: Reply | None,
        ready: Sequence[Ready],
        *,
        waiting: Sequence[Waiting] = (),
        starting: Sequence[Admitted] = (),
        asking: Sequence[Admitted] = (),
        conclude: Callable[[list[ToolReturn]], Decision] | None = None,
    ) -> tuple[list[ToolReturn], Decision | None]:
        turn, ids = self.turn, [self.turn.answer_id] if reply else []
        ids += [new_id("message") for _ in ready]

        def work(again: bool) -> tuple[list[Message], list[ToolReturn], Decision | None]:
            faultpoint("fence")
            with transaction.atomic():
                if again and ids and Message.objects.filter(id=ids[-1]).exists():
                    return self._read_back(ids, conclude)
                seq = fence(turn.hold, len(ids), release=conclude is not None)
                calls = self.state_calls()
                returns = [item if isinstance(item, ToolReturn) else calls.run(item) for item in ready]
                calls.save()
                sent = self._sent(calls, asking)
                rows = self._rows(reply, returns, ids, seq, waiting)
                insert(rows)
                self._save_prompt()
                if waiting:
                    approvals.ask(turn, rows[0], waiting)
                else:
                    self._save_attempts(reply, returns, [*starting, *sent])
                decision = conclude(returns) if conclude else None
                if decision:
                    rows += self._nudge(decision)
                    self._settle(reply, decision)
                elif reply:
                    set_columns(turn.step, self._answered(reply))
                else:
                    set_columns(turn.step, {"claims": 0})
                if sent:
                    mail.wait(turn)
                return rows, returns, decision

        rows, returns, decision = settled(work)
        turn.prompt = turn.context_from = None
        if reply:
            turn.step.status = Step.Status.RESPONDED
        faultpoint("c15")
        turn.committed(rows, turn.run if isinstance(decision, Finished) else None)
        return returns, decision

    def _sent(self, calls: StateCalls, asking: Sequence[Admitted]) -> list[Admitted]:
        """Those whose messages could be sent; when none could, nothing of this commit is kept."""
        outcomes = [(item, calls.run(item)) for item in asking]
        sent = [item for item, outcome in outcomes if outcome.status == "success"]
        if asking and not sent:
            raise _NothingSent([outcome for _, outcome in outcomes])
        return sent

    def _read_back(
        self, ids: list[str], conclude: Callable[[list[ToolReturn]], Decision] | None
    ) -> tuple[list[Message], list[ToolReturn], Decision | None]:
        """The connection died after the commit was sent, and it had come through."""
        rows = list(Message.objects.filter(id__in=ids).order_by("seq"))
        returns = [_returned(row) for row in rows if row.role == Message.Role.TOOL]
        self.turn.run.refresh_from_db()
        self.turn.ready = True
        return rows, returns, conclude(returns) if conclude else None

    def _rows(
        self, reply: Reply | None, returns: list[ToolReturn], ids: list[str], seq: int, waiting: Sequence[Waiting]
    ) -> list[Message]:
        step, place = self.turn.step, self.turn.hold.conversation_id
        asked = [item.call.id for item in waiting]
        rows = [reply_row(step, place, reply, id=ids[0], seq=seq, waiting=asked)] if reply else []
        offset = len(rows)
        rows += [
            return_row(step, place, returned, id=ids[offset + index], seq=seq + offset + index)
            for index, returned in enumerate(returns)
        ]
        for row in rows:
            row.event_seq = self.turn.number(max(1, len(parts(row, self.turn.view))))
        return rows

    def _nudge(self, decision: Decision) -> list[Message]:
        if not isinstance(decision, Heartbeat) or decision.nudge is None:
            return []
        turn, seq = self.turn, fence(self.turn.hold, 1)
        row = nudge_row(turn.step, turn.hold.conversation_id, decision.nudge, id=new_id("message"), seq=seq)
        row.event_seq = turn.number()
        insert([row])
        return [row]

    def _save_prompt(self) -> None:
        turn = self.turn
        if turn.prompt:
            message_id, content = turn.prompt
            Message.objects.filter(id=message_id).update(content=content)
        if turn.context_from:
            Conversation.objects.filter(id=turn.conversation.id).update(context_from=turn.context_from)

    def _save_attempts(self, reply: Reply | None, returns: list[ToolReturn], starting: Sequence[Admitted]) -> None:
        """With the answer: all its calls, as far as they have come. Later: ends of what was started, and the next."""
        now, ends = timezone.now(), {returned.call_id: returned for returned in returns}
        if reply and reply.calls:
            begin = {item.call.id for item in starting}
            calls = enumerate(reply.calls)
            insert([self._attempt(index, call, ends.get(call.id), call.id in begin, now) for index, call in calls])
            return
        for returned in returns:
            tries = ToolAttempt.objects.filter(step_id=self.turn.step.id, call_id=returned.call_id, finished_at=None)
            tries.update(status=_outcome(returned), finished_at=now)
        for item in starting:
            self._start(item, now)

    def _attempt(self, index: int, call: ToolCall, end: ToolReturn | None, begins: bool, now: datetime) -> ToolAttempt:
        status = ToolAttempt.Status.STARTED if begins else ToolAttempt.Status.PLANNED
        return attempt_row(
            self.turn.step,
            call,
            index,
            self.turn.hold.epoch,
            status=_outcome(end) if end else status,
            started_at=now if end or begins else None,
            finished_at=now if end else None,
        )

    def _start(self, starting: Admitted, now: datetime) -> None:
        """The intent: the first try was planned with the answer, each further one is a row of its own."""
        tries = ToolAttempt.objects.filter(step_id=self.turn.step.id, call_id=starting.call.id)
        if starting.attempt == 1:
            tries.update(status=ToolAttempt.Status.STARTED, started_at=now, epoch=self.turn.hold.epoch)
            return
        if tries.filter(attempt=starting.attempt).exists():
            return  # this very commit had come through before, and nobody heard of it
        tries.filter(finished_at=None).update(status=ToolAttempt.Status.INTERRUPTED, finished_at=now)
        planned = tries.order_by("attempt").first()
        assert planned is not None
        again = self._attempt(planned.call_index, starting.call, None, True, now)
        again.attempt = starting.attempt
        again.save(force_insert=True)

    def _answered(self, reply: Reply) -> dict[str, Any]:
        usage = reply.usage
        return {
            "status": Step.Status.RESPONDED,
            "claims": 0,
            "model": self.turn.step.model,
            "context_window": self.turn.step.context_window,
            "finish": reply.finish,
            "prompt_tokens": usage.prompt,
            "estimated_tokens": self.turn.step.estimated_tokens,
            "completion_tokens": usage.completion,
            "cached_tokens": usage.cached,
            "cache_write_tokens": usage.cache_write,
            "reasoning_tokens": usage.reasoning,
            "llm_ns": self.turn.llm_ns,
            "first_token_ns": self.turn.first_token_ns,
        }

    def _settle(self, reply: Reply | None, decision: Decision) -> None:
        """T5: the step is done; the run goes on with another, or has ended."""
        turn = self.turn
        answered = self._answered(reply) if reply else {}
        if isinstance(decision, Finished):
            status = Run.Status.FAILED if decision.stop_reason in FAILED_STOP_REASONS else Run.Status.COMPLETED
            end(turn, status, decision, answered)
            return
        closed = {"status": Step.Status.COMMITTED, "claims": 0, "tool_ns": turn.tool_ns or None}
        queued = {"status": Run.Status.QUEUED, "steps_done": turn.step.no, "not_before": None}
        close_step(turn, answered | closed | {"completed_at": timezone.now()}, queued, ready=True)
        turn.ready = True


def _outcome(returned: ToolReturn) -> str:
    if returned.text == INTERRUPTED:
        return ToolAttempt.Status.INTERRUPTED
    return ToolAttempt.Status.SUCCEEDED if returned.status == "success" else ToolAttempt.Status.FAILED


def _returned(row: Message) -> ToolReturn:
    content = row.content
    return ToolReturn(content["call_id"], content["name"], content["status"], content["text"])
