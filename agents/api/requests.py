"""Reading a request: ids, numbers and JSON bodies, each fault told with its place."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest

from accounts.fields import ID_PATTERN, clean_json
from agents.errors import NotServed, invalid

MAX_INTEGER = 10**12 - 1

# What ids are called in paths, where that is not the kind's own name.
_IN_PATHS = {"conv": "conversation_id", "source": "folder_id"}


def checked_id(kind: str, value: Any, loc: Sequence[str | int] | None = None) -> str:
    """An id in its strict form, `<kind>-<uuid4>`. `loc` is where it stands, if that is not the path."""
    pattern = ID_PATTERN.format(prefix=kind)
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        loc = loc or ("path", _IN_PATHS.get(kind, f"{kind}_id"))
        raise invalid(loc, f"Should have the form {kind}-<uuid4>", "string_pattern_mismatch")
    return value


def json_body(request: HttpRequest) -> dict[str, Any]:
    """The body as an object; an empty body counts as {}."""
    raw = request.body
    if not raw:
        return {}
    try:
        body = clean_json(json.loads(raw))
    except (ValueError, RecursionError) as error:
        raise invalid(["body"], f"JSON decode error: {error}", "json_invalid") from None
    if not isinstance(body, dict):
        raise invalid(["body"], "Should be an object", "model_type")
    return body


def flag(query: Mapping[str, str], name: str) -> bool | None:
    value = query.get(name)
    if value is None:
        return None
    if value.lower() not in ("true", "false", "1", "0"):
        raise invalid(["query", name], "Should be true or false", "bool_parsing")
    return value.lower() in ("true", "1")


def integer(query: Mapping[str, str], name: str, default: int, minimum: int = 0) -> int:
    value = query.get(name)
    if value is None:
        return default
    if not re.fullmatch(r"-?[0-9]{1,1000}", value):
        raise invalid(["query", name], "Should be a whole number", "int_parsing")
    if int(value) < minimum:
        raise invalid(["query", name], f"Should be at least {minimum}", "greater_than_equal")
    if int(value) > MAX_INTEGER:
        raise invalid(["query", name], f"Should be from {minimum} to {MAX_INTEGER}", "less_than_equal")
    return int(value)


def choice(query: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str | None:
    value = query.get(name)
    if value is not None and value not in choices:
        raise invalid(["query", name], f"Should be one of {', '.join(choices)}", "enum")
    return value


def check_known(values: Sequence[Any], known: Sequence[str], loc: Sequence[str | int]) -> None:
    """Raises InvalidRequest for a value that there is not."""
    for value in values:
        if value not in known:
            raise invalid(loc, f"There is no {value!r:.100}. Known are {', '.join(known)}", "enum")


def refuse(body: Mapping[str, Any], *names: str) -> None:
    """Fields of the contract that ask for something this server does not do."""
    asked = [name for name in names if body.get(name)]
    if asked:
        raise NotServed(f"This server does not serve {', '.join(asked)}. Leave it out.")
