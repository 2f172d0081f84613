"""Rows as the start of a step."""

import pytest

from agents.loading import load_state
from agents.loop.state import MAX_STEPS
from agents.models import Agent, Conversation
from agents.prompt import equipped, prompt_fingerprint
from agents.specs import model_settings
from memory.models import Block
from tests.agents import given
from tests.agents.loop.doubles import says

pytestmark = pytest.mark.django_db(transaction=True)


def state(agent):
    return load_state(given.claimed(agent, lease=0), lambda handle: 32_768).state


def test_a_step_starts_from_the_agent_and_what_was_said():
    agent = given.agent("ring_bell", human="Ann")
    given.said(agent, "one")
    given.advance(agent, says("1"))
    given.said(agent, "two")
    found = state(agent)
    assert [(said.role, said.content) for said in found.history] == [
        ("user", "one"),
        ("assistant", "1"),
        ("user", "two"),
    ]
    assert [tool.name for tool in found.tools] == ["ring_bell"]
    assert (found.handle, found.no, found.max_steps, found.recorded) == ("demo/scripted", 1, MAX_STEPS, None)
    assert "Ann" in found.system


def test_options_of_the_run_come_first():
    agent = given.agent()
    given.said(agent, options={"override_model": "openai/x", "override_system": "Be brief.", "max_steps": 2})
    found = state(agent)
    assert (found.handle, found.system, found.max_steps) == ("openai/x", "Be brief.", 2)


def test_a_conversation_may_have_a_model_of_its_own():
    agent = given.agent()
    Conversation.objects.update(model="anthropic/y")
    given.said(agent)
    assert state(agent).handle == "anthropic/y"


def test_the_answers_form_is_the_conversations_own_before_the_agents():
    agent, text, json = given.agent(response_format={"type": "text"}), {"type": "text"}, {"type": "json_object"}
    given.said(agent)
    assert state(agent).settings.response_format == text
    Conversation.objects.update(model_settings={"temperature": 0.5})
    assert state(agent).settings.response_format == text
    Conversation.objects.update(model_settings={"response_format": json})
    assert state(agent).settings.response_format == json


def test_what_left_the_context_is_not_loaded():
    agent = given.agent()
    given.said(agent, "one")
    given.advance(agent, says("1"))
    Conversation.objects.update(context_from=given.place(agent).next_seq)
    given.said(agent, "two")
    assert [said.content for said in state(agent).history] == ["two"]


@pytest.mark.parametrize(
    "change",
    [
        lambda agent: Block.objects.update(value="Bob"),
        lambda agent: Block.objects.update(limit=7),
        lambda agent: Block.objects.update(read_only=True),
        lambda agent: Block.objects.update(description="Who?"),
        lambda agent: Agent.objects.update(system="Be brief."),
        lambda agent: Agent.objects.update(agent_type="memgpt_agent"),
        lambda agent: Agent.objects.update(tool_rules=[{"type": "exit_loop", "tool_name": "look"}]),
    ],
)
def test_what_the_prompt_is_made_of_changes_its_fingerprint(change):
    agent = given.agent(human="Ann")
    before = prompt_fingerprint(equipped(agent.conversations.get()))
    assert prompt_fingerprint(equipped(agent.conversations.get())) == before
    change(agent)
    assert prompt_fingerprint(equipped(agent.conversations.get())) != before


def test_what_is_no_part_of_the_prompt_does_not():
    agent = given.agent()
    before = prompt_fingerprint(equipped(agent.conversations.get()))
    Agent.objects.update(name="Other", model="openai/x", tags=["a"], metadata={"a": 1})
    assert prompt_fingerprint(equipped(agent.conversations.get())) == before


@pytest.mark.parametrize(
    ("given_settings", "name", "expected"),
    [
        ({"temperature": 0.2}, "temperature", 0.2),
        ({"reasoning": {"reasoning_effort": "high"}}, "reasoning_effort", "high"),
        ({"effort": "low"}, "reasoning_effort", "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, "thinking_budget", 2048),
        ({"thinking": {"type": "disabled", "budget_tokens": 2048}}, "thinking_budget", None),
        ({}, "max_output_tokens", None),
    ],
)
def test_model_settings_of_every_provider(given_settings, name, expected):
    assert getattr(model_settings(given_settings), name) == expected
