"""A worker that dies while one agent waits for another: the question is asked once, and answered once."""

import pytest

from tests.faults.breaking import dies_at
from tests.live import Server, call, turn, wait_until

ASK = "send_message_to_agent_and_wait_for_reply"


def question(bob: str, also: str = "") -> str:
    return turn(call(ASK, other_agent_id=bob, message=f"Well?\n{also}!say Yes."), "!say Done.")


def check(server: Server, ann: str, bob: str, run: str) -> None:
    assert server.await_end(run)["status"] == "completed"
    assert server.transcript(ann)[1:] == [f"assistant: [{ASK}]", "tool: Yes.", "assistant: Done."]
    assert len(server.transcript(bob)) == 2
    assert server.sql("SELECT count(*) FROM agents_run WHERE agent_id = %s", bob) == [(1,)]


@pytest.mark.parametrize("point", ["c7", "fence", "c13"])
def test_around_the_question(server: Server, point: str) -> None:
    """Before its commit, inside and after it, when nobody has been told yet."""
    ann, bob = server.agent(ASK), server.agent()
    run = dies_at(point, server, ann, question(bob))
    check(server, ann, bob, run)


def test_while_it_waits(server: Server) -> None:
    ann, bob = server.agent(ASK), server.agent()
    run = server.send(ann, question(bob, "!sleep 1.5\n"))
    wait_until(lambda: server.sql("SELECT 1 FROM agents_run WHERE id = %s AND waits", run), what="it waits")
    wait_until(lambda: server.sql("SELECT 1 FROM agents_run WHERE agent_id = %s AND status = 'running'", bob))
    assert server.sql("SELECT count(*) FROM agents_conversation WHERE agent_id = %s AND owner <> ''", ann) == [(0,)]
    server.owner().kill()
    server.add_worker()
    check(server, ann, bob, run)
