"""What a client says of the model, for an agent or for one request, reaches the provider."""

from typing import Any

import letta_client
import pytest

from tests.live import Server

FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "pet", "schema": {"type": "object", "properties": {"name": {"type": "string"}}}},
}


def asked(server: Server, agent: str, text: str, **options: Any) -> dict[str, Any]:
    """The body of the request that the provider got for this message."""
    server.client().agents.messages.create(agent, input=text, **options)
    [body] = [call["body"] for call in server.llm.calls() if call["user"] == text]
    return dict(body)


def test_an_answer_in_the_form_that_was_asked_for(server: Server) -> None:
    agent = server.agent(response_format=FORMAT)
    text = 'A pet, please.\n!say {"name": "Tabby"}'
    body = asked(server, agent, text)
    assert body["response_format"]["json_schema"]["schema"] == FORMAT["json_schema"]["schema"]
    [answer] = server.client().agents.messages.list(agent, limit=1).items
    assert answer.content == '{"name": "Tabby"}'


def test_a_form_that_is_changed_and_one_in_the_model_settings(server: Server) -> None:
    agent = server.agent(model_settings={"provider_type": "openai", "response_format": {"type": "json_object"}})
    assert asked(server, agent, "One object.")["response_format"] == {"type": "json_object"}
    server.client().agents.update(agent, response_format=FORMAT)
    assert asked(server, agent, "A pet again.")["response_format"]["type"] == "json_schema"
    server.client().agents.update(agent, response_format={"type": "text"})
    assert asked(server, agent, "No form, please.")["response_format"] == {"type": "text"}


def test_settings_of_the_model(server: Server) -> None:
    settings = {"provider_type": "openai", "temperature": 0.25, "max_output_tokens": 77, "parallel_tool_calls": False}
    agent = server.agent("conversation_search", model_settings=settings)
    body = asked(server, agent, "Settled.")
    assert (body["temperature"], body["max_tokens"], body["parallel_tool_calls"]) == (0.25, 77, False)
    shown = server.client().agents.retrieve(agent).api_model_settings
    assert (shown.temperature, shown.max_output_tokens) == (0.25, 77)


def test_reasoning_effort_of_the_agent_and_of_one_request(server: Server) -> None:
    reasoning = {"reasoning_effort": "high"}
    agent = server.agent(model_settings={"provider_type": "openai", "reasoning": reasoning})
    assert asked(server, agent, "Think hard.")["reasoning_effort"] == "high"
    assert "reasoning_effort" not in asked(server, agent, "Do not think.", enable_thinking="false")
    plain = server.agent()
    assert "reasoning_effort" not in asked(server, plain, "As you like.")
    assert asked(server, plain, "Now do think.", enable_thinking="true")["reasoning_effort"] == "medium"


def test_extended_thinking_has_its_budget_and_is_shown(server: Server) -> None:
    thinking = {"type": "enabled", "budget_tokens": 2048}
    agent = server.agent(model="anthropic/fake-1", model_settings={"provider_type": "anthropic", "thinking": thinking})
    body = asked(server, agent, "Ponder.\n!think Hm.\n!say Yes.")
    assert body["thinking"]["budget_tokens"] == 2048
    reasoning, answer = server.client().agents.messages.list(agent).items[-2:]
    assert (reasoning.reasoning, answer.content) == ("Hm.", "Yes.")


def test_the_older_fields_for_reasoning(server: Server) -> None:
    agent = server.agent(model="anthropic/fake-1", enable_reasoner=True, max_reasoning_tokens=1500)
    assert asked(server, agent, "Ponder this.")["thinking"]["budget_tokens"] == 1500
    server.client().agents.update(agent, reasoning=False)
    assert "thinking" not in asked(server, agent, "Ponder nothing.")


def test_another_model_and_another_prompt_for_one_request(server: Server) -> None:
    agent = server.agent(system="You are Ada.")
    body = asked(server, agent, f"Who is {agent}?", override_model="openai/fake-2", override_system="You are Grace.")
    assert body["model"] == "fake-2"
    assert body["messages"][0]["content"] == "You are Grace."
    body = asked(server, agent, f"And who is {agent} now?")
    assert body["model"] == "fake-1"
    assert body["messages"][0]["content"].startswith("You are Ada.")


def test_skills_of_the_client_are_shown_for_one_request(server: Server) -> None:
    agent = server.agent()
    skill = {"name": "invoices", "description": "How to write one.", "location": "skills/invoices/SKILL.md"}
    shown = asked(server, agent, "With a skill.", client_skills=[skill])["messages"][0]["content"]
    assert "- invoices (skills/invoices/SKILL.md): How to write one." in shown
    assert "invoices" not in asked(server, agent, "Without it.")["messages"][0]["content"]


@pytest.mark.parametrize("options", [{"return_logprobs": True}, {"return_token_ids": True}])
def test_what_is_not_served_is_refused_and_not_passed_over(server: Server, options: dict[str, bool]) -> None:
    client, agent = server.client(max_retries=0), server.agent()
    with pytest.raises(letta_client.InternalServerError) as caught:
        client.agents.messages.create(agent, input="hello", **options)
    assert caught.value.status_code == 501
    assert server.transcript(agent) == []


def test_switches_and_skills_of_the_wrong_kind(server: Server) -> None:
    client, agent = server.client(), server.agent()
    for options, place in (
        ({"enable_thinking": "perhaps"}, ["body", "enable_thinking"]),
        ({"client_skills": [{"name": "x"}]}, ["body", "client_skills", 0, "description"]),
    ):
        with pytest.raises(letta_client.UnprocessableEntityError) as caught:
            client.agents.messages.create(agent, input="hello", **options)
        assert caught.value.body["detail"][0]["loc"] == place
