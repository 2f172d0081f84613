"""The routes of the API as the resolver has them, each by the one spelling that clients use."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.admindocs.views import simplify_regex

from agents.api import urls
from agents.api.not_served import NotServedHere

PREFIX = "/v1/"


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
    for pattern in urls.urlpatterns:
        regex = str(pattern.pattern)
        yield Route(_path(regex), regex, pattern.callback)


def _path(regex: str) -> str:
    """Collections end in a slash and other paths do not: so letta-client has it. The server takes both."""
    path = re.sub(r"<(\w+)>", r"{\1}", simplify_regex(regex)).strip("/")
    return PREFIX + (path if "/" in path else f"{path}/")
