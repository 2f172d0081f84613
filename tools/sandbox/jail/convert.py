"""JSON values to what a tool's annotations ask for, and what a tool returns to JSON values."""

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import inspect
import math
import types
import typing
import uuid
from collections.abc import Callable
from typing import Any

from .agent_state import NAME, agent_state

DEEPEST = 64


def arguments_for(function: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Values without an annotation, or with one that says nothing here, stay as they are.

    What the function needs and nobody gives is None: an argument that may be None, or one that models are not shown.
    """
    wanted = _annotations(function)
    told = arguments.get(NAME)
    given = {name: to_python(value, wanted.get(name, Any)) for name, value in arguments.items() if name != NAME}
    if told and NAME in inspect.signature(function).parameters:
        given[NAME] = agent_state(told)
    return {name: None for name in _needed(function) if name not in given} | given


def _needed(function: Callable[..., Any]) -> list[str]:
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(function).parameters.values()
    return [one.name for one in parameters if one.default is one.empty and one.kind in named]


def _annotations(of: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(of)
    except (NameError, TypeError, AttributeError, SyntaxError):
        return dict(getattr(of, "__annotations__", {}))


def to_python(value: Any, wanted: Any) -> Any:
    """Raises ValueError or TypeError where the value does not fit a dataclass, an enum or a date."""
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        return _one_of(value, inner)
    if origin is typing.Annotated:
        return to_python(value, inner[0])
    if isinstance(origin, type):
        return _collection(value, origin, inner)
    if isinstance(wanted, type):
        return _instance(value, wanted)
    return value


def _one_of(value: Any, choices: tuple[Any, ...]) -> Any:
    """The first choice that takes the value; a value that already has a choice's plain type wins."""
    if value is None or any(isinstance(one, type) and type(value) is one for one in choices):
        return value
    for choice in choices:
        if choice is types.NoneType:
            continue
        try:
            return to_python(value, choice)
        except (ValueError, TypeError):
            continue
    return value


def _collection(value: Any, origin: type, inner: tuple[Any, ...]) -> Any:
    if issubclass(origin, collections.abc.Mapping) and isinstance(value, dict) and len(inner) == 2:
        return {to_python(key, inner[0]): to_python(item, inner[1]) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    if issubclass(origin, tuple):
        return tuple(_tuple_items(value, inner))
    if issubclass(origin, collections.abc.Set):
        return (frozenset if issubclass(origin, frozenset) else set)(to_python(item, inner[0]) for item in value)
    return [to_python(item, inner[0]) for item in value]


def _tuple_items(value: list[Any], inner: tuple[Any, ...]) -> list[Any]:
    if len(inner) == 2 and inner[1] is Ellipsis:
        return [to_python(item, inner[0]) for item in value]
    if len(value) != len(inner):
        raise ValueError(f"expected {len(inner)} items, got {len(value)}")
    return [to_python(item, kind) for item, kind in zip(value, inner, strict=True)]


def _instance(value: Any, wanted: type) -> Any:
    if isinstance(value, dict) and hasattr(wanted, "model_validate"):
        return wanted.model_validate(value)
    if isinstance(value, dict) and dataclasses.is_dataclass(wanted):
        hints = _annotations(wanted)
        return wanted(**{name: to_python(item, hints.get(name, Any)) for name, item in value.items()})
    if issubclass(wanted, enum.Enum):
        return _member(value, wanted)
    if isinstance(value, str) and issubclass(wanted, datetime.date | datetime.time):
        return wanted.fromisoformat(value)
    if isinstance(value, str | int | float) and wanted in (decimal.Decimal, uuid.UUID):
        return wanted(str(value))
    if isinstance(value, list) and wanted in (tuple, set, frozenset):
        return wanted(value)
    if wanted is float and type(value) is int:
        return float(value)
    return value


def _member(value: Any, wanted: type[enum.Enum]) -> enum.Enum:
    """By value, or by name, which models like to write too."""
    try:
        return wanted(value)
    except ValueError:
        if isinstance(value, str) and value in wanted.__members__:
            return wanted[value]
        raise


def to_json(value: Any, depth: int = 0) -> Any:
    """Raises ValueError for what is nested too deep. What JSON has no form for becomes its str()."""
    if depth > DEEPEST:
        raise ValueError(f"The result is nested more than {DEEPEST} levels deep.")
    if isinstance(value, enum.Enum):
        return to_json(value.value, depth + 1)
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, collections.abc.Mapping):
        return {_key(key): to_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item, depth + 1) for item in _ordered(value)]
    return _object_to_json(value, depth)


def _object_to_json(value: Any, depth: int) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return to_json(fields, depth)
    if hasattr(value, "model_dump") and not inspect.isclass(value):
        return to_json(value.model_dump(mode="json"), depth)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode(errors="replace")
    return str(value)


def _ordered(value: Any) -> Any:
    """Sets in their order where they have one: the same result should read the same each time."""
    if isinstance(value, set | frozenset):
        try:
            return sorted(value)
        except TypeError:
            return list(value)
    return value


def _key(key: Any) -> str:
    return str(key.value if isinstance(key, enum.Enum) else key)
