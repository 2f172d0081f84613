"""The tools of the web, called as a model calls them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from agents.loop.ports import Abort
from tests.tools.web.conftest import Server
from tools import registry


@pytest.fixture
def allowed(site: Server, settings: Any) -> Server:
    settings.WEB_PRIVATE_HOSTS = [site.place]
    return site


def test_a_page_is_read(allowed: Server, call: Any, make_context: Any) -> None:
    returned = call("fetch_webpage", make_context(), url=allowed.url)
    assert (returned.status, returned.text.startswith("# On herons")) == ("success", True)
    assert call("fetch_webpage", make_context(), url=f" {allowed.url}/json ").text == '{"a": [1, 2]}'


def test_a_long_page_is_cut(allowed: Server, call: Any, make_context: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("tools.builtin.web.readable", lambda page: "x" * 60_000)
    text = call("fetch_webpage", make_context(), url=allowed.url).text
    assert "truncated since it exceeded the character limit: 60000 > 50000" in text


@pytest.mark.parametrize(
    ("path", "told"), [("/status/500", "HTTP 500"), ("/nope", "HTTP 404"), ("/picture", "image/png, and no text")]
)
def test_a_page_that_cannot_be_read(allowed: Server, call: Any, make_context: Any, path: str, told: str) -> None:
    returned = call("fetch_webpage", make_context(), url=f"{allowed.url}{path}")
    assert (returned.status, returned.stderr) == ("error", None)
    assert told in returned.text


def test_the_loopback_is_not_the_web(site: Server, call: Any, make_context: Any) -> None:
    returned = call("fetch_webpage", make_context(), url=site.url)
    assert returned.status == "error"
    assert f"An admin can allow it: PERDURE_WEB_PRIVATE_HOSTS={site.place}" in returned.text
    assert site.asked == []


def test_reading_is_stopped_with_the_run(allowed: Server, call: Any, make_context: Any) -> None:
    abort = Abort()
    abort.press("cancelled")
    returned = call("fetch_webpage", replace(make_context(), abort=abort), url=allowed.url)
    assert returned.text == "The request was stopped before it was answered."


def test_a_search(site: Server, settings: Any, call: Any, make_context: Any) -> None:
    """The address of the engine is the admin's own, and need not be allowed besides."""
    settings.SEARCH_SETTINGS = {"SEARXNG_URL": site.url}
    site.results = {"results": [{"title": "Herons", "url": "https://birds.example/heron"}]}
    returned = call(
        "web_search", make_context(), query="herons", num_results=0, start_published_date="2026-01-01T10:00"
    )
    assert json.loads(returned.text) == {
        "query": "herons",
        "results": [{"title": "Herons", "url": "https://birds.example/heron"}],
        "not_supported": ["published_date"],
    }


def test_a_day_that_is_none(settings: Any, call: Any, make_context: Any) -> None:
    settings.SEARCH_SETTINGS = {"SEARXNG_URL": "http://127.0.0.1:1"}
    returned = call("web_search", make_context(), query="x", end_published_date="yesterday")
    assert returned.text == "'yesterday' is not a day. Write it as 2026-01-15."


def test_without_an_engine_it_is_not_there_and_says_why(settings: Any, call: Any, make_context: Any) -> None:
    settings.SEARCH_SETTINGS = {}
    assert "web_search" not in [tool.spec.name for tool in registry.registered()]
    assert "EXA_API_KEY" in registry.absent()["web_search"]
    returned = call("web_search", make_context(), query="x")
    assert (returned.status, "No search engine is set up" in returned.text) == ("error", True)
    settings.SEARCH_SETTINGS = {"EXA_API_KEY": "k"}
    assert "web_search" in [tool.spec.name for tool in registry.registered()]


@pytest.mark.parametrize("name", ["fetch_webpage", "web_search"])
def test_they_run_outside_of_transactions_and_may_be_repeated(name: str) -> None:
    registry.load()
    found = registry.find(name)
    assert found is not None
    assert (found.spec.effect, found.spec.idempotent, found.spec.parallel, found.tool_type) == (
        "read",
        True,
        True,
        "letta_builtin",
    )
