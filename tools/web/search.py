"""Search engines, as data: how each is asked, and what its answer means in our words."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from tools.abort import Abort
from tools.guard import Guard, origin
from tools.spec import ToolError
from tools.web.client import Request, fetch

MOST_RESULTS = 20
TEXT_CHARS = 30_000
"""Of the texts of all results together."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for. Dates are ISO 8601; `country` has two letters."""

    words: str
    number: int = 10
    category: str | None = None
    include_text: bool = False
    include_domains: tuple[str, ...] = ()
    exclude_domains: tuple[str, ...] = ()
    after: str | None = None
    before: str | None = None
    country: str | None = None

    def asked(self) -> set[str]:
        """Which of the wishes that not every engine can fulfil it has."""
        wishes = {
            "category": self.category,
            "include_text": self.include_text,
            "published_date": self.after or self.before,
            "user_location": self.country,
        }
        return {name for name, wish in wishes.items() if wish}


@dataclass(frozen=True, slots=True)
class Engine:
    """`request` makes the request of a query, the key and the address.

    names     what it calls `published_date`, `author`, `snippet` and `text` in a result; `url` and `title` all know
    can       the wishes of a query that it fulfils
    key, url  the variables with its key and its address; `home` is the address where none is set
    place     where the results are in its answer
    """

    name: str
    request: Callable[[Query, str, str], Request]
    names: Mapping[str, str]
    can: frozenset[str]
    key: str = ""
    url: str = ""
    home: str = ""
    place: tuple[str, ...] = ("results",)

    def results(self, answer: Any) -> list[dict[str, Any]]:
        *outer, last = self.place
        for name in outer:
            answer = answer.get(name) or {last: []}  # Brave leaves it out where it found nothing
        return [self._result(found) for found in answer[last]]

    def _result(self, found: Mapping[str, Any]) -> dict[str, Any]:
        values = {"title": found.get("title"), "url": str(found["url"])}
        values |= {name: _line(found.get(theirs)) for name, theirs in self.names.items()}
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class Configured:
    engine: Engine
    key: str = field(repr=False)
    url: str


def configured(variables: Mapping[str, str]) -> Configured | None:
    """The first engine of the table that has what it needs: its key, or its address where it takes no key."""
    for engine in ENGINES:
        if variables.get(engine.key or engine.url):
            url = variables.get(engine.url) or engine.home
            return Configured(engine, variables.get(engine.key, ""), url.rstrip("/"))
    return None


def search(chosen: Configured, query: Query, guard: Guard, abort: Abort | None = None) -> dict[str, Any]:
    """Raises ToolError."""
    engine = chosen.engine
    _, host, port = origin(chosen.url)
    # Whoever set the address meant it.
    trusting = Guard((*guard.allowed, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"), guard.setting)
    answer = fetch(engine.request(query, chosen.key, chosen.url), trusting, abort)
    if answer.status != 200:
        raise ToolError(f"The search engine {engine.name} refused the search (HTTP {answer.status}).")
    try:
        results = engine.results(json.loads(answer.body))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ToolError(f"The answer of the search engine {engine.name} cannot be read.") from None
    wanted = [result for result in results if _is_wanted(result["url"], query)][: query.number]
    for result in wanted:
        _cut_text(result, TEXT_CHARS // len(wanted) if query.include_text else 0)
    left_out = sorted(query.asked() - engine.can)
    return {"query": query.words, "results": wanted} | ({"not_supported": left_out} if left_out else {})


def _line(value: Any) -> Any:
    return " … ".join(value) if isinstance(value, list) else value


def _cut_text(result: dict[str, Any], limit: int) -> None:
    text = result.pop("text", None)
    if text and limit:
        result["text"] = str(text)[:limit]


def _is_wanted(url: str, query: Query) -> bool:
    """Engines take domains for a wish."""
    host = (urlsplit(url).hostname or "").lower()
    if any(_is_under(host, domain) for domain in query.exclude_domains):
        return False
    return not query.include_domains or any(_is_under(host, domain) for domain in query.include_domains)


def _is_under(host: str, domain: str) -> bool:
    domain = domain.lower().strip().removeprefix("*.").lstrip(".")
    return host == domain or host.endswith(f".{domain}")


def _words_with_sites(query: Query) -> str:
    """The words with the domains in the way that most engines understand."""
    included = " OR ".join(f"site:{domain}" for domain in query.include_domains)
    excluded = (f"-site:{domain}" for domain in query.exclude_domains)
    return " ".join(part for part in (query.words, included, *excluded) if part)


def _post(url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Request:
    given = {name: value for name, value in body.items() if value not in (None, (), [])}
    return Request(url, {"Content-Type": "application/json", **headers}, json.dumps(given).encode(), redirects=0)


def _get(url: str, fields: Mapping[str, Any], headers: Mapping[str, str]) -> Request:
    given = {name: value for name, value in fields.items() if value is not None}
    return Request(f"{url}?{urlencode(given)}", {"Accept": "application/json", **headers}, redirects=0)


def _ask_exa(query: Query, key: str, url: str) -> Request:
    body = {
        "query": query.words,
        "type": "auto",
        "numResults": query.number,
        "category": query.category,
        "includeDomains": query.include_domains,
        "excludeDomains": query.exclude_domains,
        "startPublishedDate": query.after,
        "endPublishedDate": query.before,
        "userLocation": query.country,
        "contents": {"highlights": True} | ({"text": True} if query.include_text else {}),
    }
    return _post(f"{url}/search", body, {"x-api-key": key})


def _ask_tavily(query: Query, key: str, url: str) -> Request:
    body = {
        "query": query.words,
        "max_results": query.number,
        "topic": "news" if query.category == "news" else "general",
        "include_raw_content": "text" if query.include_text else None,
        "include_domains": query.include_domains,
        "exclude_domains": query.exclude_domains,
        "start_date": query.after and query.after[:10],
        "end_date": query.before and query.before[:10],
    }
    return _post(f"{url}/search", body, {"Authorization": f"Bearer {key}"})


def _ask_brave(query: Query, key: str, url: str) -> Request:
    dates = f"{(query.after or '1970-01-01')[:10]}to{(query.before or '2100-01-01')[:10]}"
    fields = {
        "q": _words_with_sites(query),
        "count": query.number,
        "country": query.country,
        "freshness": dates if query.after or query.before else None,
    }
    return _get(f"{url}/res/v1/web/search", fields, {"X-Subscription-Token": key})


def _ask_searxng(query: Query, key: str, url: str) -> Request:
    fields = {
        "q": _words_with_sites(query),
        "format": "json",
        "categories": {"news": "news", "research paper": "science"}.get(query.category or "", "general"),
    }
    return _get(f"{url}/search", fields, {})


ENGINES = (
    Engine(
        "Exa",
        _ask_exa,
        {"published_date": "publishedDate", "author": "author", "snippet": "highlights", "text": "text"},
        frozenset({"category", "include_text", "published_date", "user_location"}),
        key="EXA_API_KEY",
        url="EXA_BASE_URL",
        home="https://api.exa.ai",
    ),
    Engine(
        "Tavily",
        _ask_tavily,
        {"published_date": "published_date", "snippet": "content", "text": "raw_content"},
        frozenset({"include_text", "published_date"}),
        key="TAVILY_API_KEY",
        url="TAVILY_BASE_URL",
        home="https://api.tavily.com",
    ),
    Engine(
        "Brave",
        _ask_brave,
        {"published_date": "page_age", "snippet": "description"},
        frozenset({"published_date", "user_location"}),
        key="BRAVE_API_KEY",
        url="BRAVE_BASE_URL",
        home="https://api.search.brave.com",
        place=("web", "results"),
    ),
    Engine(
        "SearXNG",
        _ask_searxng,
        {"published_date": "publishedDate", "snippet": "content"},
        frozenset(),
        url="SEARXNG_URL",
    ),
)
VARIABLES = tuple(name for engine in ENGINES for name in (engine.key, engine.url) if name)
NONE_CONFIGURED = (
    "No search engine is set up on this server. An admin can set one of "
    f"{', '.join(engine.key or engine.url for engine in ENGINES)}."
)
