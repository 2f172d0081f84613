"""Models of the providers that are known by name, each with nothing but a base URL; and the list of all models."""

from collections.abc import Iterator

import pytest

from agents.llm.provider import KNOWN
from tests.fakellm import FakeLLM
from tests.live import Server, call, turn


@pytest.fixture(scope="module")
def providing(tmp_path_factory: pytest.TempPathFactory, llm: FakeLLM) -> Iterator[Server]:
    """A server that has been told of all of them."""
    urls = {f"{known.prefix}_BASE_URL": llm.url for known in KNOWN}
    with Server(tmp_path_factory.mktemp("providing"), llm, **urls) as running:
        yield running


@pytest.mark.parametrize("name", [known.name for known in KNOWN])
def test_a_turn_with_a_tool(providing: Server, name: str, tmp_path) -> None:
    agent = providing.agent("set_lamp", model=f"{name}/fake-1")
    text = turn(call("set_lamp", folder=tmp_path), f"!say lit by {name}")
    answer = providing.client().agents.messages.create(agent, input=text)
    assert answer.messages[-1].content == f"lit by {name}"
    assert (tmp_path / "lit").exists()
    [step, _] = providing.client().runs.steps.list(answer.messages[0].run_id).items
    assert (step.provider_name, step.api_model_handle) == (name, f"{name}/fake-1")


def test_the_list_of_models(providing: Server) -> None:
    """The first to ask waits for the providers' answers."""
    models = providing.client().models.list()
    wanted = {f"{known.name}/fake-{number}" for known in KNOWN for number in (1, 2)}
    assert wanted < {model.handle for model in models}
    [one] = [model for model in models if model.handle == "groq/fake-2"]
    assert (one.name, one.provider_name, one.provider_type, one.api_model_type) == ("fake-2", "groq", "groq", "llm")
    assert {model.provider_name for model in providing.client().models.list(provider_type="xai")} == {"xai"}
    for model in models:
        assert providing.client().agents.create(model=model.handle).model == model.handle
