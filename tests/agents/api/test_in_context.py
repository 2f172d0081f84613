"""What is in an agent's context, set by the ids of its messages."""

import pytest

from agents.models import Agent
from tests.agents import given
from tests.agents.loop.doubles import calls, says


@pytest.fixture
def agent(acme):
    """It has answered twice, the second time with a tool."""
    made = acme.agent(tools=["conversation_search"])
    row = Agent.objects.get(id=made["id"])
    for answers in ([says("one")], [calls(("conversation_search", {"query": "x"})), says("two")]):
        given.said(row, "hello")
        for answer in answers:
            given.advance(row, answer)
    return made["id"]


def ids_of(acme, agent):
    return acme.get(f"agents/{agent}")["message_ids"]


def test_the_newest_stay(acme, agent):
    system, *said = ids_of(acme, agent)
    assert acme.patch(f"agents/{agent}", {"message_ids": [system, *said[2:]]})["message_ids"] == [system, *said[2:]]
    assert acme.patch(f"agents/{agent}", {"message_ids": [system]})["message_ids"] == [system]
    assert len(acme.get(f"agents/{agent}/messages?order=asc")) > len(said)


def test_all_of_them_change_nothing(acme, agent):
    before = ids_of(acme, agent)
    assert acme.patch(f"agents/{agent}", {"message_ids": before})["message_ids"] == before


@pytest.mark.parametrize(
    "chosen",
    [
        lambda said: [said[0], said[2], *said[3:]],  # one between others is left out
        lambda said: said[4:],  # begins with a tool's return
        lambda said: ["message-00000000-0000-4000-8000-000000000000"],
    ],
)
def test_what_cannot_be_is_refused(acme, agent, chosen):
    system, *said = ids_of(acme, agent)
    assert "oldest" in acme.refused(400, "PATCH", f"agents/{agent}", {"message_ids": [system, *chosen(said)]})
    assert ids_of(acme, agent) == [system, *said]


def test_not_while_the_agent_is_at_work(acme, agent):
    given.said(Agent.objects.get(id=agent), "more")
    acme.refused(409, "PATCH", f"agents/{agent}", {"message_ids": ids_of(acme, agent)[:1]})
