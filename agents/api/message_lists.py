"""Lists of messages: pages of what is stored, shown as the objects that a client wants to see."""

from collections.abc import Callable, Mapping

from django.db.models import Q, QuerySet
from django.http import QueryDict

from agents.api.pages import Wanted, asked_order, newest_page, page
from agents.api.requests import check_known
from agents.models import Message
from agents.wire import TYPES, View, Wire, shown

PAGE = 100


def types_asked(query: QueryDict) -> list[str]:
    """Raises InvalidRequest for a type that there is not."""
    types = query.getlist("include_return_message_types")
    check_known(types, TYPES, ["query", "include_return_message_types"])
    return types


def newest(rows: QuerySet[Message], query: Mapping[str, str], view: View, key: tuple[str, ...]) -> list[Wire]:
    """Without an order: the newest page, oldest first; `after` means newer and `before` older."""
    return _listed(lambda wanted: newest_page(rows, query, key=key, limit=PAGE, wanted=wanted), query, view)


def of_turn(rows: QuerySet[Message], query: Mapping[str, str], view: View) -> list[Wire]:
    """Messages of a run or a step, oldest first."""
    return _listed(lambda wanted: page(rows, query, key=("seq",), limit=PAGE, order="asc", wanted=wanted), query, view)


def _listed(page_of: Callable[[Wanted | None], list[Message]], query: Mapping[str, str], view: View) -> list[Wire]:
    """A client that goes through the pages stops at an empty one, so none is before the end of the list."""
    show = _shown_backwards if asked_order(query) == "desc" else shown
    rows = page_of(_wanted(view) if view.types else None)
    items = show(rows, view)
    if rows and not items:
        items = show(page_of(_wanted(view)), view)
    return items


def _shown_backwards(rows: list[Message], view: View) -> list[Wire]:
    """The newest first, also among the objects of one message."""
    return shown(reversed(rows), view)[::-1]


def _wanted(view: View) -> Wanted:
    """The messages that show as something of the view's types."""
    condition = Q()
    for type in view.types or ():
        condition |= _STORED[type](view)
    return Wanted(condition, lambda message: bool(shown([message], view)))


def _of_role(*roles: str) -> Callable[[View], Q]:
    return lambda view: Q(role__in=roles)


def _holding(*names: str) -> Callable[[View], Q]:
    """What a model said, where one of these lists of its content has something in it."""
    some = Q()
    for name in names:
        some |= Q(**{f"content__{name}__0__isnull": False})
    return lambda view: Q(role="assistant") & some


def _spoken(view: View) -> Q:
    speech = Q(content__text__isnull=False) & ~Q(content__text="")
    if view.speech_tool:
        speech |= Q(content__calls__contains=[{"name": view.speech_tool}])
    return Q(role="assistant") & speech


# Where objects of a type may come from: no less than what agents/wire.py makes them of, and sometimes more.
_STORED: dict[str, Callable[[View], Q]] = {
    "system_message": _of_role("system"),
    "user_message": _of_role("user", "summary"),
    "assistant_message": _spoken,
    "reasoning_message": _holding("reasoning", "calls"),
    "hidden_reasoning_message": _holding("reasoning"),
    "tool_call_message": _holding("calls"),
    "tool_return_message": _of_role("tool"),
    "approval_request_message": _holding("waiting"),
    "approval_response_message": _of_role("approval"),
    "summary_message": _of_role("summary"),
    "event_message": _of_role("summary"),
}
