"""Do a transaction again when the database, not the work, was at fault."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection
from psycopg_pool import PoolTimeout

log = logging.getLogger(__name__)

ATTEMPTS = 5

# Serialization failure, deadlock, lock not available, the server going down or coming up, a session ended by its guard.
_PASSING = {"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53300", "25P03"}

T = TypeVar("T")


def settled(work: Callable[[bool], T]) -> T:
    """Run `work(again)` until it is known to be committed or a lasting error comes up.

    `again` is True from the second try on. A connection may die after its COMMIT was sent, so such a try has to look
    first whether the one before it came through.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work(attempt > 1)
        except (OperationalError, InterfaceError) as error:
            if attempt == ATTEMPTS or not is_passing(error):
                raise
            log.warning("Database trouble (%s), trying again", type(error.__cause__ or error).__name__)
            drop_dead_connections()
            time.sleep(random.uniform(0, 0.1 * 2**attempt))
    raise AssertionError("unreachable")


def drop_dead_connections() -> None:
    """After one connection was found dead: the others in the pool may be, too, as when Postgres has been restarted."""
    connection.close()
    pool = getattr(connection, "pool", None)
    if pool is not None:
        pool.check()


def is_lost(error: BaseException) -> bool:
    """Whether the connection itself broke, so that another one may do; not if none was to be had."""
    return is_passing(error) and not isinstance(error.__cause__, PoolTimeout)


def is_passing(error: BaseException) -> bool:
    """Whether the same transaction may succeed later. A lost connection carries no SQLSTATE."""
    state = getattr(error.__cause__, "sqlstate", None)
    return state is None or state in _PASSING or state.startswith("08")
