"""Tools that an admin has to allow something for: packages from a folder of wheels, and a page of the neighbourhood."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakellm import FakeLLM
from tests.live import Server
from tests.live.waiting import wait_until
from tests.tools.test_packages import SOURCE, make_wheel
from tests.tools.web.conftest import Server as Site
from tests.tools.web.conftest import _serving, site
from tools.sandbox import Level, detect

__all__ = ["_serving", "site"]  # fixtures


@pytest.fixture(scope="module")
def allowing(llm: FakeLLM, _serving: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose admin allows both, and has a search engine."""
    wheels = tmp_path_factory.mktemp("wheels")
    make_wheel(wheels, "1.0", "hello from a wheel")
    allowed = {
        "PERDURE_TOOL_PACKAGES": "1",
        "PERDURE_TOOL_PACKAGE_INDEX": str(wheels),
        "PERDURE_WEB_PRIVATE_HOSTS": _serving.place,
        "SEARXNG_URL": _serving.url,
    }
    with Server(tmp_path_factory.mktemp("allowing"), llm, **allowed) as running:
        yield running


def returned(server: Server, agent: str, name: str, **arguments: Any) -> str:
    """What the model is told of one call."""
    said = server.client().agents.messages.create(agent, input=f"Go.\n!call {name} {json.dumps(arguments)}")
    [answer] = [message for message in said.messages if message.message_type == "tool_return_message"]
    return str(answer.tool_return)


@pytest.mark.skipif(detect().level < Level.FILTERED, reason="this machine cannot lock tools in")
def test_a_tool_with_a_package_is_installed_when_it_is_saved_and_called_later(allowing: Server) -> None:
    client = allowing.client()
    tool = client.tools.create(source_code=SOURCE, pip_requirements=[{"name": "wheelmade", "version": "1.0"}])

    def state() -> str:
        return str(client.tools.retrieve(tool.id).metadata["packages"]["state"])

    wait_until(lambda: state() not in ("waiting", "building"))
    assert state() == "ready"
    agent = allowing.agent(tool_ids=[tool.id])
    assert returned(allowing, agent, "greeting") == "hello from a wheel"


def test_an_agent_reads_a_page_and_searches(allowing: Server, site: Site) -> None:
    site.results = {"results": [{"title": "Herons", "url": f"{site.url}/"}]}
    agent = allowing.agent(tools=["fetch_webpage", "web_search"])
    found = json.loads(returned(allowing, agent, "web_search", query="herons"))
    assert returned(allowing, agent, "fetch_webpage", url=found["results"][0]["url"]).startswith("# On herons")
    refused = returned(allowing, agent, "fetch_webpage", url=allowing.web.url)
    assert "may not be reached" in refused
