"""Postgres stopped in the middle of it all, refusing statements at random, or with too few connections."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from tests import invariants
from tests.fakellm import FakeLLM
from tests.faults.postgres import Postgres, reconnect, served_from
from tests.live import Server, call, turn

RESTARTS = 5
GUARDED = ("agents_message", "agents_toolattempt", "agents_run", "agents_conversation", "agents_inbox", "agents_step")

# Of the rows that are written, this share meets with one of the errors that pass. A sequence counts them, because it is
# not rolled back with the rest.
_REFUSE = """
CREATE OR REPLACE FUNCTION tests_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE states text[] := ARRAY['40001', '40P01', '55P03'];
BEGIN
    IF random() < {share} THEN
        PERFORM nextval('tests_refused');
        RAISE EXCEPTION 'refused by the test' USING ERRCODE = states[1 + floor(random() * 3)];
    END IF;
    RETURN NULL;
END $$
"""
_REFUSING = "CREATE TRIGGER tests_refuse AFTER INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION tests_refuse()"


@pytest.mark.faults
def test_restarted_again_and_again(tmp_path: Path, llm: FakeLLM) -> None:
    """While it is away, requests are told so and when to come again. Nothing that was accepted is lost."""
    bells = tmp_path / "bells"
    bells.mkdir()
    text = turn(f"!sleep 0.2\n{call('ring_bell', folder=bells)}", "!sleep 0.2\n!say done")
    postgres = Postgres(tmp_path)
    with closing(postgres.close), served_from(postgres, tmp_path, llm) as server:
        server.add_worker()
        agents = [server.agent("ring_bell") for _ in range(6)]
        with offering(server, agents, text) as offers:
            for _ in range(RESTARTS):
                time.sleep(3)
                postgres.stop_at_once()
                time.sleep(1.5)
                postgres.start()
            time.sleep(3)
        reconnect(server)
        ends = Counter(server.await_end(run, 90)["status"] for run in offers.accepted)
        assert ends["completed"] >= 0.9 * len(offers.accepted) > 10
        assert set(offers.refused) == {(503, "2")}
        invariants.check(server.connection, accepted=offers.accepted)
        invariants.check_bells(server.connection, bells)


@pytest.mark.faults
def test_statements_that_are_refused_at_random(tmp_path: Path, llm: FakeLLM) -> None:
    """Serialization failures, deadlocks and lock timeouts pass: the transaction is done again."""
    with Server(tmp_path, llm, workers=2) as server:
        agents = [server.agent("ring_bell", "core_memory_append", memory_blocks=[BLOCK]) for _ in range(5)]
        text = turn(call("ring_bell", folder=tmp_path) + "\n" + call("core_memory_append", **NOTE), "!say done")
        with refusing(server, 0.03):
            runs = [server.send(agent, text) for _ in range(8) for agent in agents]
            ends = Counter((row := server.await_end(run, 90))["error_code"] or row["status"] for run in runs)
            ((refused,),) = server.sql("SELECT last_value FROM tests_refused")
        assert refused > 20
        assert ends == {"completed": len(runs)}
        for agent in agents:
            value = server.client().agents.blocks.retrieve("human", agent_id=agent).value
            assert value.split() == ["x"] * 8
        invariants.check(server.connection, accepted=runs)
        invariants.check_bells(server.connection, tmp_path)


@pytest.mark.faults
def test_more_wanted_than_there_are_connections(tmp_path: Path, llm: FakeLLM) -> None:
    """Who gets none is told to come again. Leases are renewed all the same: nobody takes over from the living."""
    postgres = Postgres(tmp_path, max_connections="14", superuser_reserved_connections="0", reserved_connections="0")
    fewer = {"PERDURE_DATABASE_POOL": "4", "PERDURE_DATABASE_POOL_TIMEOUT": "1"}
    with closing(postgres.close), served_from(postgres, tmp_path, llm, **fewer) as server:
        agents = [server.agent() for _ in range(6)]
        slow = [server.send(agent, "Slow.\n!sleep 5\n!say done") for agent in agents]
        with greedy(server) as taken, offering(server, agents, "hello\n!say hi") as offers:
            assert taken
            time.sleep(4)
        assert {server.await_end(run, 60)["status"] for run in slow} == {"completed"}
        assert {server.await_end(run, 60)["status"] for run in offers.accepted} <= {"completed"}
        assert server.sql("SELECT max(claims) FROM agents_run WHERE id = ANY(%s)", slow) == [(1,)]
        assert {status for status, _ in offers.refused} <= {503}
        assert offers.accepted
        invariants.check(server.connection, accepted=[*slow, *offers.accepted])


BLOCK = {"label": "human", "value": ""}
NOTE = {"label": "human", "content": "x"}


class Offers:
    """What became of the messages that were sent: run ids, and (status, Retry-After) of refusals."""

    def __init__(self) -> None:
        self.accepted: list[str] = []
        self.refused: list[tuple[int, str | None]] = []


@contextmanager
def offering(server: Server, agents: list[str], text: str) -> Iterator[Offers]:
    """Messages for all the agents, one after the other, by clients that never try again."""
    offers, done = Offers(), threading.Event()

    def offer() -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {server.key}"}, timeout=60, trust_env=False) as client:
            while not done.wait(0.05):
                for agent in agents:
                    url = f"{server.web.url}/v1/agents/{agent}/messages/async"
                    answer = client.post(url, json={"input": text})
                    if answer.status_code == 200:
                        offers.accepted.append(answer.json()["id"])
                    else:
                        offers.refused.append((answer.status_code, answer.headers.get("retry-after")))
                    done.wait(0.2)

    thread = threading.Thread(target=offer)
    thread.start()
    try:
        yield offers
    finally:
        done.set()
        thread.join()


@contextmanager
def refusing(server: Server, share: float) -> Iterator[None]:
    """Meanwhile so many of the rows that are written cost their transaction."""
    server.connection.execute("CREATE SEQUENCE tests_refused")
    server.connection.execute(_REFUSE.format(share=share))
    for table in GUARDED:
        server.connection.execute(_REFUSING.format(table=table))
    try:
        yield
    finally:
        for table in GUARDED:
            server.connection.execute(f"DROP TRIGGER tests_refuse ON {table}")


@contextmanager
def greedy(server: Server) -> Iterator[list[psycopg.Connection]]:
    """Somebody else takes every connection that is free, again and again."""
    taken: list[psycopg.Connection] = []
    try:
        while True:
            taken.append(psycopg.connect(server.environment["DATABASE_URL"]))
    except psycopg.OperationalError:
        pass
    try:
        yield taken
    finally:
        for connection in taken:
            connection.close()


@contextmanager
def closing(close: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    finally:
        close()
