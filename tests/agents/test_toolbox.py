"""What agents do to their blocks, as rows: made, renamed and given up inside the commit of the step."""

import pytest
from django.db import transaction

from agents.accepting import accept
from agents.advancing import advance
from agents.creation import attach_blocks, create_block, create_conversation
from agents.loop.ports import Abort
from agents.models import Agent, AgentBlock, Message
from agents.prompt import equipped
from agents.toolbox import CommitTools
from memory.models import Block
from tests.agents import given
from tests.agents.loop.doubles import Script, calls, says
from workers.claims import claim

pytestmark = pytest.mark.django_db(transaction=True)


def blocks(agent: Agent) -> dict[str, str]:
    return {block.label: block.value for block in agent.blocks.order_by("agentblock__id")}


def last_return(agent: Agent) -> str:
    return Message.objects.filter(agent=agent, role="tool").latest("seq").text


def does(agent: Agent, **arguments: object) -> str:
    """The return of one call of `memory`."""
    given.said(agent)
    given.advance(agent, calls(("memory", arguments)), says("Done"))
    return last_return(agent)


def test_a_block_is_made_and_is_in_the_next_prompt() -> None:
    agent = given.agent("memory")
    given.said(agent)
    asked = given.advance(
        agent,
        calls(("memory", {"command": "create", "path": "/memories/plans", "file_text": "rest", "description": "Next"})),
        says("Done"),
    ).asked
    block = Block.objects.get(label="plans")
    assert (block.value, block.description, block.limit, block.organization_id, block.created_by_id) == (
        "rest",
        "Next",
        100_000,
        agent.organization_id,
        agent.id,
    )
    assert list(blocks(agent)) == ["human", "plans"]
    assert "<plans>" not in asked[0].system
    assert "<plans>" in asked[1].system


def test_several_edits_of_one_answer_are_one_commit() -> None:
    agent = given.agent("memory", "memory_apply_patch", human="tea")
    given.said(agent)
    asked = [
        ("memory", {"command": "create", "path": "plans", "file_text": "rest"}),
        ("memory", {"command": "insert", "path": "plans", "insert_text": "and eat"}),
        ("memory", {"command": "rename", "path": "human", "new_path": "user"}),
        ("memory", {"command": "delete", "path": "nope"}),
        ("memory_apply_patch", {"label": "user", "patch": "-tea\n+milk\n*** Add Block: notes\n+one"}),
    ]
    given.advance(agent, calls(*asked), says("Done"))
    assert blocks(agent) == {"user": "milk", "plans": "rest\nand eat", "notes": "one"}
    user = Block.objects.get(label="user")
    assert (user.version, user.last_updated_by_id) == (2, agent.id)


def test_a_renamed_block_is_the_same_block_with_the_same_version() -> None:
    agent = given.agent("memory", human="tea")
    before = Block.objects.get()
    does(agent, command="rename", path="/memories/human", new_path="/memories/user")
    after = Block.objects.get()
    assert (after.id, after.label, after.version) == (before.id, "user", before.version)


def test_a_deleted_block_is_given_up_and_still_there_for_people() -> None:
    agent = given.agent("memory", human="tea")
    does(agent, command="delete", path="human")
    assert blocks(agent) == {}
    assert Block.objects.get().value == "tea"


def test_a_shared_block_that_one_agent_deletes_stays_with_the_others() -> None:
    agent = given.agent("memory", human="tea")
    other = given.agent(organization=agent.organization, block_ids=[])
    shared = create_block(agent.organization_id, label="team", value="both")
    attach_blocks(agent, [shared])
    attach_blocks(other, [shared])
    assert does(agent, command="delete", path="team").startswith("Deleted")
    assert "team" not in blocks(agent)
    assert blocks(other)["team"] == "both"


def test_a_shared_block_keeps_the_label_that_others_know() -> None:
    agent = given.agent("memory")
    other = given.agent(organization=agent.organization)
    shared = create_block(agent.organization_id, label="team", value="both")
    attach_blocks(agent, [shared])
    attach_blocks(other, [shared])
    assert "Other agents have block 'team'" in does(agent, command="rename", path="team", new_path="mine")
    assert "team" in blocks(other)
    AgentBlock.objects.filter(agent=other, block=shared).delete()
    does(agent, command="rename", path="team", new_path="mine")
    assert blocks(agent)["mine"] == "both"


def test_a_read_only_block_is_neither_deleted_nor_renamed_by_its_agent() -> None:
    agent = given.agent("memory", human="tea")
    Block.objects.update(read_only=True)
    assert "read-only" in does(agent, command="delete", path="human")
    assert "read-only" in does(agent, command="rename", path="human", new_path="user")
    assert blocks(agent) == {"human": "tea"}


def test_a_conversation_sees_the_block_that_another_made_meanwhile() -> None:
    """Its step was loaded before that."""
    agent = given.agent("memory")
    create_conversation(agent)
    given.said(agent)
    turn = given.claimed(agent)
    tools = CommitTools(turn, equipped(given.place(agent)))
    append = given.admitted(turn, "core_memory_append", label="human", content="x")
    create = given.admitted(turn, "memory", command="create", path="plans", file_text="mine")
    with transaction.atomic():
        tools.run(append)  # now it has read its blocks
        attach_blocks(agent, [create_block(agent.organization_id, label="plans", value="theirs")])
        assert "'plans' already" in tools.run(create).text
        tools.save()
    assert blocks(agent)["plans"] == "theirs"


def test_a_conversations_own_copy_is_edited_there_and_neither_deleted_nor_renamed() -> None:
    agent = given.agent("memory", human="tea")
    place = create_conversation(agent, isolated=["human"])
    accept(place, given.offer())
    asked = [
        ("memory", {"command": "delete", "path": "human"}),
        ("memory", {"command": "rename", "path": "human", "new_path": "user"}),
        ("memory", {"command": "insert", "path": "human", "insert_text": "milk"}),
        ("memory", {"command": "create", "path": "plans", "file_text": "rest"}),
    ]
    turn = claim(place.id, "worker-1", given.LONG)
    assert turn is not None
    advance(turn, given.Outfit(Script(calls(*asked))), Abort())
    returns = Message.objects.filter(conversation=place, role="tool").order_by("seq").values_list("text", flat=True)
    assert ["own copy" in text for text in returns] == [True, True, False, False]
    assert blocks(agent) == {"human": "tea", "plans": "rest"}
    assert Block.objects.get(id__in=place.isolated_blocks.values()).value == "tea\nmilk"


def test_an_agent_that_keeps_memory_ends_its_turn_when_it_has_finished() -> None:
    agent = given.agent(agent_type="sleeptime_agent", include_base_tools=True, human="tea")
    run = given.said(agent)
    given.advance(
        agent, calls(("memory_rethink", {"label": "human", "new_memory": "milk"}), ("memory_finish_edits", {}))
    )
    assert given.ended(run) == ("completed", "tool_rule", None)
    assert blocks(agent) == {"human": "milk"}
