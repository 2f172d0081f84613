"""What an agent has in its window, and its system prompt made anew."""

import pytest

from agents.errors import LLMError
from agents.models import Message, Step
from tests.agents import given
from tests.agents.loop.doubles import calls, says

OLD = "2001-01-01 01:01:01 AM UTC+0000"


@pytest.fixture
def agent(acme):
    blocks = [{"label": "human", "value": "Ann"}, {"label": "notes", "value": "<memory_metadata>"}]
    made = acme.agent(
        system="You are terse.",
        memory_blocks=blocks,
        tools=["memory_insert"],
        tool_rules=[{"type": "exit_loop", "tool_name": "memory_insert"}],
        context_window_limit=9000,
    )
    acme.post(f"agents/{made['id']}/messages/async", {"input": "Hello!"})
    given.advance(given.Agent.objects.get(), says("Hi."))
    return made["id"]


def stored():
    return Message.objects.get(seq=1).content["text"]


def aged():
    """The stored prompt, as if it had been compiled long ago."""
    row = Message.objects.get(seq=1)
    start = row.content["text"].index("recompiled: ") + len("recompiled: ")
    row.content["text"] = row.content["text"][:start] + OLD + row.content["text"][start + len(OLD) :]
    row.save()


def test_the_window_is_told_part_by_part(acme, agent):
    acme.post(f"agents/{agent}/archival-memory", {"text": "filed"})
    window = acme.get(f"agents/{agent}/context")
    assert (window["num_messages"], window["num_recall_memory"], window["num_archival_memory"]) == (3, 3, 1)
    assert window["context_window_size_max"] == 9000
    assert window["system_prompt"] == "You are terse."
    assert "Ann" in window["core_memory"]
    assert window["tool_usage_rules"].startswith("<tool_usage_rules>")
    assert window["external_memory_summary"].startswith("<memory_metadata>\n- AGENT_ID")
    parts = [window[name] for name in ("system_prompt", "core_memory", "tool_usage_rules", "external_memory_summary")]
    assert "\n\n".join(parts) == stored()
    assert [tool["function"]["name"] for tool in window["functions_definitions"]] == ["memory_insert"]
    assert [message["role"] for message in window["messages"]] == ["system", "user", "assistant"]
    assert [message["content"][0]["text"] for message in window["messages"]] == [stored(), "Hello!", "Hi."]


def test_the_tokens_add_up(acme, agent):
    window = acme.get(f"agents/{agent}/context")
    parts = {name: count for name, count in window.items() if name.startswith("num_tokens_")}
    assert sum(parts.values()) == window["context_window_size_current"]
    filled = {name.removeprefix("num_tokens_") for name, count in parts.items() if count}
    assert filled == {
        "system",
        "core_memory",
        "external_memory_summary",
        "tool_usage_rules",
        "functions_definitions",
        "messages",
    }


def test_a_summary_is_told_apart_from_the_messages(acme, agent):
    acme.post(f"agents/{agent}/messages/async", {"input": "More!"})
    row = given.Agent.objects.get()
    given.advance(row, LLMError("context_overflow", "Too long."), says("They greeted."), says("Yes."))
    window = acme.get(f"agents/{agent}/context")
    parts = {name: count for name, count in window.items() if name.startswith("num_tokens_")}
    assert window["summary_memory"] == "They greeted."
    assert parts["num_tokens_summary_memory"] > 10
    assert sum(parts.values()) == window["context_window_size_current"]


def test_what_the_provider_has_counted_is_the_measure(acme, agent):
    before = acme.get(f"agents/{agent}/context")["context_window_size_current"]
    estimated = Step.objects.get().estimated_tokens
    Step.objects.update(prompt_tokens=2 * estimated)
    assert acme.get(f"agents/{agent}/context")["context_window_size_current"] == pytest.approx(before + estimated, 0.1)
    Step.objects.update(prompt_tokens=100 * estimated)  # which cannot be
    assert acme.get(f"agents/{agent}/context")["context_window_size_current"] == before


def test_a_window_shows_what_the_next_step_would_send(acme, agent):
    acme.patch(f"agents/{agent}/core-memory/blocks/human", {"value": "Bea"})
    window = acme.get(f"agents/{agent}/context")
    assert "Bea" in window["core_memory"]
    assert "Bea" in window["messages"][0]["content"][0]["text"]
    acme.patch(f"agents/{agent}/reset-messages")
    assert acme.get(f"agents/{agent}/context")["num_messages"] == 1


def test_a_window_with_calls(acme):
    agent = acme.agent(tools=["conversation_search"])["id"]
    acme.post(f"agents/{agent}/messages/async", {"input": "Search!"})
    given.advance(given.Agent.objects.get(), calls(("conversation_search", {"query": "x"})), says("Nothing."))
    _, _, asked, returned, _ = acme.get(f"agents/{agent}/context")["messages"]
    assert asked["tool_calls"][0]["function"]["name"] == "conversation_search"
    assert returned["tool_call_id"] == asked["tool_calls"][0]["id"]


def test_a_window_with_an_answer_to_calls_that_waited(acme):
    agent = acme.agent(tools=["conversation_search"])["id"]
    approval = given.waits_for_leave(given.Agent.objects.get(), "conversation_search", "query")
    acme.post(f"approvals/{approval.id}", {"approve": True})
    given.advance(given.Agent.objects.get(), says("Done."))
    window = acme.get(f"agents/{agent}/context")
    assert "approval" in [message["role"] for message in window["messages"]]


def test_the_window_of_another_conversation(acme, agent):
    other = acme.post(f"conversations/?agent_id={agent}")["id"]
    assert acme.get(f"agents/{agent}/context?conversation_id={other}")["num_messages"] == 1
    stranger = acme.agent()["id"]
    acme.refused(404, "GET", f"agents/{stranger}/context?conversation_id={other}")


# Recompiling


def test_a_dry_run_changes_nothing(acme, agent):
    acme.patch(f"agents/{agent}/core-memory/blocks/human", {"value": "Bea"})
    before = stored()
    text = acme.post(f"agents/{agent}/recompile?dry_run=true")
    assert "Bea" in text
    assert stored() == before != text


def test_recompiled_the_prompt_is_kept_and_sent(acme, agent):
    acme.patch(f"agents/{agent}/core-memory/blocks/human", {"value": "Bea"})
    text = acme.post(f"agents/{agent}/recompile")
    assert stored() == text
    acme.post(f"agents/{agent}/messages/async", {"input": "And?"})
    script = given.advance(given.Agent.objects.get(), says("So."))
    assert script.asked[0].system == text


def test_the_time_is_updated_on_demand(acme, agent):
    aged()
    assert OLD in acme.post(f"agents/{agent}/recompile")
    assert OLD not in acme.post(f"agents/{agent}/recompile?update_timestamp=true")
    assert OLD not in stored()


def test_a_time_in_the_instructions_is_left_alone(acme, agent):
    line = "- System prompt last recompiled: never"
    acme.patch(f"agents/{agent}", {"system": line})
    aged()
    text = acme.post(f"agents/{agent}/recompile")
    assert line in text
    assert OLD in text


@pytest.mark.parametrize("name", ["dry_run", "update_timestamp"])
def test_a_flag_is_true_or_false(acme, agent, name):
    assert acme.refused(422, "POST", f"agents/{agent}/recompile?{name}=perhaps")[0]["loc"] == ["query", name]


# Core memory, and how many agents there are


def test_core_memory(acme, agent):
    memory = acme.get(f"agents/{agent}/core-memory")
    assert [block["label"] for block in memory["blocks"]] == ["human", "notes"]
    assert memory == acme.get(f"agents/{agent}?include=agent.blocks")["memory"]


def test_the_count_of_agents(acme, globex, agent):
    acme.agent(tags=["x"])
    assert acme.get("agents/count") == 2
    assert acme.get("agents/count?tags=x") == 1
    assert globex.get("agents/count") == 0
