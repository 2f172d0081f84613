"""Find work that nobody was told of: lost hints, dead workers, waits that are over. Runs in every worker process."""

import logging
import random
import threading
from collections.abc import Callable

from django.conf import settings
from django.db import Error, connection, transaction

from agents import callbacks
from agents.accepting import answer_overdue
from agents.faultpoints import faultpoint
from agents.hints import build_packages, call_back
from agents.mail import FORGOTTEN
from tools.packages import overdue

log = logging.getLogger(__name__)

BATCH = 200

# An array, not IN: the planner takes a subquery's rows for many, and reads every conversation there is.
# The lease of a conversation under work keeps it out. Whoever was hinted at lately is given the time to come.
SWEEP = """
UPDATE agents_inbox SET hinted_at = clock_timestamp()
 WHERE conversation_id = ANY(ARRAY(
       SELECT inbox.conversation_id
         FROM agents_inbox AS inbox JOIN agents_conversation AS lane ON lane.id = inbox.conversation_id
        WHERE inbox.ready_at <= clock_timestamp()
          AND (lane.lease_until IS NULL OR lane.lease_until < clock_timestamp())
          AND (inbox.hinted_at IS NULL OR inbox.hinted_at < clock_timestamp() - make_interval(secs => %s))
        ORDER BY inbox.ready_at LIMIT %s
          FOR UPDATE OF inbox SKIP LOCKED))
RETURNING conversation_id
"""

LATE = """
UPDATE agents_inbox SET ready_at = clock_timestamp()
 WHERE conversation_id = ANY(ARRAY(
       SELECT conversation_id FROM agents_run
        WHERE NOT (status IN ('completed', 'failed', 'cancelled')) AND deadline_at < clock_timestamp() LIMIT %s))
   AND (ready_at IS NULL OR ready_at > clock_timestamp())
"""


class Sweeper(threading.Thread):
    """Hands every conversation that it finds to `take`, which returns at once."""

    def __init__(self, interval: float, take: Callable[[str], None]):
        super().__init__(name="sweep", daemon=True)
        self._interval = interval
        self._take = take
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(self._interval * random.uniform(0.8, 1.2)):
            try:
                self._sweep()
            except Error as error:
                log.warning("The sweep failed and will try again: %s", error)
            finally:
                connection.close()

    def _sweep(self) -> None:
        """A full batch means that there may be more."""
        answer_overdue()
        if settings.ALLOW_TOOL_PACKAGES:
            for tool_id in overdue():
                build_packages(tool_id)
        for run_id in callbacks.due():
            call_back(run_id)
        found = [""] * BATCH
        while len(found) == BATCH:
            found = due(self._interval)
            for conversation_id in found:
                faultpoint("c16")
                self._take(conversation_id)

    def end(self) -> None:
        self._ended.set()


def due(patience: float) -> list[str]:
    """Conversations with work that no worker has, longest waiting first; each is given out once in `patience` s."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LATE, [BATCH])
        cursor.execute(FORGOTTEN)
        cursor.execute(SWEEP, [patience, BATCH])
        return [row[0] for row in cursor.fetchall()]
