"""Where deleted rows stood in the lists: for an hour, whoever goes through a list can go on behind them.

Kept in Redis, as well as it can be: without Redis a cursor is lost with its row.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from agents.pause import Pause

KEY = ("created_at", "id")
"""The only columns by which the remembered lists are ordered."""

KEPT_SECONDS = 3600
WAIT_SECONDS = 0.2
PAUSE = Pause(5.0)

asking: ContextVar[str] = ContextVar("asking")
"""The organization whose request is being answered."""


@contextmanager
def leaving(row: Any) -> Iterator[None]:
    """Around the deletion of a row by its organization."""
    name, created_at = _name(type(row), row.pk), row.created_at
    yield
    _ask("SET", name, created_at.isoformat(), "EX", KEPT_SECONDS)


def place_of(model: type, id: str) -> tuple[datetime, str] | None:
    """Where the organization's row stood, in the columns of KEY."""
    found = _ask("GET", _name(model, id))
    return (datetime.fromisoformat(found.decode()), id) if found else None


def _name(model: Any, id: str) -> str:
    return f"deleted:{asking.get('')}:{model._meta.label_lower}:{id}"


@cache
def _client() -> redis.Redis:
    waits = {"socket_timeout": WAIT_SECONDS, "socket_connect_timeout": WAIT_SECONDS}
    return redis.Redis.from_url(settings.REDIS_URL, retry=Retry(NoBackoff(), 0), **waits)


def _ask(*command: Any) -> Any:
    """The answer, or None. Never raises, and waits for a Redis that hangs at most once in five seconds."""
    if PAUSE:
        return None
    try:
        return _client().execute_command(*command)
    except redis.RedisError:
        PAUSE.begin()
        return None
