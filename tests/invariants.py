"""What must be true of the rows after anything whatsoever has happened. Asked of Postgres alone, never of logs.

The numbers are those of docs/run-lifecycle.md.
"""

from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

Connection = psycopg.Connection[Any]

# Each of these finds nothing, unless something is wrong. The first column says where.
WRONG: dict[str, str] = {
    "I1 a run that has not ended is forgotten: its conversation is not ready": """
        SELECT r.id FROM agents_run AS r JOIN agents_inbox AS i USING (conversation_id)
         WHERE r.status NOT IN ('completed', 'failed', 'cancelled') AND i.ready_at IS NULL
           AND (r.approval_id IS NOT NULL OR NOT EXISTS (
               SELECT 1 FROM agents_approval AS a
                WHERE a.conversation_id = r.conversation_id AND a.answered_at IS NULL))""",
    "I1 a run is ahead of its conversation's counter": """
        SELECT r.id, r.seq FROM agents_run AS r JOIN agents_inbox AS i USING (conversation_id)
         WHERE r.seq >= i.next_run_seq""",
    "I2 message numbers have a gap": """
        SELECT c.id, c.next_seq, count(m.seq), min(m.seq), max(m.seq)
          FROM agents_conversation AS c LEFT JOIN agents_message AS m ON m.conversation_id = c.id
         GROUP BY c.id
        HAVING count(m.seq) <> c.next_seq - 1 OR COALESCE(max(m.seq), 0) <> c.next_seq - 1""",
    "I2 the messages of two runs are mixed, or the runs are out of order": """
        SELECT id, seq FROM (
               SELECT m.id, m.seq, r.seq AS run, lag(r.seq) OVER lane AS before,
                      lag(r.approval_id) OVER lane AS overtook
                 FROM agents_message AS m JOIN agents_run AS r ON r.id = m.run_id
               WINDOW lane AS (PARTITION BY m.conversation_id ORDER BY m.seq)) AS told
         WHERE before > run AND overtook IS NULL""",
    "I2 the input of a run was taken up twice, in part, or not at all": """
        SELECT r.id, jsonb_array_length(r.input), count(m.id)
          FROM agents_run AS r
          LEFT JOIN agents_message AS m ON m.run_id = r.id AND m.call_index >= 1000 AND m.role <> 'summary'
         WHERE EXISTS (SELECT 1 FROM agents_step AS s WHERE s.run_id = r.id)
         GROUP BY r.id HAVING count(m.id) <> jsonb_array_length(r.input)""",
    "I3 a call has not exactly one return before the next answer": """
        WITH answers AS (
             SELECT m.*, lead(seq) OVER (PARTITION BY conversation_id ORDER BY seq) AS next_answer
               FROM agents_message AS m WHERE role = 'assistant')
        SELECT a.conversation_id, a.seq, call ->> 'id', count(t.id)
          FROM answers AS a CROSS JOIN jsonb_array_elements(a.content -> 'calls') AS call
          LEFT JOIN agents_step AS s ON s.id = a.step_id
          LEFT JOIN agents_message AS t ON t.conversation_id = a.conversation_id AND t.role = 'tool'
               AND t.content ->> 'call_id' = call ->> 'id'
               AND (t.step_id IS NOT DISTINCT FROM a.step_id OR a.content ? 'waiting')
               AND t.seq > a.seq AND (a.next_answer IS NULL OR t.seq < a.next_answer)
         WHERE s.status IS DISTINCT FROM 'responded' AND NOT EXISTS (
               SELECT 1 FROM agents_approval AS w LEFT JOIN agents_run AS r ON r.approval_id = w.id
                WHERE w.message_id = a.id AND r.completed_at IS NULL)
         GROUP BY a.conversation_id, a.seq, call HAVING count(t.id) <> 1""",
    "I3 a return answers no call": """
        SELECT t.conversation_id, t.seq FROM agents_message AS t
         WHERE t.role = 'tool' AND NOT EXISTS (
               SELECT 1 FROM agents_message AS a CROSS JOIN jsonb_array_elements(a.content -> 'calls') AS call
                WHERE a.role = 'assistant' AND a.conversation_id = t.conversation_id AND a.seq < t.seq
                  AND (a.step_id IS NOT DISTINCT FROM t.step_id OR a.content ? 'waiting')
                  AND call ->> 'id' = t.content ->> 'call_id')""",
    "I3 a run has ended while a call of it was open": """
        SELECT a.id, a.name, a.status FROM agents_toolattempt AS a JOIN agents_run AS r ON r.id = a.run_id
         WHERE a.finished_at IS NULL AND r.status IN ('completed', 'failed', 'cancelled')""",
    "I4 a step has not the one answer that its status says": """
        SELECT s.run_id, s.no, s.status, count(m.id)
          FROM agents_step AS s JOIN agents_run AS r ON r.id = s.run_id
          LEFT JOIN agents_message AS m ON m.step_id = s.id AND m.role = 'assistant' AND m.call_index < 1000
         GROUP BY s.id, r.id HAVING count(m.id) <>
               (s.status IN ('responded', 'committed') AND NOT (s.no = 1 AND r.approval_id IS NOT NULL))::int""",
    "I4 the steps of a run are not 1, 2, 3 ...": """
        SELECT run_id FROM agents_step GROUP BY run_id HAVING max(no) <> count(*) OR min(no) <> 1""",
    "I4 a run counts other steps than it has": """
        SELECT r.id, r.steps_done, count(s.id)
          FROM agents_run AS r LEFT JOIN agents_step AS s ON s.run_id = r.id AND s.status = 'committed'
         GROUP BY r.id HAVING count(s.id) <> r.steps_done""",
    "I8 two runs share an idempotency key": """
        SELECT conversation_id, idempotency_key FROM agents_run WHERE idempotency_key IS NOT NULL
         GROUP BY 1, 2 HAVING count(*) > 1""",
    "I9 a step was written under an older claim than the step before it": """
        SELECT id, epoch FROM (
               SELECT s.id, s.epoch, lag(s.epoch) OVER (PARTITION BY r.conversation_id ORDER BY s.created_at) AS before
                 FROM agents_step AS s JOIN agents_run AS r ON r.id = s.run_id) AS told
         WHERE before > epoch""",
    "I9 something was written under a claim that there never was": """
        SELECT s.id, s.epoch, c.epoch FROM agents_step AS s JOIN agents_run AS r ON r.id = s.run_id
          JOIN agents_conversation AS c ON c.id = r.conversation_id WHERE s.epoch > c.epoch
        UNION ALL
        SELECT a.call_id, a.epoch, s.epoch FROM agents_toolattempt AS a JOIN agents_step AS s ON s.id = a.step_id
         WHERE a.epoch > s.epoch""",
    "I9 a later try at a call was made under an older claim": """
        SELECT id, attempt FROM (
               SELECT id, attempt, epoch, lag(epoch) OVER (PARTITION BY step_id, call_index ORDER BY attempt) AS before
                 FROM agents_toolattempt) AS told
         WHERE before > epoch""",
    "I10 a lease without a holder, or a holder without a lease": """
        SELECT id, owner, lease_until FROM agents_conversation WHERE (owner = '') <> (lease_until IS NULL)""",
    "I11 event numbers do not increase": """
        SELECT run_id, seq FROM (
               SELECT run_id, seq, event_seq, lag(event_seq) OVER (PARTITION BY run_id ORDER BY seq) AS before
                 FROM agents_message WHERE event_seq IS NOT NULL AND run_id IS NOT NULL) AS told
         WHERE before >= event_seq""",
    "I11 a run's last event is not its last": """
        SELECT r.id, r.final_event_seq, max(m.event_seq)
          FROM agents_run AS r LEFT JOIN agents_message AS m ON m.run_id = r.id
         GROUP BY r.id
        HAVING (r.final_event_seq IS NOT NULL) <> (r.status IN ('completed', 'failed', 'cancelled'))
            OR r.final_event_seq <= max(m.event_seq)""",
    "I12 tokens are counted of an answer that was not recorded": """
        SELECT id FROM agents_step
         WHERE status IN ('open', 'aborted') AND prompt_tokens + completion_tokens + cached_tokens > 0""",
}

_FOREIGN_KEYS = """
SELECT source.relname, column_.attname, target.relname, target_column.attname
  FROM pg_constraint AS c
  JOIN pg_class AS source ON source.oid = c.conrelid
  JOIN pg_class AS target ON target.oid = c.confrelid
  JOIN pg_attribute AS column_ ON column_.attrelid = c.conrelid AND column_.attnum = c.conkey[1]
  JOIN pg_attribute AS target_column ON target_column.attrelid = c.confrelid AND target_column.attnum = c.confkey[1]
 WHERE c.contype = 'f' AND array_length(c.conkey, 1) = 1
 ORDER BY 1, 2
"""


def check(connection: Connection, accepted: Iterable[str] = ()) -> None:
    """`accepted` are the runs that clients were told of: each must be there, and have ended."""
    wrong = {text: rows for text, query in WRONG.items() if (rows := connection.execute(query).fetchall())}
    assert not wrong, "\n".join(f"{text}: {rows[:5]}" for text, rows in wrong.items())
    _check_accepted(connection, list(accepted))
    _check_ended_stays(connection)
    _check_organizations(connection)


def check_bells(connection: Connection, folder: Path) -> None:
    """I5 and I6 for tests.effects.tools.ring_bell: at most one stroke for each call, and none recorded that was not."""
    attempts = connection.execute(
        """SELECT concat_ws(':', run_id, step_id, call_id), status FROM agents_toolattempt
            WHERE name = 'ring_bell' AND arguments LIKE %s""",
        [f"%{folder}%"],
    ).fetchall()
    begun = [key for key in lines(folder / "begun") if key in dict(attempts)]
    assert len(set(begun)) == len(begun), f"I5 a call was run twice: {begun}"
    silent = {key for key, status in attempts if status == "succeeded"} - set(lines(folder / "rung"))
    assert not silent, f"I6 recorded as done, but it never was: {silent}"


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def _check_accepted(connection: Connection, accepted: list[str]) -> None:
    found = dict(connection.execute("SELECT id, status FROM agents_run WHERE id = ANY(%s)", [accepted]).fetchall())
    lost = [run_id for run_id in accepted if run_id not in found]
    assert not lost, f"I1 accepted and lost: {lost}"
    open_runs = {id: status for id, status in found.items() if status not in ("completed", "failed", "cancelled")}
    assert not open_runs, f"I1 accepted and not ended: {open_runs}"


def _check_ended_stays(connection: Connection) -> None:
    """I7: tried on a run, and taken back."""
    if not connection.execute("SELECT 1 FROM agents_run WHERE status = 'completed' LIMIT 1").fetchone():
        return
    statement = """UPDATE agents_run SET status = 'queued'
                    WHERE id = (SELECT id FROM agents_run WHERE status = 'completed' LIMIT 1)"""
    with pytest.raises(psycopg.errors.CheckViolation), connection.transaction(force_rollback=True):
        connection.execute(statement)


def _check_organizations(connection: Connection) -> None:
    """I13: along every foreign key, both rows are of the same organization."""
    keys = connection.execute(_FOREIGN_KEYS).fetchall()
    owned = {source for source, column, *_ in keys if column == "organization_id"}
    wrong = [key for key in keys if {key[0], key[2]} <= owned and _crosses(connection, key)]
    links: dict[str, list[Any]] = {}
    for key in keys:
        if key[0] not in owned and key[2] in owned:
            links.setdefault(key[0], []).append(key)
    pairs = [pair for found in links.values() for pair in combinations(found, 2)]
    wrong += [pair for pair in pairs if _joins_two(connection, *pair)]
    assert not wrong, f"I13 a row names a row of another organization: {wrong}"


def _crosses(connection: Connection, key: Any) -> bool:
    source, column, target, target_column = map(sql.Identifier, key)
    query = sql.SQL(
        "SELECT 1 FROM {} AS a JOIN {} AS b ON a.{} = b.{} WHERE a.organization_id <> b.organization_id LIMIT 1"
    ).format(source, target, column, target_column)
    return connection.execute(query).fetchone() is not None


def _joins_two(connection: Connection, one: Any, other: Any) -> bool:
    """Whether a row of a table between two others joins rows of two organizations."""
    between, column, target, target_column = map(sql.Identifier, one)
    _, column2, target2, target_column2 = map(sql.Identifier, other)
    query = sql.SQL(
        "SELECT 1 FROM {} AS l JOIN {} AS a ON l.{} = a.{} JOIN {} AS b ON l.{} = b.{}"
        " WHERE a.organization_id <> b.organization_id LIMIT 1"
    ).format(between, target, column, target_column, target2, column2, target_column2)
    return connection.execute(query).fetchone() is not None
