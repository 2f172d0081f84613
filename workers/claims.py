"""One worker per conversation: a lease says who may steal, an epoch says who may write. Both live in Postgres."""

import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import transaction

from agents import ledger
from agents.faultpoints import faultpoint
from agents.loop.ports import Abort
from agents.models import Conversation
from agents.retry import settled
from agents.statements import rows_of
from agents.turns import Hold, Turn

log = logging.getLogger(__name__)

# The database's clock alone counts. The row is re-read by the statements after this one, never by a join in it, which
# would show the moment before the lock was granted.
_CLAIM = """
UPDATE agents_conversation AS lane
   SET epoch = epoch + 1, owner = %s, lease_until = clock_timestamp() + make_interval(secs => %s)
 WHERE id = %s AND (lease_until IS NULL OR lease_until < clock_timestamp() OR owner = %s)
RETURNING {lane}
"""

# A hold that its own turn gave back a moment ago has no lease, and must not be given one again: nobody could take the
# conversation until it ran out.
RENEW = """
UPDATE agents_conversation AS lane SET lease_until = clock_timestamp() + make_interval(secs => %s)
  FROM unnest(%s::text[], %s::bigint[]) AS held(id, epoch)
 WHERE lane.id = held.id AND lane.epoch = held.epoch AND lane.lease_until IS NOT NULL
RETURNING lane.id
"""

WANTED = """
SELECT conversation_id FROM agents_run
 WHERE conversation_id = ANY(%s) AND status = 'running' AND cancel_requested_at IS NOT NULL
"""


@dataclass(slots=True)
class Held:
    """A conversation that this process is working on."""

    turn: Turn
    abort: Abort
    renewed: float = field(default_factory=time.monotonic)
    deadline: float = float("inf")  # monotonic


class Holds:
    """Every hold of this process, and the thread-safe book of them."""

    def __init__(self, owner: str, lease: float):
        self.owner = owner
        self.lease = lease
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._held: dict[str, Held] = {}
        self.stopping = False

    def __len__(self) -> int:
        return len(self._held)

    def all(self) -> list[Held]:
        with self._lock:
            return list(self._held.values())

    def run(self, conversation_id: str, work: Callable[[Turn, Abort], None]) -> bool:
        """Claim the conversation and do `work` on its next step. False: another has it, or there is nothing to do."""
        if self.stopping:
            return False
        faultpoint("c4")
        # A name of its own for each claim, so that only the very same one may be repeated.
        owner = f"{self.owner}:{next(self._numbers)}"
        turn = settled(lambda again: claim(conversation_id, owner, self.lease, again))
        if turn is None:
            return False
        held = Held(turn, Abort(), deadline=time.monotonic() + turn.seconds_left)
        with self._lock:
            self._held[conversation_id] = held
        try:
            if self.stopping:
                held.abort.press("shutdown")
            work(turn, held.abort)
        finally:
            with self._lock:
                # The next step may have been claimed by another thread of ours the moment this one was committed.
                if self._held.get(conversation_id) is held:
                    del self._held[conversation_id]
        return True

    def abort(self, run_id: str, reason: str) -> None:
        """This run and no other: its conversation may be at the next one when the word arrives."""
        for held in self.all():
            if held.turn.run.id == run_id:
                held.abort.press(reason)

    def stop(self) -> None:
        """Claim nothing more, and end every wait: what is under way is committed as far as it has come."""
        self.stopping = True
        for held in self.all():
            held.abort.press("shutdown")


def claim(conversation_id: str, owner: str, lease: float, again: bool = False) -> Turn | None:
    """T1: take the conversation and open its next step, in one transaction.

    `again`: an earlier try may have come through unheard. Then the hold is ours, and is taken anew.
    """
    with transaction.atomic():
        taken = rows_of(_CLAIM, [owner, lease, conversation_id, owner if again else None], lane=Conversation)
        if taken is None:
            return None
        (conversation,), _ = taken
        return ledger.begin(Hold(conversation.id, conversation.epoch), conversation, again)
