"""A claimed step, and the statements that every commit to its conversation begins with.

The fence is the first of them: it fails when another worker has claimed the conversation since (a higher epoch), and
otherwise locks the row, so that a claim waits for the commit or the commit sees the claim.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model

from accounts.fields import new_id
from agents.errors import Fenced
from agents.events import CLAIM
from agents.models import Conversation, Message, Run, Step, ToolAttempt
from agents.wire import View, Wire

M = TypeVar("M", bound=Model)

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
        """The id of the index-th call of this step's answer, the same in every claim."""
        return f"call_{self.step.id.removeprefix('step-').replace('-', '')[:20]}{index:02d}"


def fence(hold: Hold, messages: int, *, release: bool = False) -> int:
    """Lock the conversation, refuse a worker that lost it, and give the first of `messages` new numbers."""
    statement = _FENCE_AND_RELEASE if release else _FENCE
    row = execute(statement, [messages, hold.conversation_id, hold.epoch, messages])
    if row is None:
        raise Fenced(f"epoch {hold.epoch} of {hold.conversation_id} is over")
    return row[0]


def set_columns(row: Run | Step, values: dict[str, Any]) -> None:
    """UPDATE these columns of the row. Composed by hand: every step does it, and a queryset takes ten times as long."""
    meta = row._meta
    columns: list[Any] = [meta.get_field(name) for name in values]
    prepared = [column.get_db_prep_save(values[column.name], connection) for column in columns]
    assignments = ", ".join(f"{column.column} = %s" for column in columns)
    execute(f"UPDATE {meta.db_table} SET {assignments} WHERE id = %s", [*prepared, row.pk])


def insert(rows: Sequence[Message | Run | ToolAttempt]) -> None:
    """INSERT new rows of one table, for the same reason by hand."""
    if not rows:
        return
    meta = rows[0]._meta
    columns: list[Any] = [column for column in meta.local_concrete_fields if not column.generated]
    columns = [column for column in columns if column.attname != "id" or rows[0].pk]
    values = [column.get_db_prep_save(column.pre_save(row, True), connection) for row in rows for column in columns]
    names = ", ".join(f'"{column.column}"' for column in columns)
    one = f"({', '.join(['%s'] * len(columns))})"
    execute(f"INSERT INTO {meta.db_table} ({names}) VALUES {', '.join([one] * len(rows))}", values)


def row_of(model: type[M], statement: str, parameters: list[Any]) -> tuple[M, tuple[Any, ...]] | None:
    """The row that a statement returns, for the same reason without a queryset; None: it returns none.

    `{columns}` in the statement stands for all columns of the model, in their order. What is returned behind them comes
    as a tuple of its own.
    """
    columns, converters = _columns(model)
    found = execute(statement.format(columns=", ".join(columns.values())), parameters)
    if found is None:
        return None
    values = list(found[: len(columns)])
    for index, convert in converters:
        values[index] = convert(values[index], None, connection)
    return model.from_db("default", list(columns), values), found[len(columns) :]


@cache
def _columns(model: type[Model]) -> tuple[dict[str, str], list[tuple[int, Callable[..., Any]]]]:
    """The columns by attribute, and how those are read that Postgres gives in another form."""
    fields: list[Any] = list(model._meta.concrete_fields)
    converters = [(index, field.from_db_value) for index, field in enumerate(fields) if hasattr(field, "from_db_value")]
    return {field.attname: f'"{field.column}"' for field in fields}, converters


def execute(statement: str, parameters: list[Any]) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone() if cursor.description else None
