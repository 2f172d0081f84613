"""SIGTERM: a worker that is asked to end gives back what it holds, and another goes on at once."""

from pathlib import Path

from tests.invariants import lines
from tests.live import Server, call, turn, wait_until


def test_in_the_middle_of_an_answer(server: Server) -> None:
    agent = server.agent()
    run = server.send(agent, "hello\n!sleep 1\n!say hi")
    worker = server.owner()
    worker.terminate()
    assert worker.wait() == 0
    # Given back, not expired: nobody has to wait for the lease.
    assert server.sql("SELECT owner, lease_until FROM agents_conversation WHERE agent_id = %s", agent) == [("", None)]
    assert server.run(run)["status"] in ("queued", "running")
    server.add_worker()
    server.await_end(run)
    assert server.transcript(agent) == ["user: hello", "assistant: hi"]


def test_in_the_middle_of_a_tool(server: Server, folder: Path) -> None:
    """A tool that ends within the grace is recorded as done."""
    (folder / "wait").touch()
    agent = server.agent("ring_bell")
    run = server.send(agent, turn(call("ring_bell", folder=folder), "!say done"))
    wait_until((folder / "begun").exists)
    worker = server.owner()
    worker.terminate()
    (folder / "wait").unlink()
    assert worker.wait() == 0
    server.add_worker()
    server.await_end(run)
    assert server.transcript(agent)[2:] == ["tool: The bell has rung.", "assistant: done"]
    assert len(lines(folder / "rung")) == 1


def test_the_only_one_then_a_new_one(server: Server) -> None:
    agent = server.agent()
    worker = server.workers[0]
    worker.terminate()
    assert worker.wait() == 0
    run = server.send(agent, "Anybody there?")
    assert server.run(run)["status"] == "queued"
    server.add_worker()
    assert server.await_end(run)["status"] == "completed"
    assert server.transcript(agent) == ["user: Anybody there?", "assistant: ok: Anybody there?"]


def test_a_run_that_takes_too_long(server: Server) -> None:
    """Its deadline ends it, with the model's call broken off."""
    agent = server.agent()
    web = server.add_web(PERDURE_RUN_DEADLINE="1")
    run = server.client(web).agents.messages.create_async(agent, input="Too long.\n!hang").id
    after = server.send(agent, "after")
    web.kill()
    ended = server.await_end(run)
    assert (ended["status"], ended["stop_reason"], ended["error_code"]) == ("failed", "error", "deadline_exceeded")
    assert server.await_end(after)["status"] == "completed"
    call = next(call for call in server.llm.calls() if call["user"].startswith("Too long."))
    assert (call["outcome"], call["ended"] is not None) == ("broken off", True)
