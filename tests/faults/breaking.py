"""Ways to break a server at a chosen place."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery

from agents.hints import ADVANCE
from tests.live import Running, Server, databases, wait_until

_FREEZE = """
CREATE OR REPLACE FUNCTION tests_freeze() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$;
CREATE OR REPLACE TRIGGER tests_freeze BEFORE INSERT ON agents_message
   FOR EACH ROW WHEN (NEW.role = 'assistant') EXECUTE FUNCTION tests_freeze();
"""


def dies_at(point: str, server: Server, agent_id: str, text: str, passing: int = 1) -> str:
    """Send a message to a worker that is killed when it passes the point so many times; the run's id."""
    with server.paused():
        doomed = server.add_worker(PERDURE_FAULT=f"{point}:kill:{passing}")
        run_id = server.send(agent_id, text)
        assert doomed.wait() == -signal.SIGKILL, doomed.tail()
    return run_id


def stops_at(point: str, server: Server, agent_id: str, text: str) -> tuple[str, Running]:
    """The same with a worker that stands still there (SIGSTOP); the run's id, and the worker."""
    with server.paused():
        late = server.add_worker(PERDURE_FAULT=f"{point}:stop")
        run_id = server.send(agent_id, text)
        wait_until(lambda: late.is_stopped, what=f"the worker stops at {point}")
    return run_id, late


@contextmanager
def commits_frozen(server: Server) -> Iterator[Callable[[], bool]]:
    """No commit with an answer of a model gets through meanwhile. Gives a way to ask whether one stands there."""
    server.connection.execute(_FREEZE)
    with databases.connect(server.environment["DATABASE_URL"]) as lock:
        lock.execute("SELECT pg_advisory_lock(4711)")
        try:
            yield lambda: bool(server.sql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
        finally:
            lock.execute("SELECT pg_advisory_unlock_all()")
            server.connection.execute("DROP TRIGGER tests_freeze ON agents_message")


def hint(server: Server, conversation_id: str) -> None:
    """Tell the workers, once more, that the conversation has work."""
    socket = server.valkey.url.removeprefix("unix://").replace("?db=", "?virtual_host=")
    with Celery(broker=f"redis+socket://{socket}", set_as_current=False) as app:
        app.send_task(ADVANCE, args=[conversation_id], queue="steps", ignore_result=True)


def terminate_backends(server: Server) -> None:
    """End every database session of the server but our own."""
    server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s",
        server.connection.info.backend_pid,
    )


def followed(events: list[Any]) -> list[tuple[str, str]]:
    """What a client has in the end that puts the pieces of each message together: (type, text)."""
    numbers = [event.seq_id for event in events if event.seq_id is not None]
    assert numbers == sorted(set(numbers)), "an event came twice or out of order"
    told: dict[tuple[str, str], str] = {}
    for event in events:
        kind = event.message_type
        if kind in ("ping", "stop_reason", "usage_statistics"):
            told[kind, ""] = getattr(event, "stop_reason", None) or ""
            continue
        told[kind, event.otid] = told.get((kind, event.otid), "") + _text(event)
    return [(kind, text) for (kind, _), text in told.items() if kind != "ping"]


def _text(event: Any) -> str:
    if event.message_type == "tool_call_message":
        return event.tool_call.arguments or ""
    return getattr(event, "content", None) or getattr(event, "tool_return", None) or ""
