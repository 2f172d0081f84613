"""A claimed step, and the statements that every commit to its conversation begins with.

The fence is the first of them: it fails when another worker has claimed the conversation since (a higher epoch), and
otherwise locks the row, so that a claim waits for the commit or the commit sees the claim.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from accounts.fields import new_id
from agents.errors import Fenced
from agents.events import CLAIM
from agents.models import Conversation, Message, Run, Step
from agents.rows import call_id_of
from agents.statements import assignments, execute, insert
from agents.wire import View, Wire

_FENCE = "UPDATE agents_conversation SET next_seq = next_seq + %s WHERE id = %s AND epoch = %s RETURNING next_seq - %s"

_FENCE_AND_RELEASE = """
UPDATE agents_conversation
   SET next_seq = next_seq + %s, owner = '', lease_until = NULL, last_message_at = clock_timestamp()
 WHERE id = %s AND epoch = %s RETURNING next_seq - %s
"""

# There is work: at the time given, or now; or there is none.
READY_AT = """
UPDATE agents_inbox SET hinted_at = NULL, ready_at = CASE WHEN %s THEN COALESCE(%s, clock_timestamp()) END
 WHERE conversation_id = %s
"""

READY_NOW = """
UPDATE agents_inbox SET hinted_at = clock_timestamp(), ready_at = clock_timestamp() WHERE conversation_id = %s
"""

_CLOSE_STEP = """
WITH closed AS (UPDATE agents_step SET {step} WHERE id = %s RETURNING run_id),
     run AS (UPDATE agents_run SET {run} WHERE id = (SELECT run_id FROM closed) RETURNING id, conversation_id)
UPDATE agents_inbox AS inbox SET hinted_at = clock_timestamp(),
       ready_at = CASE WHEN %s OR next_run_seq > %s + 1 THEN clock_timestamp() END
  FROM run WHERE inbox.conversation_id = run.conversation_id
RETURNING ready_at IS NOT NULL{told}
"""

_TAKE_NUMBERS = """
WITH lane AS (UPDATE agents_conversation
                 SET next_seq = next_seq + %s, context_from = %s, summary_seq = %s WHERE id = %s)
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
    gated: frozenset[str] = frozenset()  # tools whose calls wait for an answer
    prompt: tuple[str, dict[str, Any]] | None = None  # the system message's id and its new content, when it changed
    context_from: int | None = None  # the first message that stays in context, when some have left it
    closing: list[Wire] = field(default_factory=list)  # the last entries of the run's stream, made with its end
    compacted: bool = False  # the context was summarised in this claim
    can_shrink: bool = False  # whether less of it could be sent
    always_tokens: int = 0  # of what is sent in any case: prompt, core memory, tools
    llm_ns: int | None = None
    first_token_ns: int | None = None
    tool_ns: int = 0
    ready: bool = False
    also_ready: list[str] = field(default_factory=list)  # further conversations that have work through this turn
    _numbers: int = 0

    def number(self, count: int = 1) -> int:
        """The first of the next `count` event numbers."""
        first = self.run.claims * CLAIM + self._numbers + 1
        self._numbers += count
        return first

    @property
    def answers(self) -> dict[str, Any] | None:
        """What this run's input answers to calls that waited. Its first step begins with them, and asks no model."""
        return self.run.input[0]["content"] if self.run.approval_id and self.step.no == 1 else None

    @property
    def view(self) -> View:
        return View.of(self.run.options)

    def call_id(self, index: int) -> str:
        return call_id_of(self.step.id, index)


def fence(hold: Hold, messages: int, *, release: bool = False) -> int:
    """Lock the conversation, refuse a worker that lost it, and give the first of `messages` new numbers."""
    statement = _FENCE_AND_RELEASE if release else _FENCE
    row = execute(statement, [messages, hold.conversation_id, hold.epoch, messages])
    if row is None:
        raise Fenced(f"epoch {hold.epoch} of {hold.conversation_id} is over")
    return row[0]


def close_step(turn: Turn, step: dict[str, Any], run: dict[str, Any], *, ready: bool, told: str = "") -> Any:
    """Write these columns of the step and of its run, and whether the conversation has more work: it has when `ready`
    says so, or when there is a later run. One statement, because every step ends with it.

    The inbox comes last, and its own counter tells of later runs: it is read again when the statement had to wait for
    an accept, where a subquery over the runs would still show the moment before.

    `told`: further expressions, in which `run` is the run. Returns whether there is work, and their values.
    """
    of_step, step_values = assignments(Step, step)
    of_run, run_values = assignments(Run, run)
    statement = _CLOSE_STEP.format(step=of_step, run=of_run, told=told and f", {told}")
    return execute(statement, [*step_values, turn.step.id, *run_values, ready, turn.run.seq])


def append(turn: Turn, rows: Sequence[Message]) -> None:
    """INSERT the conversation's next messages and take their numbers, which begin at its `next_seq`; with what is in
    context from now on. In the transaction of the claim, which has locked and read the conversation."""
    place = turn.conversation
    insert(rows, _TAKE_NUMBERS, [len(rows), place.context_from, place.summary_seq, place.id])
