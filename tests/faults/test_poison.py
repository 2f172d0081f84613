"""Input that ends every worker that takes it up, and workers whose clock is wrong."""

import signal

import pytest

from agents.loop.step import INTERRUPTED
from tests.live import Server, call, turn, wait_until

HOUR = 3600


def test_a_tool_that_ends_its_worker(server: Server) -> None:
    """It may have had its effect, so it is not run again: the turn goes on without it."""
    agent = server.agent("kill_worker")
    run = server.send(agent, turn(call("kill_worker"), "!say done"))
    wait_until(lambda: not server.workers[0].is_alive, what="the worker ends")
    server.add_worker()
    assert server.await_end(run)["status"] == "completed"
    assert server.transcript(agent)[2:] == [f"tool error: {INTERRUPTED}", "assistant: done"]


@pytest.mark.faults
def test_a_tool_that_ends_every_worker(server: Server) -> None:
    """Being idempotent it is tried again, by one worker after the other; then the next run has its turn."""
    agent = server.agent("kill_worker_again")
    poison, after = server.send(agent, turn(call("kill_worker_again"), "!say done")), server.send(agent, "after")
    victims = 0
    while server.run(poison)["status"] not in ("completed", "failed"):
        if not server.workers[-1].is_alive:
            victims += 1
            assert victims <= 3, "the same call ended a fourth worker"
            server.add_worker()
    assert victims == 3
    assert server.await_end(after)["status"] == "completed"
    assert server.transcript(agent)[-2:] == ["user: after", "assistant: ok: after"]


@pytest.mark.faults
@pytest.mark.parametrize("point", ["load", "c6"])
def test_a_text_that_ends_whoever_reads_it(server: Server, point: str) -> None:
    """As it is loaded, or as it comes from the model. Three workers try; then it is given up and the talk goes on."""
    agent = server.agent()
    deadly = {"PERDURE_FAULT": f"{point}:kill", "PERDURE_FAULT_TEXT": "hemlock"}
    with server.paused():
        workers = [server.start_worker(**deadly) for _ in range(4)]
        poison, after = server.send(agent, "hemlock"), server.send(agent, "water")
        ended = server.await_end(poison, 60)
        assert (ended["status"], ended["stop_reason"], ended["error_code"]) == ("failed", "error", "worker_lost")
        assert server.await_end(after)["status"] == "completed"
        assert sorted(worker.exit_code or 0 for worker in workers) == [-signal.SIGKILL] * 3 + [0]
    assert server.transcript(agent) == ["user: hemlock", "user: water", "assistant: ok: water"]
    told = [message.content for message in server.client().agents.messages.list(agent, order="asc").items[1:]]
    assert told == ["hemlock", "water", "ok: water"]
    assert server.web.is_alive
    next(worker for worker in workers if worker.is_alive).kill()


@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_a_clock_that_is_an_hour_wrong(server: Server, seconds: int) -> None:
    """Leases, waits and deadlines are by the database's clock: nothing is too late, too early, or waits for an hour."""
    shift = {"TESTS_CLOCK_SHIFT": str(seconds)}
    agent = server.agent()
    mark = f"Wrong by {seconds}."
    server.llm.script(match=mark, status=503)
    with server.paused():
        wrong = server.add_worker(**shift)
        web = server.add_web(PERDURE_RUN_DEADLINE="1800", **shift)
        run = server.client(web).agents.messages.create_async(agent, input=mark).id
        ended = server.await_end(run)
        ((now,),) = server.sql("SELECT clock_timestamp()")
    web.kill()
    assert (ended["status"], ended["error_code"], ended["claims"]) == ("completed", None, 2)
    assert 0 < (ended["deadline_at"] - now).total_seconds() < 1800
    assert server.transcript(agent) == [f"user: {mark}", f"assistant: ok: {mark}"]
    wrong.kill()
