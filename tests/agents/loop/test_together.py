"""Calls that run at the same time: what is committed before the first begins, and what is kept when one breaks."""

import threading
from dataclasses import replace

import pytest

from agents.errors import Cancelled
from agents.loop.decision import Finished, Heartbeat
from agents.loop.step import MAX_CALLS
from agents.loop.together import each, groups
from tests.agents.loop.doubles import Conversation, Script, agent, calls, says, spec

LOOK = spec("look", "where", parallel=True)
ASK = spec("ask", parallel=True)
BELL = spec("ring_bell")
NOTE = spec("note", "text", effect="state", parallel=True)


def test_neighbours_that_may_are_one_group() -> None:
    assert [*groups([2, 4, 1, 3, 6, 8], lambda n: n % 2 == 0)] == [(2, 4), (1,), (3,), (6, 8)]


def test_all_intents_are_committed_before_the_first_begins() -> None:
    meeting = threading.Barrier(3, timeout=10)

    def meet(**arguments: str) -> str:
        meeting.wait()
        return "met"

    asked = calls(("look", {"where": "left"}), ("ask", {}), ("look", {"where": "right"}))
    talk = Conversation(agent(LOOK, ASK), Script(asked), functions={"look": meet, "ask": meet})
    assert talk.step() == Heartbeat()
    assert talk.journal[0] == "commit answer, start look, ask, look"
    assert sorted(talk.journal[1:4]) == ["run ask 1", "run look 1", "run look 1"]
    told = [message.returned.name for message in talk.ledger.messages if message.returned]
    assert told == ["look", "ask", "look"]


def test_the_others_run_in_sequence() -> None:
    asked = calls(("look", {"where": "left"}), ("ring_bell", {}), ("note", {"text": "x"}), ("ask", {}))
    talk = Conversation(agent(LOOK, ASK, BELL, NOTE), Script(asked))
    talk.step()
    assert talk.journal == [
        "commit answer, start look",
        "run look 1",
        "commit look:success, start ring_bell",
        "run ring_bell 1",
        "commit ring_bell:success, note:success, start ask",
        "run ask 1",
        "commit ask:success, heartbeat",
    ]


def test_what_has_come_is_committed_while_the_next_is_waited_for() -> None:
    let_go = threading.Event()
    talk = Conversation(agent(LOOK, ASK), Script(calls(("ask", {}), ("look", {"where": "x"}))))
    first_is_kept = threading.Event()
    commit = talk.ledger.commit

    def watched(*arguments):  # type: ignore[no-untyped-def]
        done = commit(*arguments)
        if done:
            first_is_kept.set()
        return done

    talk.ledger.commit = watched  # type: ignore[method-assign]

    def look(where: str) -> str:
        let_go.set() if first_is_kept.wait(10) else None
        return "seen"

    talk.functions = {"look": look}
    talk.step()
    assert let_go.is_set()
    assert "commit ask:success, stop" in talk.journal
    assert talk.journal[-1] == "commit look:success, heartbeat"


def test_one_that_breaks_takes_nothing_from_the_others() -> None:
    def broken(**arguments: str) -> str:
        raise Cancelled("cancelled")

    asked = calls(("look", {"where": "x"}), ("ask", {}), ("ask", {}))
    talk = Conversation(agent(LOOK, ASK), Script(asked), functions={"look": broken})
    with pytest.raises(Cancelled):
        talk.step()
    assert talk.journal[-1] == "commit ask:success, ask:success, stop"
    resumed = Conversation(replace(talk.ledger.resumed(talk.state)), Script())
    resumed.step()
    assert resumed.journal == ["commit look:error, heartbeat"]


def test_an_abort_reaches_all_and_waits_for_all() -> None:
    meeting = threading.Barrier(2, timeout=10)
    ended = []
    talk = Conversation(agent(ASK), Script(calls(("ask", {}), ("ask", {}))))

    def ask() -> str:
        stopped = threading.Event()
        talk.abort.on_press(stopped.set)
        if meeting.wait() == 0:
            talk.abort.press("cancelled")
        assert stopped.wait(10)
        ended.append("one")
        talk.abort.check()
        return "never"

    talk.functions = {"ask": ask}
    with pytest.raises(Cancelled):
        talk.step()
    assert ended == ["one", "one"]


@pytest.mark.parametrize("tool", [LOOK, BELL, NOTE])
def test_an_answer_has_so_many_calls_and_no_more(tool) -> None:  # type: ignore[no-untyped-def]
    arguments = {name: "x" for name in tool.parameters["required"]}
    talk = Conversation(agent(tool), Script(calls(*[(tool.name, arguments)] * 200), says("well")))
    assert talk.turn() == Finished("end_turn")
    returned = [message.returned for message in talk.state.history if message.returned]
    assert len(returned) == 200
    assert {one.status for one in returned[:MAX_CALLS]} == {"success"}
    assert {one.status for one in returned[MAX_CALLS:]} == {"error"}
    assert "32 calls" in returned[-1].text


def test_one_alone_needs_no_thread() -> None:
    assert [*each(lambda item: threading.current_thread(), [1])] == [[threading.current_thread()]]
