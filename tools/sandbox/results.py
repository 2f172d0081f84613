"""Reads what came out of a jail: bytes of which nothing may be believed."""

import json
import re
from typing import Any

from accounts.fields import clean_json, clean_text
from tools.sandbox.jail.convert import DEEPEST

# A string without an end goes to the end of the text: else it would be looked for again from each quote in it.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{\]}]', re.DOTALL)
_AROUND_VALUE = 2  # the object around it, and a level of slack for the enum or dataclass that the jail unwrapped


class BadResult(Exception):
    """The text says what was wrong with it."""


def parse(encoded: bytes) -> tuple[Any, str | None]:
    """The value and no error, or None and the error that the call ended with."""
    message = _json(encoded)
    match message:
        case {"status": "success", "value": value, **rest} if not rest:
            return clean_json(value), None
        case {"status": "error", "error": str(error), **rest} if not rest:
            return None, clean_text(error)
    raise BadResult("The tool ended without a result.")


def _json(encoded: bytes) -> Any:
    if not encoded:
        raise BadResult("The tool ended without a result.")
    try:
        text = encoded.decode()
        if _depth(text) > DEEPEST + _AROUND_VALUE:
            raise BadResult(f"The result is nested more than {DEEPEST} levels deep.")
        return json.loads(text)
    except ValueError:
        raise BadResult("The tool's result cannot be read.") from None


def _depth(text: str) -> int:
    """Counted before parsing, which would recurse."""
    depth = deepest = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        symbol = match[0]
        if symbol in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif symbol in "]}":
            depth -= 1
    return deepest
