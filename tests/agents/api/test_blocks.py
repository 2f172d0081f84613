"""Blocks through the API: limits, versions, and whose they are."""

import pytest

from memory.models import Block
from tests.agents import given
from tests.agents.loop.doubles import says


@pytest.fixture
def block(acme):
    return acme.post("blocks/", {"label": "human", "value": "12345", "limit": 5})


def test_a_value_fits_its_limit_exactly(acme, block):
    assert "1 more than the block's limit of 5" in acme.refused(
        400, "POST", "blocks/", {"label": "human", "value": "123456", "limit": 5}
    )


@pytest.mark.parametrize("change", [{"value": "123456"}, {"limit": 4}, {"value": "1234567", "limit": 6}])
def test_a_change_may_not_leave_it_over_its_limit(acme, block, change):
    acme.refused(400, "PATCH", f"blocks/{block['id']}", change)
    assert acme.get(f"blocks/{block['id']}") == block


def test_a_block_that_is_made_with_an_agent_fits_its_limit(acme):
    blocks = [{"label": "persona", "value": "me"}, {"label": "human", "value": "x" * 50, "limit": 10}]
    refused = acme.refused(400, "POST", "agents/", {"model": "demo/scripted", "memory_blocks": blocks})
    assert refused == acme.refused(400, "POST", "blocks/", blocks[1])
    assert "40 more than the block's limit of 10" in refused
    assert (acme.get("agents/"), acme.get("blocks/")) == ([], [])


def test_the_limit_counts_characters_not_bytes(acme, block):
    assert acme.patch(f"blocks/{block['id']}", {"value": "äöüßé"})["value"] == "äöüßé"


@pytest.mark.parametrize("limit", [0, -1, 2**31, "many"])
def test_a_limit_is_a_positive_number(acme, limit):
    [problem] = acme.refused(422, "POST", "blocks/", {"label": "human", "value": "", "limit": limit})
    assert problem["loc"] == ["body", "limit"]


def test_a_version_counts_changes_of_the_value(acme, block):
    for change in ({"value": "a"}, {"value": "a"}, {"description": "d"}, {"value": "b"}):
        acme.patch(f"blocks/{block['id']}", change)
    assert Block.objects.get().version == 3


@pytest.mark.parametrize("missing", ["label", "value"])
def test_what_a_block_needs(acme, missing):
    body = {"label": "human", "value": ""}
    del body[missing]
    assert acme.refused(422, "POST", "blocks/", body)[0]["loc"] == ["body", missing]


def test_spaces_of_a_value_are_kept(acme, block):
    assert acme.patch(f"blocks/{block['id']}", {"value": " a\n "})["value"] == " a\n "


def test_an_agent_has_one_block_of_a_label(acme, block):
    agent = acme.agent(memory_blocks=[{"label": "human", "value": ""}])
    assert "Detach one of them" in acme.refused(
        409, "PATCH", f"agents/{agent['id']}/core-memory/blocks/attach/{block['id']}"
    )
    twice = [{"label": "human", "value": ""}] * 2
    [problem] = acme.refused(422, "POST", "agents/", {"memory_blocks": twice})
    assert problem["loc"] == ["body", "memory_blocks"]


@pytest.mark.parametrize("way", ["created", "changed", "relabelled", "relabelled by its label"])
def test_no_way_gives_an_agent_two_blocks_of_one_label(acme, way):
    taken, other = (acme.post("blocks/", {"label": "human", "value": str(n)})["id"] for n in range(2))
    spare = acme.post("blocks/", {"label": "spare", "value": ""})["id"]
    agent = acme.agent(block_ids=[taken, spare])["id"]
    method, path, body = {
        "created": ("POST", "agents/", {"model": "demo/scripted", "block_ids": [taken, other]}),
        "changed": ("PATCH", f"agents/{agent}", {"block_ids": [taken, other]}),
        "relabelled": ("PATCH", f"blocks/{spare}", {"label": "human"}),
        "relabelled by its label": ("PATCH", f"agents/{agent}/core-memory/blocks/spare", {"label": "human"}),
    }[way]
    assert "label 'human'" in acme.refused(409, method, path, body)
    assert {block["id"] for block in acme.get(f"agents/{agent}/core-memory/blocks")} == {taken, spare}


def test_a_detached_block_goes_out_of_the_prompt_and_stays_a_block(acme, block):
    agent = acme.agent(block_ids=[block["id"]])
    acme.patch(f"agents/{agent['id']}/core-memory/blocks/detach/{block['id']}")
    acme.post(f"agents/{agent['id']}/messages/async", {"input": "hi"})
    script = given.advance(given.Agent.objects.get(), says("hi"))
    assert "12345" not in script.asked[0].system
    assert acme.get(f"blocks/{block['id']}") == block


def test_a_null_leaves_what_every_block_has_and_takes_the_rest_away(acme, block):
    whole = acme.patch(
        f"blocks/{block['id']}", {"description": "d", "hidden": True, "tags": ["a"], "metadata": {"k": 1}}
    )
    nulls = dict.fromkeys(("label", "value", "limit", "read_only", "is_template"))
    assert acme.patch(f"blocks/{block['id']}", nulls) == whole
    gone = dict.fromkeys(("description", "hidden", "tags", "metadata"))
    expected = {"description": None, "hidden": None, "tags": [], "metadata": {}}
    assert expected.items() <= acme.patch(f"blocks/{block['id']}", gone).items()


def test_a_block_by_its_label(acme):
    agent = acme.agent(memory_blocks=[{"label": "notes/today", "value": "x"}])
    path = f"agents/{agent['id']}/core-memory/blocks/notes/today"
    acme.patch(path, {"value": "y"})
    assert acme.get(path)["value"] == "y"
    assert acme.refused(404, "GET", path + "x") == "Block with ID notes/todayx not found"


def test_a_label_of_origin_is_changed_alone_and_taken_away_by_null(acme):
    block = acme.post("blocks/", {"label": "a", "value": "x", "project_id": "p", "template_name": "t"})
    changed = acme.patch(f"blocks/{block['id']}", {"template_name": "u"})
    assert (changed["project_id"], changed["template_name"]) == ("p", "u")
    assert acme.patch(f"blocks/{block['id']}", {"project_id": None})["project_id"] is None
