"""Blocks from a file: all of them or none, each new value by the import."""

from typing import Any

import pytest

from accounts.models import User
from agents.models import Agent
from memory.models import Block, BlockVersion
from tests.agents.api.conftest import Caller
from tests.agents.api.test_block_versions import ann, kept

__all__ = ["ann"]


@pytest.fixture
def agent(acme: Caller, ann: User) -> Agent:
    made = acme.agent(memory_blocks=[{"label": "human", "value": "one", "limit": 30, "description": "d"}])
    return Agent.objects.get(id=made["id"])


def values(agent: Agent) -> dict[str, str]:
    return dict(agent.blocks.values_list("label", "value"))


def test_an_agents_blocks_are_changed_by_label_and_new_ones_attached(acme: Caller, ann: User, agent: Agent) -> None:
    given = [{"label": "human", "value": "two"}, {"label": "plans", "value": "rest", "tags": ["t"], "limit": 9}]
    result = acme.post("blocks/import", {"blocks": given, "agent_id": agent.id})
    human, plans = agent.blocks.get(label="human"), agent.blocks.get(label="plans")
    assert [block["id"] for block in result["changed"]] == [human.id]
    assert [block["id"] for block in result["created"]] == [plans.id]
    assert kept(human.id) == [(1, "one", ann.id), (2, "two", result["id"])]
    assert kept(plans.id) == [(1, "rest", result["id"])]
    assert (human.limit, human.description, human.last_updated_by_id) == (30, "d", ann.id)
    assert (plans.limit, plans.tags, plans.created_by_id) == (9, ["t"], ann.id)
    newest = acme.get(f"blocks/{human.id}/versions")[0]
    assert (newest["author_kind"], newest["author_id"]) == ("import", result["id"])
    assert acme.post(f"blocks/{human.id}/undo")["value"] == "one"


def test_what_was_listed_goes_back_by_id_and_changes_nothing(acme: Caller, agent: Agent) -> None:
    acme.post("blocks/", {"label": "alone", "value": "x", "metadata": {"a": 1}, "project_id": "p", "hidden": True})
    listed = acme.get("blocks/")
    result = acme.post("blocks/import", {"blocks": listed})
    assert [block["id"] for block in result["unchanged"]] == [block["id"] for block in listed]
    assert (result["changed"], result["created"]) == ([], [])
    assert acme.get("blocks/") == listed
    assert BlockVersion.objects.count() == len(listed)


def test_ids_of_elsewhere_make_blocks_of_ones_own(acme: Caller, globex: Caller, agent: Agent) -> None:
    listed = acme.get("blocks/")
    result = globex.post("blocks/import", {"blocks": [listed[0] | {"value": "mine"}, {"label": "b", "value": ""}]})
    assert [block["value"] for block in result["created"]] == ["mine", ""]
    assert values(agent) == {"human": "one"}
    assert Block.objects.filter(organization=globex.organization).count() == 2


def test_with_an_agent_ids_do_not_count(acme: Caller, agent: Agent) -> None:
    other = Agent.objects.get(id=acme.agent()["id"])
    acme.post("blocks/import", {"blocks": acme.get("blocks/"), "agent_id": other.id})
    assert values(other) == {"human": "one"}
    assert other.blocks.get().id != agent.blocks.get().id


REFUSED: list[tuple[int, list[dict[str, Any]], str]] = [
    (400, [{"label": "a", "value": "x"}, {"label": "human", "value": "y" * 31}], "Block 2, 'human': The value has 31"),
    (400, [{"label": "a", "value": "xx", "limit": 1}], "Block 1, 'a'"),
    (400, [{"label": "a", "value": "x"}, {"label": "a", "value": "y"}], "2 of the blocks have the label 'a'"),
    (422, [{"label": "a", "value": "x"}, {"label": "b"}], "value"),
    (422, [{"label": "a b", "value": "x"}], "label"),
    (422, [], "blocks"),
]


@pytest.mark.parametrize(("status", "blocks", "told"), REFUSED)
def test_of_a_file_that_is_refused_nothing_is_taken(
    acme: Caller, agent: Agent, status: int, blocks: list[dict[str, Any]], told: str
) -> None:
    detail = acme.refused(status, "POST", "blocks/import", {"blocks": blocks, "agent_id": agent.id})
    assert told in str(detail)
    assert values(agent) == {"human": "one"}
    assert Block.objects.count() == 1


def test_a_label_that_an_agent_has_already_is_refused(acme: Caller, agent: Agent) -> None:
    acme.post("blocks/", block := {"label": "plans", "value": "x"})
    plans = Block.objects.get(label=block["label"])
    acme.told("PATCH", f"agents/{agent.id}/core-memory/blocks/attach/{plans.id}")
    given = [{"id": plans.id, "label": "human", "value": "x"}]
    assert "two blocks with the label 'human'" in acme.refused(409, "POST", "blocks/import", {"blocks": given})
    assert values(agent) == {"human": "one", "plans": "x"}


def test_anothers_agent_is_not_there(globex: Caller, agent: Agent) -> None:
    body = {"blocks": [{"label": "human", "value": "x"}], "agent_id": agent.id}
    globex.refused(404, "POST", "blocks/import", body)
    assert values(agent) == {"human": "one"}
