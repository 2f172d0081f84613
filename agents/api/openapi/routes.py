"""The routes of the API as the resolver has them, each by the one spelling that clients use."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.admindocs.views import simplify_regex
from django.urls import URLPattern, URLResolver, get_resolver

from agents.api.not_served import NotServedHere

PREFIX = "v1/"
EITHER_FORM = "/?$"


@dataclass(frozen=True)
class Route:
    path: str
    regex: str
    view: Callable[..., Any]

    @property
    def methods(self) -> list[str]:
        """Those that its class answers; of a function it is not known."""
        kind = getattr(self.view, "cls", None)
        return [method for method in kind().allowed_methods if method != "OPTIONS"] if kind else []

    @property
    def refusal(self) -> str | None:
        """Why nothing is served here; None if something is."""
        kind = getattr(self.view, "cls", None)
        return self.view.initkwargs["reason"] if kind is NotServedHere else None  # type: ignore[attr-defined]


def routes() -> Iterator[Route]:
    """In the order in which they are tried."""
    for regex, pattern in _patterns(get_resolver().url_patterns):
        if regex.startswith(PREFIX):
            yield Route(_path(regex), regex, pattern.callback)


def _patterns(patterns: Iterable[URLPattern | URLResolver], prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        place = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, place)
        else:
            yield place, pattern


def _path(regex: str) -> str:
    """Collections end in a slash and other paths do not: so letta-client has it. The server takes both."""
    path = "/" + re.sub(r"<(\w+)>", r"{\1}", simplify_regex(regex)).strip("/")
    is_collection = regex.endswith(EITHER_FORM) and path.count("/") == 2
    return f"{path}/" if is_collection else path
