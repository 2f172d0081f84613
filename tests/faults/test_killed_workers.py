"""kill -9 of a worker wherever it stands in a step. Another one goes on: nothing is lost, nothing comes twice."""

import signal
from pathlib import Path

import pytest

from agents.loop.step import INTERRUPTED
from tests.faults.breaking import commits_frozen, dies_at, hint
from tests.invariants import lines
from tests.live import Server, call, turn, wait_until

APPEND = call("core_memory_append", label="human", content="Likes tea.")


@pytest.mark.parametrize("point", ["c4", "c5", "c6", "c7", "fence", "c13"])
def test_around_the_model(server: Server, point: str) -> None:
    agent = server.agent()
    run = dies_at(point, server, agent, "hello")
    assert server.await_end(run)["status"] == "completed"
    assert server.transcript(agent) == ["user: hello", "assistant: ok: hello"]


def test_the_model_is_asked_again_but_one_answer_is_recorded(server: Server) -> None:
    agent = server.agent()
    run = dies_at("c7", server, agent, "Say it once.")
    server.await_end(run)
    assert sum(call["user"] == "Say it once." for call in server.llm.calls()) == 2
    ((claims, prompt),) = server.sql("SELECT claims, prompt_tokens FROM agents_step WHERE run_id = %s", run)
    assert (claims, prompt > 0) == (0, True)


@pytest.mark.parametrize(("point", "strokes"), [("c8", 0), ("c10", 0), ("c12", 1)])
def test_around_a_bell(server: Server, folder: Path, point: str, strokes: int) -> None:
    agent = server.agent("ring_bell")
    run = dies_at(point, server, agent, turn(call("ring_bell", folder=folder), "!say done"))
    server.await_end(run)
    assert server.transcript(agent) == [
        "user: Begin.",
        "assistant: [ring_bell]",
        f"tool error: {INTERRUPTED}",
        "assistant: done",
    ]
    assert len(lines(folder / "rung")) == strokes
    assert attempts(server, run) == ["interrupted"]


@pytest.mark.parametrize(("point", "times"), [("c10", 1), ("c12", 2)])
def test_around_a_lamp(server: Server, folder: Path, point: str, times: int) -> None:
    agent = server.agent("set_lamp")
    run = dies_at(point, server, agent, turn(call("set_lamp", folder=folder), "!say done"))
    server.await_end(run)
    assert server.transcript(agent)[2:] == ["tool: The lamp is on.", "assistant: done"]
    assert len(lines(folder / "lit")) == times
    assert len(set(lines(folder / "lit"))) == 1  # the tool could tell that it was the same call
    assert attempts(server, run) == ["interrupted", "succeeded"]


@pytest.mark.parametrize("point", ["c8", "c10", "c12"])
def test_around_bells_that_ring_together(server: Server, folder: Path, point: str) -> None:
    """None of them is rung twice, and each is told of once."""
    agent = server.agent("ring_bell")
    server.connection.execute("UPDATE tools_tool SET enable_parallel_execution = true WHERE name = 'ring_bell'")
    try:
        run = dies_at(point, server, agent, turn("\n".join([call("ring_bell", folder=folder)] * 3), "!say done"))
        server.await_end(run)
    finally:
        server.connection.execute("UPDATE tools_tool SET enable_parallel_execution = false WHERE name = 'ring_bell'")
    told = server.transcript(agent)
    assert (told[1], told[-1], len(told)) == ("assistant: [ring_bell, ring_bell, ring_bell]", "assistant: done", 6)
    assert set(told[2:5]) <= {f"tool error: {INTERRUPTED}", "tool: The bell has rung."}
    assert len(lines(folder / "rung")) == len(set(lines(folder / "rung"))) <= 3
    assert set(attempts(server, run)) <= {"interrupted", "succeeded"}


def test_inside_a_tool(server: Server, folder: Path) -> None:
    (folder / "wait").touch()
    agent = server.agent("ring_bell")
    run = server.send(agent, turn(call("ring_bell", folder=folder), "!say done"))
    wait_until((folder / "begun").exists)
    server.owner().kill()
    server.add_worker()
    server.await_end(run)
    assert server.transcript(agent)[2:] == [f"tool error: {INTERRUPTED}", "assistant: done"]
    assert not (folder / "rung").exists()


def test_between_two_tools(server: Server, folder: Path) -> None:
    """The first one's result was recorded with the intent of the second: only the second is in doubt."""
    both = f"{call('set_lamp', folder=folder)}\n{call('ring_bell', folder=folder)}"
    agent = server.agent("set_lamp", "ring_bell")
    run = dies_at("c10", server, agent, turn(both, "!say done"), passing=2)
    server.await_end(run)
    assert server.transcript(agent)[1:] == [
        "assistant: [set_lamp, ring_bell]",
        "tool: The lamp is on.",
        f"tool error: {INTERRUPTED}",
        "assistant: done",
    ]
    assert len(lines(folder / "lit")) == 1


@pytest.mark.parametrize("point", ["c8", "c12"])
def test_a_call_that_was_only_planned(server: Server, folder: Path, point: str) -> None:
    """The worker died before the second call's intent (c9): it is run for the first time."""
    both = f"{call('set_lamp', folder=folder)}\n{call('ring_bell', folder=folder)}"
    agent = server.agent("set_lamp", "ring_bell")
    with server.paused():
        doomed = server.add_worker(PERDURE_FAULT=f"{point}:kill")
        run = server.send(agent, turn(both, "!say done"))
        assert doomed.wait() == -signal.SIGKILL
        assert attempts(server, run) == ["started", "planned"]
    server.await_end(run)
    assert server.transcript(agent)[2:] == ["tool: The lamp is on.", "tool: The bell has rung.", "assistant: done"]
    assert attempts(server, run) == ["interrupted", "succeeded", "succeeded"]
    assert len(lines(folder / "rung")) == 1


@pytest.mark.parametrize(("passing", "moved"), [(1, False), (2, True)])
def test_around_the_commit_of_a_summary(server: Server, passing: int, moved: bool) -> None:
    """It is there, and what it sums up has left the context; or neither. There is one in the end."""
    agent = nearly_full(server)
    run, at_death = dies_when_full(server, agent, f"c19:kill:{passing}")
    assert at_death == (moved, ["user", *["summary"] * moved])
    assert server.await_end(run)["status"] == "completed"
    assert context_from(server, agent) > WHOLE
    assert roles(server, agent) == ["system", *["user", "assistant"] * 2, "user", "summary", "assistant"]


@pytest.mark.parametrize(("point", "moved"), [("fence", False), ("c15", True)])
def test_around_the_commit_that_moves_the_context(server: Server, point: str, moved: bool) -> None:
    """Without a summary, what leaves the context leaves it together with the new answer."""
    agent = nearly_full(server)
    server.llm.script(match="Conversation:", status=400, repeat=2 - moved)
    run, at_death = dies_when_full(server, agent, f"{point}:kill")
    assert at_death == (moved, ["user", *["assistant"] * moved])
    assert server.await_end(run)["status"] == "completed"
    assert context_from(server, agent) > WHOLE
    assert roles(server, agent) == ["system", *["user", "assistant"] * 3]


WHOLE = 2  # the context begins behind the system message
FULL = "word " * 700 + "\n!say taken in"


def nearly_full(server: Server) -> str:
    """An agent whose window has no room for another such message."""
    agent = server.agent(system="You listen.", context_window_limit=2_500)
    for _ in range(2):
        server.client().agents.messages.create(agent, input=FULL)
    return agent


def dies_when_full(server: Server, agent: str, fault: str) -> tuple[str, tuple[bool, list[str]]]:
    """One more message, and a worker that is killed over it: the run; whether the context had moved then, and whose
    messages there were since."""
    with server.paused():
        doomed = server.add_worker(PERDURE_FAULT=fault)
        run = server.send(agent, FULL)
        assert doomed.wait() == -signal.SIGKILL
        return run, (context_from(server, agent) > WHOLE, roles(server, agent)[5:])


def context_from(server: Server, agent: str) -> int:
    return int(server.sql("SELECT context_from FROM agents_conversation WHERE agent_id = %s", agent)[0][0])


def roles(server: Server, agent: str) -> list[str]:
    return [row[0] for row in server.sql("SELECT role FROM agents_message WHERE agent_id = %s ORDER BY seq", agent)]


@pytest.mark.parametrize("point", ["fence", "c13"])
def test_a_memory_is_written_once(server: Server, point: str) -> None:
    agent = server.agent("core_memory_append", memory_blocks=[{"label": "human", "value": "Ann."}])
    run = dies_at(point, server, agent, turn(APPEND, "!say kept"))
    server.await_end(run)
    assert server.client().agents.blocks.retrieve("human", agent_id=agent).value == "Ann.\nLikes tea."
    assert len(server.transcript(agent)) == 4


def test_inside_the_commit_of_a_memory(server: Server) -> None:
    agent = server.agent("core_memory_append", memory_blocks=[{"label": "human", "value": "Ann."}])
    with commits_frozen(server) as stands:
        run = server.send(agent, turn(APPEND, "!say kept"))
        wait_until(stands, what="the worker stands in its commit")
        server.owner().kill()
    server.add_worker()
    server.await_end(run)
    assert server.client().agents.blocks.retrieve("human", agent_id=agent).value == "Ann.\nLikes tea."
    assert len(server.transcript(agent)) == 4


def test_hints_that_come_many_times(server: Server) -> None:
    agent = server.agent()
    ((conversation,),) = server.sql("SELECT id FROM agents_conversation WHERE agent_id = %s", agent)
    run = server.send(agent, "hello\n!sleep 0.5\n!say hi")
    for _ in range(50):
        hint(server, conversation)
    server.await_end(run)
    hint(server, conversation)
    assert server.transcript(agent) == ["user: hello", "assistant: hi"]
    assert sum(call["user"].startswith("hello\n!sleep 0.5") for call in server.llm.calls()) == 1


def test_a_run_that_kills_every_worker_is_given_up(server: Server) -> None:
    agent = server.agent()
    with server.paused():
        victims = [server.start_worker(PERDURE_FAULT="c5:kill") for _ in range(3)]
        poison, after = server.send(agent, "poison"), server.send(agent, "after")
        assert [victim.wait(60) for victim in victims] == [-signal.SIGKILL] * 3
    ended = server.await_end(poison)
    assert (ended["status"], ended["stop_reason"], ended["error_code"]) == ("failed", "error", "worker_lost")
    assert server.await_end(after)["status"] == "completed"
    assert server.transcript(agent) == ["user: poison", "user: after", "assistant: ok: after"]


def test_cancelled_when_the_worker_is_dead(server: Server, folder: Path) -> None:
    """Twice, and inside a tool: whoever takes over only has to end it, and the call gets a return."""
    (folder / "wait").touch()
    agent = server.agent("ring_bell")
    run = server.send(agent, turn(call("ring_bell", folder=folder), "!say never"))
    wait_until((folder / "begun").exists)
    server.owner().kill()
    for _ in range(2):
        assert server.client().agents.messages.cancel(agent, run_ids=[run]) == {run: "cancelled"}
    server.add_worker()
    assert server.await_end(run)["status"] == "cancelled"
    assert [line.partition(":")[0] for line in server.transcript(agent)] == ["user", "assistant", "tool error"]
    assert server.client().agents.messages.create(agent, input="next").messages[-1].content == "ok: next"


def attempts(server: Server, run_id: str) -> list[str]:
    found = server.sql("SELECT status FROM agents_toolattempt WHERE run_id = %s ORDER BY call_index, attempt", run_id)
    return [row[0] for row in found]
