"""Where a run gets its number: the inbox of its conversation."""

from datetime import datetime

from django.conf import settings

from agents.statements import execute

# Locks the inbox, so that runs are numbered in the order in which they are accepted. The deadline is by the database's
# clock, as is whatever it will be compared with.
_TAKE_NUMBER = """
UPDATE agents_inbox SET next_run_seq = next_run_seq + 1, hinted_at = clock_timestamp(),
       ready_at = COALESCE(ready_at, clock_timestamp())
 WHERE conversation_id = %s
RETURNING next_run_seq - 1, clock_timestamp() + make_interval(secs => %s),
          (SELECT message_id FROM agents_approval AS asked
            WHERE asked.conversation_id = agents_inbox.conversation_id AND answered_at IS NULL)
"""


def take_number(conversation_id: str) -> tuple[int, datetime, str | None]:
    """The next run's number and deadline, and the message whose calls wait for an answer. The inbox is ready now."""
    number, deadline_at, asked = execute(_TAKE_NUMBER, [conversation_id, settings.RUN_DEADLINE_SECONDS])
    return number, deadline_at, asked
