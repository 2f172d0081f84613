"""Rows in, rows out: what a step starts from, and its commits, each one fenced transaction.

The fence is the first statement of every commit: it fails when another worker has claimed the conversation since
(a higher epoch), and otherwise locks the row, so that a claim waits for the commit or the commit sees the claim.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.db import connection, transaction
from django.utils import timezone

from accounts.fields import new_id
from agents.errors import Fenced, LLMError
from agents.events import CLAIM
from agents.faultpoints import faultpoint
from agents.loop.decision import Decision, Finished
from agents.loop.messages import Reply
from agents.loop.step import INTERRUPTED, Admitted, Ready
from agents.models import Conversation, Message, Run, Step, ToolAttempt
from agents.retry import settled
from agents.rows import input_row, reply_row, return_row
from agents.wire import View, parts
from tools.spec import ToolReturn

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

_TAKE_HEAD = """
UPDATE agents_run SET status = 'running', claims = claims + 1, started_at = COALESCE(started_at, clock_timestamp())
 WHERE id = (SELECT id FROM agents_run
              WHERE conversation_id = %s AND NOT (status IN ('completed', 'failed', 'cancelled'))
              ORDER BY seq LIMIT 1)
   AND (not_before IS NULL OR not_before <= clock_timestamp() OR cancel_requested_at IS NOT NULL
        OR deadline_at <= clock_timestamp())
RETURNING *, EXTRACT(EPOCH FROM deadline_at - clock_timestamp())::float8 AS seconds_left
"""

_OPEN_STEP = """
INSERT INTO agents_step (id, organization_id, agent_id, run_id, no, epoch, created_at)
VALUES (%s, %s, %s, %s, %s, %s, clock_timestamp())
    ON CONFLICT (run_id, no) DO UPDATE SET epoch = EXCLUDED.epoch, claims = agents_step.claims + %s
RETURNING *, xmax <> 0 AS was_there
"""

_FENCE = "UPDATE agents_conversation SET next_seq = next_seq + %s WHERE id = %s AND epoch = %s RETURNING next_seq - %s"

_FENCE_AND_RELEASE = """
UPDATE agents_conversation
   SET next_seq = next_seq + %s, owner = '', lease_until = NULL, last_message_at = clock_timestamp()
 WHERE id = %s AND epoch = %s RETURNING next_seq - %s
"""

# After a run has ended: is there perhaps a later one? The row's own counter answers, because it is read again when
# this statement had to wait for an accept; a subquery over the runs would still show the moment before.
_PASS_ON = """
UPDATE agents_inbox SET hinted_at = clock_timestamp(),
       ready_at = CASE WHEN next_run_seq > %s + 1 THEN clock_timestamp() END
 WHERE conversation_id = %s RETURNING ready_at IS NOT NULL
"""

# There is work: at the time given, or now; or there is none.
_READY_AT = """
UPDATE agents_inbox SET hinted_at = NULL, ready_at = CASE WHEN %s THEN COALESCE(%s, clock_timestamp()) END
 WHERE conversation_id = %s
"""

_WAIT = """
UPDATE agents_run SET status = 'queued', not_before = clock_timestamp() + make_interval(secs => %s)
 WHERE id = %s RETURNING not_before
"""

_READY_NOW = """
UPDATE agents_inbox SET hinted_at = clock_timestamp(), ready_at = clock_timestamp() WHERE conversation_id = %s
"""


@dataclass(frozen=True, slots=True)
class Hold:
    """A worker's hold on a conversation: `epoch` is its fencing token."""

    conversation_id: str
    epoch: int


@dataclass(slots=True)
class Turn:
    """A claimed step: the rows, and the counter of this claim's events.

    `committed` is told what became durable, after the commit: new messages, and the run when it has ended.
    `ready` says, after the step was closed, whether the conversation has more work right now.
    """

    hold: Hold
    conversation: Conversation
    run: Run
    step: Step
    is_again: bool = False  # the step was begun by an earlier claim
    seconds_left: float = float("inf")  # until the run's deadline, at the claim
    committed: Callable[[list[Message], Run | None], None] = lambda messages, run: None
    answer_id: str = field(default_factory=lambda: new_id("message"))
    thinks_aloud: bool = False  # thoughts come among the arguments of calls
    prompt: tuple[str, dict[str, Any]] | None = None  # the system message's id and its new content, when it changed
    context_from: int | None = None  # the first message that stays in context, when some have left it
    can_shrink: bool = False  # whether more of them could leave it
    llm_ns: int | None = None
    first_token_ns: int | None = None
    tool_ns: int = 0
    ready: bool = False
    _numbers: int = 0

    def number(self, count: int = 1) -> int:
        """The first of the next `count` event numbers."""
        first = self.run.claims * CLAIM + self._numbers + 1
        self._numbers += count
        return first

    @property
    def view(self) -> View:
        return View.of(self.run.options)

    def call_id(self, index: int) -> str:
        """The id of the index-th call of this step's answer, the same in every claim."""
        return f"call_{self.step.id.removeprefix('step-').replace('-', '')[:20]}{index:02d}"


# Claiming -------------------------------------------------------------------------------------------------------------


def begin(hold: Hold, conversation: Conversation, again: bool = False) -> Turn | None:
    """Open the next step of the first run that is not done; None if there is nothing to do.

    A run that must not go on (cancelled, too late, or deadly for workers) is ended at once: then the turn's run is
    terminal. Runs inside the transaction of the claim.

    `again`: this claim repeats one of the same worker, which has not died in between.
    """
    run: Any = next(iter(Run.objects.raw(_TAKE_HEAD, [conversation.id])), None)
    if run is None:
        _rest(hold)
        return None
    keys = [new_id("step"), run.organization_id, run.agent_id, run.id, run.steps_done + 1, hold.epoch, int(not again)]
    step: Any = next(iter(Step.objects.raw(_OPEN_STEP, keys)))
    turn = Turn(hold, conversation, run, step, is_again=step.was_there, seconds_left=run.seconds_left)
    if run.claims == 1:
        _promote(turn)
    if ending := _must_end(turn):
        _fence(hold, 0, release=True)
        _end(turn, *ending, pair=True)
    return turn


def _must_end(turn: Turn) -> tuple[str, Finished] | None:
    if turn.run.cancel_requested_at:
        return Run.Status.CANCELLED, Finished("cancelled")
    if turn.seconds_left <= 0:
        return Run.Status.FAILED, Finished("error", "deadline_exceeded", "The run did not end before its deadline.")
    if turn.step.claims > MAX_CLAIMS:
        text = f"{MAX_CLAIMS} workers in a row stopped in the middle of step {turn.step.no}."
        return Run.Status.FAILED, Finished("error", "worker_lost", text)
    return None


def _promote(turn: Turn) -> None:
    """The run's input becomes messages of the conversation."""
    hold = turn.hold
    seq = _fence(hold, len(turn.run.input))
    rows = [
        input_row(turn.step, hold.conversation_id, accepted, seq=seq + index, index=index)
        for index, accepted in enumerate(turn.run.input)
    ]
    Message.objects.bulk_create(rows)


def _rest(hold: Hold) -> None:
    """Nothing can be done now: give the hold back, and say when there will be something."""
    _fence(hold, 0, release=True)
    _execute("SELECT 1 FROM agents_inbox WHERE conversation_id = %s FOR UPDATE", [hold.conversation_id])
    # A run may have been accepted since the claim looked for one: that locks the inbox alone.
    runs = Run.objects.filter(conversation_id=hold.conversation_id).exclude(status__in=_TERMINAL).order_by("seq")
    head = runs.only("not_before").first()
    _execute(_READY_AT, [head is not None, head and head.not_before, hold.conversation_id])


_TERMINAL = (Run.Status.COMPLETED, Run.Status.FAILED, Run.Status.CANCELLED)


# The commits of a step ------------------------------------------------------------------------------------------------


class StateCalls(Protocol):
    """The tools that change only our own database, inside the open transaction of a commit."""

    def run(self, admitted: Admitted) -> ToolReturn: ...

    def save(self) -> None:
        """Write what the calls changed."""
        ...


@dataclass(slots=True)
class StepLedger:
    """agents.loop.step.Ledger over the rows of one turn. `state_calls` is asked anew by every try at a commit."""

    turn: Turn
    state_calls: Callable[[], StateCalls]

    def call_id(self, index: int) -> str:
        return self.turn.call_id(index)

    def commit(self, reply: Reply | None, ready: Sequence[Ready], starting: Admitted | None) -> list[ToolReturn]:
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

    def _write(
        self,
        reply: Reply | None,
        ready: Sequence[Ready],
        *,
        starting: Admitted | None = None,
        conclude: Callable[[list[ToolReturn]], Decision] | None = None,
    ) -> tuple[list[ToolReturn], Decision | None]:
        turn, ids = self.turn, [self.turn.answer_id] if reply else []
        ids += [new_id("message") for _ in ready]

        def work(again: bool) -> tuple[list[Message], list[ToolReturn], Decision | None]:
            faultpoint("fence")
            with transaction.atomic():
                if again and ids and Message.objects.filter(id=ids[-1]).exists():
                    return self._read_back(ids, conclude)
                seq = _fence(turn.hold, len(ids), release=conclude is not None)
                calls = self.state_calls()
                returns = [item if isinstance(item, ToolReturn) else calls.run(item) for item in ready]
                calls.save()
                rows = self._rows(reply, returns, ids, seq)
                Message.objects.bulk_create(rows)
                self._save_prompt()
                self._save_attempts(reply, ready, returns, starting)
                decision = conclude(returns) if conclude else None
                if decision:
                    self._settle(reply, decision)
                elif reply:
                    _set(turn.step, self._answered(reply))
                else:
                    _set(turn.step, {"claims": 0})
                return rows, returns, decision

        rows, returns, decision = settled(work)
        turn.prompt = turn.context_from = None
        if reply:
            turn.step.status = Step.Status.RESPONDED
        turn.committed(rows, turn.run if isinstance(decision, Finished) else None)
        return returns, decision

    def _read_back(
        self, ids: list[str], conclude: Callable[[list[ToolReturn]], Decision] | None
    ) -> tuple[list[Message], list[ToolReturn], Decision | None]:
        """The connection died after the commit was sent, and it had come through."""
        rows = list(Message.objects.filter(id__in=ids).order_by("seq"))
        returns = [_returned(row) for row in rows if row.role == Message.Role.TOOL]
        self.turn.run.refresh_from_db()
        self.turn.ready = True
        return rows, returns, conclude(returns) if conclude else None

    def _rows(self, reply: Reply | None, returns: list[ToolReturn], ids: list[str], seq: int) -> list[Message]:
        step, place = self.turn.step, self.turn.hold.conversation_id
        rows = [reply_row(step, place, reply, id=ids[0], seq=seq)] if reply else []
        offset = len(rows)
        rows += [
            return_row(step, place, returned, id=ids[offset + index], seq=seq + offset + index)
            for index, returned in enumerate(returns)
        ]
        for row in rows:
            row.event_seq = self.turn.number(max(1, len(parts(row, self.turn.view))))
        return rows

    def _save_prompt(self) -> None:
        turn = self.turn
        if turn.prompt:
            message_id, content = turn.prompt
            Message.objects.filter(id=message_id).update(content=content)
        if turn.context_from:
            Conversation.objects.filter(id=turn.conversation.id).update(context_from=turn.context_from)

    def _save_attempts(
        self, reply: Reply | None, ready: Sequence[Ready], returns: list[ToolReturn], starting: Admitted | None
    ) -> None:
        """With the answer: all its calls, as far as they have come. Later: ends of what was started, and the next."""
        now, ends = timezone.now(), {returned.call_id: returned for returned in returns}
        if reply and reply.calls:
            ToolAttempt.objects.bulk_create(
                self._attempt(index, call, ends.get(call.id), starting, now) for index, call in enumerate(reply.calls)
            )
            return
        for returned in returns:
            tries = ToolAttempt.objects.filter(step_id=self.turn.step.id, call_id=returned.call_id, finished_at=None)
            tries.update(status=_outcome(returned), finished_at=now)
        if starting:
            self._start(starting, now)

    def _attempt(
        self, index: int, call: Any, end: ToolReturn | None, starting: Admitted | None, now: Any
    ) -> ToolAttempt:
        begins = starting is not None and starting.call.id == call.id
        status = ToolAttempt.Status.STARTED if begins else ToolAttempt.Status.PLANNED
        return ToolAttempt(
            organization_id=self.turn.run.organization_id,
            run_id=self.turn.run.id,
            step_id=self.turn.step.id,
            call_index=index,
            call_id=call.id,
            name=call.name,
            arguments=call.arguments,
            status=_outcome(end) if end else status,
            epoch=self.turn.hold.epoch,
            started_at=now if end or begins else None,
            finished_at=now if end else None,
        )

    def _start(self, starting: Admitted, now: Any) -> None:
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
        again = self._attempt(planned.call_index, starting.call, None, starting, now)
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
            _end(turn, status, decision, answered)
            return
        closed = {"status": Step.Status.COMMITTED, "claims": 0, "tool_ns": turn.tool_ns or None}
        _set(turn.step, answered | closed | {"completed_at": timezone.now()})
        _set(turn.run, {"status": Run.Status.QUEUED, "steps_done": turn.step.no, "not_before": None})
        _execute(_READY_NOW, [turn.conversation.id])
        turn.ready = True


# Ways for a run to end, or to wait ------------------------------------------------------------------------------------


def fail(turn: Turn, stop_reason: str, code: str, message: str) -> None:
    """End the run; what the step had recorded stays, and its open calls are paired."""
    _close(turn, Run.Status.FAILED, Finished(stop_reason, code, message))


def cancel(turn: Turn) -> None:
    _close(turn, Run.Status.CANCELLED, Finished("cancelled"))


def _close(turn: Turn, status: str, ending: Finished) -> None:
    def work(again: bool) -> list[Message]:
        with transaction.atomic():
            if again and Run.objects.filter(id=turn.run.id, status__in=_TERMINAL).exists():
                turn.run.refresh_from_db()
                return []
            _fence(turn.hold, 0, release=True)
            turn.step.refresh_from_db(fields=["status"])
            return _end(turn, status, ending, pair=True)

    turn.committed(settled(work), turn.run)


def postpone(turn: Turn, delay: float, error: LLMError) -> None:
    """The model could not be asked: try again in `delay` seconds, and hold no worker meanwhile."""

    def work(again: bool) -> None:
        with transaction.atomic():
            _fence(turn.hold, 0, release=True)
            Step.objects.filter(id=turn.step.id).update(
                claims=0,
                llm_failures=turn.step.llm_failures + 1,
                error_code=error.code,
                error_message=error.message,
            )
            (until,) = _execute(_WAIT, [delay, turn.run.id])
            _execute(_READY_AT, [True, until, turn.conversation.id])

    settled(work)


def release(turn: Turn) -> None:
    """Stop in good order, with the step as far as it has come: another worker goes on at once."""

    def work(again: bool) -> None:
        with transaction.atomic():
            _fence(turn.hold, 0, release=True)
            _set(turn.step, {"claims": 0})
            _execute(_READY_NOW, [turn.conversation.id])

    settled(work)


def _end(
    turn: Turn, status: str, ending: Finished, answered: dict[str, Any] | None = None, *, pair: bool = False
) -> list[Message]:
    """The run becomes terminal. Inside a fenced transaction.

    `pair`: the step may have calls without a return. They are given one each; these are what it returns.
    """
    done = bool(answered) or turn.step.status == Step.Status.RESPONDED
    paired = _pair_open_calls(turn, ending) if pair and done else []
    now = timezone.now()
    _set(
        turn.step,
        (answered or {})
        | {
            "status": Step.Status.COMMITTED if done else Step.Status.ABORTED,
            "claims": 0,
            "tool_ns": turn.tool_ns or None,
            "stop_reason": ending.stop_reason,
            "error_code": ending.error_code,
            "error_message": ending.error_message,
            "completed_at": now,
        },
    )
    fields = {
        "status": status,
        "steps_done": turn.step.no if done else turn.run.steps_done,
        "stop_reason": ending.stop_reason,
        "error_code": ending.error_code,
        "error_message": ending.error_message,
        "final_event_seq": turn.number(3),
        "completed_at": now,
    }
    _set(turn.run, fields)
    for name, value in fields.items():
        setattr(turn.run, name, value)
    turn.ready = _execute(_PASS_ON, [turn.run.seq, turn.conversation.id])[0]
    return paired


def _pair_open_calls(turn: Turn, ending: Finished) -> list[Message]:
    """Give every call of the recorded answer that has none a return, so that the transcript stays well-formed."""
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
    seq = _fence(turn.hold, len(missing))
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
    Message.objects.bulk_create(rows)
    ToolAttempt.objects.filter(step_id=turn.step.id, finished_at=None).update(
        status=ToolAttempt.Status.CANCELLED if ending.stop_reason == "cancelled" else ToolAttempt.Status.INTERRUPTED,
        finished_at=timezone.now(),
    )
    return rows


# Statements -----------------------------------------------------------------------------------------------------------


def _fence(hold: Hold, messages: int, *, release: bool = False) -> int:
    """Lock the conversation, refuse a worker that lost it, and give the first of `messages` new numbers."""
    statement = _FENCE_AND_RELEASE if release else _FENCE
    row = _execute(statement, [messages, hold.conversation_id, hold.epoch, messages])
    if row is None:
        raise Fenced(f"epoch {hold.epoch} of {hold.conversation_id} is over")
    return row[0]


def _set(row: Run | Step, values: dict[str, Any]) -> None:
    """UPDATE these columns of the row. Composed by hand: every step does it, and a queryset takes ten times as long."""
    meta = row._meta
    columns: list[Any] = [meta.get_field(name) for name in values]
    prepared = [column.get_db_prep_save(values[column.name], connection) for column in columns]
    assignments = ", ".join(f"{column.column} = %s" for column in columns)
    _execute(f"UPDATE {meta.db_table} SET {assignments} WHERE id = %s", [*prepared, row.pk])


def _execute(statement: str, parameters: list[Any]) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone() if cursor.description else None


def _outcome(returned: ToolReturn) -> str:
    if returned.text == INTERRUPTED:
        return ToolAttempt.Status.INTERRUPTED
    return ToolAttempt.Status.SUCCEEDED if returned.status == "success" else ToolAttempt.Status.FAILED


def _returned(row: Message) -> ToolReturn:
    content = row.content
    return ToolReturn(content["call_id"], content["name"], content["status"], content["text"])
