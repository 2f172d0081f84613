"""How a model is asked, in all the forms in which clients say it: saying one thing loses nothing that is stored."""

import pytest

from agents.models import Agent

STORED = {"temperature": 0.2, "thinking": {"type": "enabled", "budget_tokens": 2_000}, "verbosity": "low"}
JSON = {"type": "json_object"}


def stored(agent):
    return Agent.objects.get(id=agent["id"])


def patched(acme, agent, **fields):
    acme.patch(f"agents/{agent['id']}", fields)
    return stored(agent)


# The single fields


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        ({"max_tokens": 66}, {"max_output_tokens": 66}),
        ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
        ({"reasoning": False}, {"thinking": {"type": "disabled"}}),
        ({"enable_reasoner": True}, {}),
        ({"max_reasoning_tokens": 5_000}, {"thinking": {"type": "enabled", "budget_tokens": 5_000}}),
        ({"enable_reasoner": False, "reasoning": True}, {"thinking": {"type": "disabled"}}),
        ({"response_format": JSON}, {}),
        ({"max_tokens": None}, {}),
    ],
)
def test_a_single_field_leaves_the_other_settings_alone(acme, fields, changed):
    agent = acme.agent(model_settings=STORED)
    assert patched(acme, agent, **fields).model_settings == STORED | changed


def test_a_budget_for_thoughts_that_are_off_turns_nothing_on(acme):
    assert patched(acme, acme.agent(), max_reasoning_tokens=5_000).model_settings == {}


def test_whole_settings_take_the_place_of_the_stored_ones(acme):
    agent = acme.agent(model_settings=STORED)
    settings = {"temperature": 0.9, "max_output_tokens": 10}
    assert patched(acme, agent, model_settings=settings, max_tokens=66).model_settings == settings
    assert patched(acme, agent, model_settings={}).model_settings == {}


# llm_config


CONFIG = {
    "model": "scripted",
    "model_endpoint_type": "openai",
    "handle": "demo/scripted",
    "context_window": 9_000,
    "temperature": 0.3,
    "max_tokens": 500,
    "enable_reasoner": True,
    "max_reasoning_tokens": 3_000,
    "reasoning_effort": "low",
    "parallel_tool_calls": False,
    "response_format": JSON,
}
TAKEN = {
    "temperature": 0.3,
    "max_output_tokens": 500,
    "thinking": {"type": "enabled", "budget_tokens": 3_000},
    "reasoning": {"reasoning_effort": "low"},
    "parallel_tool_calls": False,
}


def test_an_llm_config_says_how_the_model_is_asked(acme):
    made = acme.post("agents/", {"llm_config": CONFIG, "include_base_tools": False})
    agent = stored(made)
    assert (agent.model, agent.context_window_limit, agent.response_format) == ("demo/scripted", 9_000, JSON)
    assert agent.model_settings == TAKEN
    assert {name: made["llm_config"][name] for name in CONFIG} == CONFIG


def test_an_llm_config_in_a_change_leaves_what_it_does_not_name(acme):
    agent = patched(acme, acme.agent(model_settings=STORED), llm_config={"temperature": 0.5, "context_window": 8_000})
    assert (agent.model_settings, agent.context_window_limit) == (STORED | {"temperature": 0.5}, 8_000)


def test_newer_fields_of_the_same_request_win(acme):
    settings, newer = {"temperature": 0.9}, {"max_tokens": 7, "context_window_limit": 5_000}
    made = acme.agent(llm_config=CONFIG, model_settings=settings, response_format={"type": "text"}, **newer)
    agent = stored(made)
    assert agent.model_settings == TAKEN | settings | {"max_output_tokens": 7}
    assert (agent.context_window_limit, agent.response_format) == (5_000, {"type": "text"})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"model_settings": STORED | {"response_format": JSON}},
        {"context_window_limit": 9_000, "response_format": JSON},
        {"model_settings": {"reasoning": {"reasoning_effort": "high"}, "max_output_tokens": 5, "strict": True}},
        {"model_settings": {"temperature": "hot", "thinking": {"type": "enabled"}}},
    ],
)
def test_an_agents_own_llm_config_sent_back_changes_nothing(acme, fields):
    made = acme.agent(**fields)
    before = stored(made)
    after = patched(acme, made, llm_config=made["llm_config"])
    same = ("model", "model_settings", "context_window_limit", "response_format")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]


def test_a_listed_model_freezes_no_defaults(acme):
    [listed] = [model for model in acme.get("models/") if model["handle"] == "demo/scripted"]
    agent = stored(acme.post("agents/", {"llm_config": listed, "include_base_tools": False}))
    assert (agent.model, agent.model_settings, agent.context_window_limit) == ("demo/scripted", {}, None)


def test_the_window_of_the_model_itself_goes_with_the_model(acme):
    agent = acme.agent(context_window_limit=9_000)
    config = agent["llm_config"] | {"handle": "demo/gpt-4o", "model": "gpt-4o", "context_window": 128_000}
    changed = patched(acme, agent, llm_config=config)
    assert (changed.model, changed.context_window_limit) == ("demo/gpt-4o", None)


def test_a_window_without_a_model_is_for_the_default_model(acme):
    made = acme.post("agents/", {"llm_config": {"context_window": 32_768}, "include_base_tools": False})
    assert (made["llm_config"]["context_window"], stored(made).context_window_limit) == (32_768, 32_768)


def test_of_a_config_sent_back_with_another_model_the_new_name_counts(acme):
    agent = acme.agent()
    assert patched(acme, agent, llm_config=agent["llm_config"] | {"model": "other"}).model == "demo/other"
    assert patched(acme, agent, llm_config={"handle": "demo/scripted"}).model == "demo/scripted"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("context_window", 0),
        ("temperature", "nan"),
        ("temperature", 3),
        ("max_tokens", "many"),
        ("reasoning_effort", "huge"),
        ("parallel_tool_calls", "perhaps"),
        ("response_format", "json"),
    ],
)
def test_a_config_that_says_nonsense_is_refused(acme, name, value):
    agent = acme.agent()
    [problem] = acme.refused(422, "PATCH", f"agents/{agent['id']}", {"llm_config": {name: value}})
    assert problem["loc"] == ["body", "llm_config", name]
    acme.refused(422, "POST", "agents/", {"llm_config": {"handle": "demo/scripted", name: value}})


# response_format


def shown(acme, agent):
    now = acme.get(f"agents/{agent['id']}")
    return [now["response_format"], now["model_settings"]["response_format"], now["llm_config"]["response_format"]]


@pytest.mark.parametrize("fields", [{"response_format": JSON}, {"model_settings": {"response_format": JSON}}])
def test_the_response_format_in_force_is_shown_everywhere(acme, fields):
    agent = acme.agent(**fields)
    assert shown(acme, agent) == [JSON] * 3
    assert shown(acme, acme.agent()) == [None] * 3
    acme.patch(f"agents/{agent['id']}", {"response_format": None})
    assert shown(acme, agent) == [JSON] * 3


@pytest.mark.parametrize("before", [{"response_format": JSON}, {"model_settings": {"response_format": JSON}}])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"response_format": {"type": "text"}}, {"type": "text"}),
        ({"model_settings": {"response_format": {"type": "text"}}}, {"type": "text"}),
        ({"model_settings": {"response_format": None}}, None),
        ({"llm_config": {"response_format": {"type": "text"}}}, {"type": "text"}),
    ],
)
def test_the_response_format_that_was_set_last_counts(acme, before, change, expected):
    agent = acme.agent(**before)
    acme.patch(f"agents/{agent['id']}", change)
    assert shown(acme, agent) == [expected] * 3


# Settings of another provider


def test_settings_of_another_provider_are_taken_as_far_as_they_go(acme):
    settings = {"provider_type": "anthropic", "temperature": 0.4, "thinking": {"type": "disabled"}}
    made = acme.agent(model_settings=settings)
    assert made["model_settings"]["provider_type"] == "openai"
    assert (made["model_settings"]["temperature"], made["model_settings"]["thinking"]) == (0.4, {"type": "disabled"})


def test_the_provider_type_is_that_of_the_model_as_it_is_now(acme):
    agent = acme.agent(model_settings={"provider_type": "openai", "temperature": 0.4})
    Agent.objects.update(model="anthropic/claude-haiku-4-5")
    assert acme.get(f"agents/{agent['id']}")["model_settings"]["provider_type"] == "anthropic"
    Agent.objects.update(model="azure/gpt-4o", model_settings={"provider_type": "azure"})
    assert acme.get(f"agents/{agent['id']}")["model_settings"]["provider_type"] == "azure"
