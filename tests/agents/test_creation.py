"""Agents and conversations come into being whole."""

import pytest

from agents.creation import begin_anew, create_agent, create_conversation
from agents.errors import NotFound
from agents.models import Agent, Conversation, Inbox, Message
from memory.models import Block
from tests.agents import given

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme():
    return given.organization()


def names(agent):
    return list(agent.tools.order_by("agenttool__id").values_list("name", flat=True))


def test_an_agent_has_a_default_conversation_with_its_compiled_prompt(acme):
    agent = create_agent(acme.id, model="demo/scripted", blocks=[{"label": "human", "value": "Ann"}])
    conversation = given.place(agent)
    [system] = Message.objects.all()
    assert (system.seq, system.role, conversation.next_seq, conversation.context_from) == (1, "system", 2, 2)
    assert "Ann" in system.content["text"]
    assert Inbox.objects.get().conversation_id == conversation.id


@pytest.mark.parametrize(
    ("agent_type", "tools", "rules"),
    [
        ("letta_v1_agent", ["conversation_search", "memory_replace", "memory_insert"], 0),
        (
            "memgpt_agent",
            [
                "send_message",
                "conversation_search",
                "core_memory_append",
                "core_memory_replace",
                "memory",
                "memory_apply_patch",
            ],
            6,
        ),
        (
            "sleeptime_agent",
            ["memory_replace", "memory_insert", "memory_rethink", "memory_finish_edits"],
            1,
        ),
        ("react_agent", [], 0),
    ],
)
def test_the_type_decides_the_base_tools_and_rules(acme, agent_type, tools, rules):
    agent = create_agent(acme.id, model="demo/scripted", agent_type=agent_type)
    assert (names(agent), len(agent.tool_rules)) == (tools, rules)


def test_base_tools_and_rules_can_be_left_out(acme):
    plain = create_agent(acme.id, model="demo/scripted", agent_type="memgpt_agent", include_base_tools=False)
    unruled = create_agent(acme.id, model="demo/scripted", agent_type="memgpt_agent", include_base_tool_rules=False)
    assert (names(plain), plain.tool_rules) == ([], [])
    assert (len(names(unruled)), unruled.tool_rules) == (6, [])


def test_an_agent_without_a_name_is_given_one(acme):
    assert create_agent(acme.id, model="demo/scripted").name


@pytest.mark.parametrize("wanted", [{"tool_names": ["sing"]}, {"tool_ids": ["tool-x"]}, {"block_ids": ["block-x"]}])
def test_what_does_not_exist_leaves_nothing_behind(acme, wanted):
    with pytest.raises(NotFound):
        create_agent(acme.id, model="demo/scripted", blocks=[{"label": "human"}], **wanted)
    assert (Agent.objects.count(), Conversation.objects.count(), Block.objects.count()) == (0, 0, 0)


def test_blocks_of_another_organization_are_not_found(acme):
    block = Block.objects.create(organization=given.organization("Globex"), label="human")
    with pytest.raises(NotFound):
        create_agent(acme.id, model="demo/scripted", block_ids=[block.id])


def test_a_conversation_may_begin_with_messages(acme):
    agent = create_agent(acme.id, model="demo/scripted")
    opening = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    conversation = create_conversation(agent, opening=opening)
    rows = Message.objects.filter(conversation=conversation).order_by("seq")
    assert [(row.seq, row.role, row.text) for row in rows[1:]] == [(2, "user", "hi"), (3, "assistant", "hello")]
    assert conversation.next_seq == 4


def test_a_thread_that_begins_anew_keeps_what_was_said_out_of_context(acme):
    opening = [{"role": "user", "content": "hi"}]
    agent = create_agent(acme.id, model="demo/scripted", opening=opening)
    conversation = agent.conversations.get()
    begin_anew(conversation, agent.initial_messages)
    begin_anew(conversation, agent.initial_messages)
    rows = Message.objects.filter(conversation=conversation, seq__gt=1).order_by("seq")
    assert [(row.seq, row.text) for row in rows] == [(2, "hi"), (3, "hi"), (4, "hi")]
    assert (conversation.context_from, conversation.next_seq) == (4, 5)
