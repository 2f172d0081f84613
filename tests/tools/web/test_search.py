"""Each search engine as it is asked and as it answers, and what a model is given of it."""

import json
from typing import Any

import pytest

from tests.tools.web.conftest import Server
from tools.guard import Guard
from tools.spec import ToolError
from tools.web.search import Query, configured, search

QUERY = Query(
    "herons",
    number=2,
    category="news",
    include_text=True,
    include_domains=("birds.example",),
    exclude_domains=("ads.birds.example",),
    after="2026-01-01",
    before="2026-02-01",
    country="GB",
)
FOUND = {"title": "Herons", "url": "https://birds.example/heron"}


def asked(site: Server, variable: str, results: Any, query: Query = QUERY, key: str = "the-key") -> dict[str, Any]:
    site.results = results
    variables = {variable: key, variable.replace("API_KEY", "BASE_URL"): site.url}
    chosen = configured(variables)
    assert chosen is not None
    return search(chosen, query, Guard())


def test_exa(site: Server) -> None:
    more = {"publishedDate": "2026-01-02", "author": "Ann", "highlights": ["tall", "birds"], "text": "A heron."}
    answer = asked(site, "EXA_API_KEY", {"results": [FOUND | more]})
    assert answer == {
        "query": "herons",
        "results": [
            FOUND | {"published_date": "2026-01-02", "author": "Ann", "snippet": "tall … birds", "text": "A heron."}
        ],
    }
    command, path, headers, body = site.asked[0]
    assert (command, path, headers["x-api-key"]) == ("POST", "/search", "the-key")
    assert json.loads(body) == {
        "query": "herons",
        "type": "auto",
        "numResults": 2,
        "category": "news",
        "includeDomains": ["birds.example"],
        "excludeDomains": ["ads.birds.example"],
        "startPublishedDate": "2026-01-01",
        "endPublishedDate": "2026-02-01",
        "userLocation": "GB",
        "contents": {"highlights": True, "text": True},
    }


def test_tavily(site: Server) -> None:
    answer = asked(site, "TAVILY_API_KEY", {"results": [FOUND | {"content": "tall", "raw_content": "A heron."}]})
    assert answer["results"] == [FOUND | {"snippet": "tall", "text": "A heron."}]
    assert answer["not_supported"] == ["category", "user_location"]
    _, path, headers, body = site.asked[0]
    assert (path, headers["Authorization"]) == ("/search", "Bearer the-key")
    assert json.loads(body)["topic"] == "news"


def test_brave(site: Server) -> None:
    answer = asked(site, "BRAVE_API_KEY", {"web": {"results": [FOUND | {"description": "tall", "page_age": "2026"}]}})
    assert answer["results"] == [FOUND | {"snippet": "tall", "published_date": "2026"}]
    assert answer["not_supported"] == ["category", "include_text"]
    assert site.asked[0][2]["X-Subscription-Token"] == "the-key"
    assert site.fields() == {
        "q": ["herons site:birds.example -site:ads.birds.example"],
        "count": ["2"],
        "country": ["GB"],
        "freshness": ["2026-01-01to2026-02-01"],
    }


def test_brave_finds_nothing(site: Server) -> None:
    assert asked(site, "BRAVE_API_KEY", {"type": "search"})["results"] == []


def test_searxng(site: Server) -> None:
    found = [FOUND | {"content": "tall", "publishedDate": None, "engine": "x"}, FOUND | {"url": "https://else.example"}]
    answer = asked(site, "SEARXNG_URL", {"results": found})
    assert answer["results"] == [FOUND | {"snippet": "tall"}]
    assert answer["not_supported"] == ["category", "include_text", "published_date", "user_location"]
    assert site.fields()["categories"] == ["news"]
    assert site.fields()["format"] == ["json"]


def test_only_what_was_wanted_is_given(site: Server) -> None:
    """Engines take domains and numbers for a wish, and give texts unasked."""
    urls = ["https://ads.birds.example/", "https://birds.example.evil/", "https://www.birds.example/1"]
    urls += [f"https://birds.example/{number}" for number in range(5)]
    answer = asked(site, "EXA_API_KEY", {"results": [{"url": url, "text": "long"} for url in urls]})
    assert [result["url"] for result in answer["results"]] == ["https://www.birds.example/1", "https://birds.example/0"]
    bare = asked(site, "EXA_API_KEY", {"results": [{"url": urls[0], "text": "long"}]}, Query("x"))
    assert bare["results"] == [{"url": urls[0]}]


def test_long_texts_share_the_room(site: Server) -> None:
    found = [{"url": f"https://birds.example/{number}", "text": "x" * 50_000} for number in range(2)]
    results = asked(site, "EXA_API_KEY", {"results": found})["results"]
    assert [len(result["text"]) for result in results] == [15_000, 15_000]


@pytest.mark.parametrize("results", [[], {}, {"results": 5}, {"results": [{}]}, {"results": ["x"]}, None])
def test_an_answer_that_makes_no_sense(site: Server, results: Any) -> None:
    with pytest.raises(ToolError, match="Exa cannot be read"):
        asked(site, "EXA_API_KEY", results)


def test_an_engine_that_refuses(site: Server) -> None:
    chosen = configured({"SEARXNG_URL": f"{site.url}/status/403?"})
    assert chosen is not None
    with pytest.raises(ToolError, match=r"SearXNG refused the search \(HTTP 403\)") as told:
        search(chosen, Query("x"), Guard())
    assert "key" not in str(told.value)


@pytest.mark.parametrize(
    ("variables", "name", "url"),
    [
        ({}, None, None),
        ({"EXA_BASE_URL": "https://x.example"}, None, None),
        ({"EXA_API_KEY": "k", "SEARXNG_URL": "http://s"}, "Exa", "https://api.exa.ai"),
        ({"BRAVE_API_KEY": "k", "BRAVE_BASE_URL": "https://proxy.example/"}, "Brave", "https://proxy.example"),
        ({"SEARXNG_URL": "http://searx.lan:8080/"}, "SearXNG", "http://searx.lan:8080"),
    ],
)
def test_which_engine_is_asked(variables: dict[str, str], name: str | None, url: str | None) -> None:
    chosen = configured(variables)
    assert (chosen and chosen.engine.name, chosen and chosen.url) == (name, url)
