"""Values written in a source: what they are in JSON, if anything."""

import ast
import json
from typing import Any

_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number"}


class NotJson(ValueError):
    """The expression is no literal, or JSON has no counterpart of its value."""


def json_value(node: ast.expr) -> Any:
    """The value of a literal, a tuple as a list. Raises NotJson."""
    try:
        return json.loads(json.dumps(_plain(ast.literal_eval(node)), allow_nan=False))
    except (ValueError, TypeError):  # not a literal; infinite; an integer of thousands of digits
        raise NotJson from None


def scalar(node: ast.expr) -> str | bool | int | float:
    """The value of a literal that can be one of several choices: no list, no None. Raises NotJson."""
    value: str | bool | int | float = json_value(node)
    if type(value) not in _TYPES:
        raise NotJson
    return value


def choice_schema(values: list[Any]) -> dict[str, Any]:
    """One of these values, which are scalars."""
    types = {_TYPES[type(value)] for value in values}
    return {"type": types.pop(), "enum": values} if len(types) == 1 else {"enum": values}


def _plain(value: Any) -> Any:
    """Refuses keys that JSON would turn into text. Sets and bytes are refused when they are written."""
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise NotJson
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
