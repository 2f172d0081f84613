"""JSON schemas of strangers, checked in bounded time: whoever writes a tool writes its schema, too.

A schema of a few lines can ask for more work than ever ends: by an expression that backtracks, by references that
double at each level, by alternatives that each tell about a long text. A worker that hangs in one turn holds up all the
others, and the next one, which takes the turn over, hangs as well.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry

Schema = dict[str, Any]
Keyword = Callable[[Any, Any, Any, Any], Any]

LONGEST = 200_000
"""Characters of a schema."""
REMEMBERED = 20_000
"""Longer ones are read anew for each call: a thousand of them would take a gigabyte."""
MOST_CHECKS = 300_000
"""Of one call: a keyword with one value is one, and what it goes through counts along. It takes a second or two."""
CHARS = 100
"""So many characters of a complaint count as a check: each may quote all that it is about."""
ANCHOR = 5_000
"""What a reference costs that is no path: all of the schema is searched for it."""

_WALKING = ("items", "contains", "additionalProperties", "propertyNames")


class TooMuch(Exception):
    """The schema and the value together want more checks than there may be."""


_left: ContextVar[list[int]] = ContextVar("_left")


@contextmanager
def bounded() -> Iterator[None]:
    """What validators check within raises TooMuch where it comes to too much."""
    before = _left.set([MOST_CHECKS])
    try:
        yield
    finally:
        _left.reset(before)


def validator_of(schema: Schema) -> Any:
    """It works within `bounded`. Raises SchemaError."""
    text = json.dumps(schema, sort_keys=True)
    return _remembered(text) if len(text) <= REMEMBERED else _made(text)


def check_schema(schema: Any) -> None:
    """Raises SchemaError. Expressions in it are not read: to do so may take minutes."""
    _check(schema, len(json.dumps(schema)))


def _made(text: str) -> Any:
    # Without `$schema`, which would have a part of it checked by another validator than ours.
    schema = json.loads(text, object_hook=_without_dialect)
    _check(schema, len(text))
    # With a registry of our own, because the default one fetches a remote $ref over the network.
    return _Bounded(schema, registry=Registry())


_remembered = lru_cache(maxsize=1024)(_made)


def _check(schema: Any, length: int) -> None:
    if length > LONGEST:
        raise SchemaError(f"it has {length:,} characters, and may have {LONGEST:,}")
    Draft202012Validator.check_schema(schema, format_checker=None)


def _without_dialect(found: Schema) -> Schema:
    return {name: value for name, value in found.items() if name != "$schema" or not isinstance(value, str)}


def _counted(name: str, keyword: Keyword) -> Keyword:
    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        _spend(_cost(name, value, instance))
        for error in keyword(validator, value, instance, schema) or ():
            _spend(len(error.message) // CHARS)
            yield error

    return check


def _spend(checks: int) -> None:
    left = _left.get()
    left[0] -= checks
    if left[0] < 0:
        raise TooMuch


def _cost(name: str, value: Any, instance: Any) -> int:
    if name in ("$ref", "$dynamicRef"):
        return len(value) if value == "#" or value.startswith("#/") else ANCHOR
    if name in ("enum", "const"):
        return _size(value)
    return 1 + _width(value) + (_width(instance) if name in _WALKING else 0)


def _width(value: Any) -> int:
    return len(value) if isinstance(value, list | dict) else 0


def _size(value: Any) -> int:
    """How many values it is made of."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(_size, inner))


def _unchecked(validator: Any, value: Any, instance: Any, schema: Any) -> tuple[()]:
    return ()


def _additional(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
    """Which properties are additional may be said by expressions, and these are not read."""
    if "patternProperties" in schema:
        return ()
    return _KEYWORDS["additionalProperties"](validator, value, instance, schema)


def _unique(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """In one pass: the library compares each with each where they cannot be sorted."""
    if wanted is True and isinstance(instance, list):
        _spend(_size(instance))
        if len({json.dumps(item, sort_keys=True) for item in instance}) < len(instance):
            yield ValidationError("some of its items are the same")


_KEYWORDS: dict[str, Keyword] = dict(Draft202012Validator.VALIDATORS)
_OURS: dict[str, Keyword] = {"additionalProperties": _additional, "uniqueItems": _unique} | dict.fromkeys(
    ("pattern", "patternProperties", "unevaluatedItems", "unevaluatedProperties"), _unchecked
)
_Bounded: Any = extend(
    Draft202012Validator, {name: _counted(name, keyword) for name, keyword in (_KEYWORDS | _OURS).items()}
)
