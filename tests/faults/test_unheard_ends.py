"""kill -9 between the commit that ends a run and the word of it: who waits or follows learns of it from the rows."""

import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.faults.breaking import followed
from tests.live import Server, wait_until

LATE = "SELECT 1 FROM agents_run WHERE id = %s AND deadline_at < clock_timestamp()"


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_an_answer(server: Server, threads: ThreadPoolExecutor) -> None:
    agent = server.agent()
    with server.paused():
        doomed = server.add_worker(PERDURE_FAULT="c15:kill")
        _, waiting, following = begun(server, threads, agent, "hello\n!sleep 1\n!say hi")
        answer, events = waiting.result(), following.result()
        assert doomed.wait() == -signal.SIGKILL
    assert [message.content for message in answer.messages] == ["hi"]
    assert (answer.stop_reason.stop_reason, answer.usage.step_count) == ("end_turn", 1)
    assert followed(events)[-3:] == [("assistant_message", "hi"), ("stop_reason", "end_turn"), USAGE]


def test_a_lasting_error(server: Server, threads: ThreadPoolExecutor) -> None:
    agent = server.agent()
    with server.paused():
        doomed = server.add_worker(PERDURE_FAULT="c15:kill")
        run, waiting, following = begun(server, threads, agent, "hello\n!sleep 1\n!status 400")
        for reader in (waiting, following):
            assert "told to answer 400" in str(reader.exception())
        assert doomed.wait() == -signal.SIGKILL
    assert server.run(run)["status"] == "failed"


def test_an_end_that_came_with_the_claim(server: Server, threads: ThreadPoolExecutor) -> None:
    agent = server.agent()
    web = server.add_web(PERDURE_RUN_DEADLINE="1")
    with server.paused():
        run, waiting, following = begun(server, threads, agent, "Nobody has time for this.", web)
        wait_until(lambda: server.sql(LATE, run), what="the deadline has passed")
        doomed = server.start_worker(PERDURE_FAULT="c15:kill")
        for reader in (waiting, following):
            assert "before its deadline" in str(reader.exception())
        assert doomed.wait() == -signal.SIGKILL
    web.kill()
    assert server.run(run)["error_code"] == "deadline_exceeded"


USAGE = ("usage_statistics", "")


def begun(
    server: Server, threads: ThreadPoolExecutor, agent: str, text: str, web: Any = None
) -> tuple[str, Future[Any], Future[list[Any]]]:
    """A run, one who waits for its answer, and one who follows it token by token."""
    client = server.client(web, max_retries=0)
    waiting = threads.submit(client.agents.messages.create, agent, input=text)
    own = "SELECT id FROM agents_run WHERE agent_id = %s"
    ((run,),) = wait_until(lambda: server.sql(own, agent), what="the run is accepted")
    return run, waiting, threads.submit(lambda: list(client.runs.messages.stream(run)))
