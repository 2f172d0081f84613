"""The list of agents: its orders, its filters by what they last did, and the agents of a block."""

import pytest

from agents.models import Agent, Run
from tests.agents import given
from tests.agents.api.test_pages import walked
from tests.agents.loop.doubles import says


@pytest.fixture
def ids(acme):
    """Five agents. The third, then the first, have answered; the second was changed after that."""
    made = [acme.agent()["id"] for _ in range(5)]
    for id in (made[2], made[0]):
        acme.post(f"agents/{id}/messages/async", {"input": "hi"})
        given.advance(Agent.objects.get(id=id), says("hello"))
    acme.patch(f"agents/{made[1]}", {"description": "changed"})
    return made


@pytest.mark.parametrize("size", [1, 2, 100])
def test_by_their_last_run(acme, ids, size):
    never = sorted([ids[1], ids[3], ids[4]])
    upwards = [*never, ids[2], ids[0]]
    assert walked(acme, "agents/", size, order="asc", order_by="last_run_completion") == upwards
    assert walked(acme, "agents/", size, order="desc", sort_by="last_run_completion") == upwards[::-1]


@pytest.mark.parametrize("size", [1, 2, 100])
def test_by_their_last_change(acme, ids, size):
    upwards = [ids[0], ids[2], ids[3], ids[4], ids[1]]
    assert walked(acme, "agents/", size, order="asc", order_by="updated_at") == upwards
    assert walked(acme, "agents/", size, order="desc", order_by="updated_at") == upwards[::-1]


def test_by_how_their_last_run_stopped(acme, ids):
    acme.post(f"agents/{ids[0]}/messages/async", {"input": "more"})
    given.advance(Agent.objects.get(id=ids[0]), says("hello"))
    last = Run.objects.filter(agent_id=ids[0]).latest("seq").id
    Run.objects.filter(id=last).update(stop_reason="max_steps")
    assert [agent["id"] for agent in acme.get("agents/?last_stop_reason=end_turn")] == [ids[2]]
    [found] = acme.get("agents/?last_stop_reason=max_steps")
    assert (found["id"], found["last_stop_reason"]) == (ids[0], "max_steps")


def test_a_bad_order(acme):
    assert acme.refused(422, "GET", "agents/?order_by=name")[0]["loc"] == ["query", "order_by"]


def test_agents_of_a_block(acme):
    block = acme.post("blocks/", {"label": "human", "value": "Ann"})["id"]
    ids = [acme.agent(block_ids=[block])["id"] for _ in range(3)]
    acme.agent()
    for size in (1, 2, 100):
        assert walked(acme, f"blocks/{block}/agents", size, order="asc") == ids
        assert walked(acme, f"blocks/{block}/agents", size) == ids[::-1]
    assert acme.get(f"blocks/{block}/agents?include=agent.blocks")[0]["blocks"][0]["id"] == block
