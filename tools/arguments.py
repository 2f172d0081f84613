"""The arguments of a tool call: the JSON text that a model wrote -> values that fit the tool's schema."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, NoReturn

from jsonschema.exceptions import SchemaError, ValidationError
from referencing.exceptions import Unresolvable

from tools.bounded_schema import TooMuch, bounded, check_schema, validator_of
from tools.spec import ToolError

MAX_CHARS = 1_000_000
MAX_DEPTH = 64
MAX_VIOLATIONS = 5
MAX_LINE = 300

_OBJECT_FORM = 'Send one JSON object, such as {"name": "value"}.'


class _NotStrict(ValueError):
    """Python's parser would take it, JSON does not."""


def parse(arguments_text: str, parameters_schema: dict[str, Any]) -> dict[str, Any]:
    """The arguments, checked against the schema; nothing is filled in or converted, but 1.0 becomes 1 where an integer
    is wanted. Raises ToolError with a text that tells the model what to mend.
    """
    if not arguments_text.strip():
        return _nothing(parameters_schema)
    try:
        arguments = _decoded(arguments_text)
        _check(arguments, parameters_schema)
        return {name: _whole(value, _property(parameters_schema, name)) for name, value in arguments.items()}
    except RecursionError:
        raise _too_deep() from None


def _nothing(schema: dict[str, Any]) -> dict[str, Any]:
    if names := schema.get("required"):
        raise ToolError(f"No arguments were given, and the tool needs: {', '.join(names)}. {_OBJECT_FORM}")
    return {}


def _decoded(text: str) -> dict[str, Any]:
    if len(text) > MAX_CHARS:
        raise ToolError(f"The arguments have {len(text)} characters; at most {MAX_CHARS} are taken. Send less at once.")
    value = _strict_json(text)
    if not isinstance(value, dict):
        raise ToolError(f"The arguments are a JSON {_json_type(value)}, not an object. {_OBJECT_FORM}")
    if is_deeper(value, MAX_DEPTH):
        raise _too_deep()
    return value


def _strict_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
        if _is_cut_off(error):
            raise ToolError("The JSON of the arguments is cut off before its end. Send it again, whole.") from None
        raise ToolError(
            f"This is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}. {_OBJECT_FORM}"
        ) from None
    except _NotStrict as error:
        raise ToolError(str(error)) from None
    except ValueError:  # Python refuses to read integers of thousands of digits
        raise ToolError("The arguments hold a number with too many digits. Send a shorter one.") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise _NotStrict(f"The arguments name {_short(twice)} twice. Give every name once.")
    return names


def _refuse(constant: str) -> NoReturn:
    raise _NotStrict(f"The arguments hold {constant}, which JSON has not. Send a finite number, or null.")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(_short(text))


def _is_cut_off(error: json.JSONDecodeError) -> bool:
    return error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string")


def is_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [child for item in level for child in _children(item)]
    return bool(level) and any(isinstance(item, dict | list) for item in level)


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _check(arguments: dict[str, Any], schema: dict[str, Any]) -> None:
    try:
        with bounded():
            errors = list(islice(validator_of(schema).iter_errors(arguments), MAX_VIOLATIONS))
    except SchemaError as error:
        raise ToolError(f"The tool cannot be called: its own schema is not valid: {_short(error.message)}.") from None
    except Unresolvable as error:
        raise ToolError(f"The tool's own schema refers to something that is not in it: {_short(error)}.") from None
    except TooMuch:
        raise ToolError("The arguments are too many to be checked against the tool's schema. Send less.") from None
    lines = list(islice(chain(_unknown(arguments, schema), map(_violation, errors)), MAX_VIOLATIONS))
    if lines:
        raise ToolError("\n".join(["The arguments do not fit the tool:", *lines]))


def schema_fault(schema: Any) -> str | None:
    """What is wrong with the schema that somebody gives of a tool's arguments."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return "Should be a JSON schema of type object"
    if is_deeper(schema, MAX_DEPTH):
        return f"Should be nested at most {MAX_DEPTH} levels deep"
    try:
        check_schema(schema)
    except SchemaError as error:
        return f"Should be a JSON schema: {error.message[:MAX_LINE]}"
    return None


def _unknown(arguments: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    """Arguments that the tool does not have. Schemas made of functions do not say that there are no others."""
    known = schema.get("properties")
    if known is None or "additionalProperties" in schema or "patternProperties" in schema:
        return
    takes = ", ".join(known) or "none"
    for name in arguments:
        if name not in known:
            yield f"- {_short(name)}: there is no such argument (there are: {takes})"


def _violation(error: ValidationError) -> str:
    hint = " (leave it out instead)" if error.instance is None else ""
    return f"- {_path(error.absolute_path)}: {_short(error.message)}{hint}"


def _path(parts: Sequence[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return _short(text.removeprefix(".")) or "arguments"


def _short(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}…"


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return {list: "array", str: "string", int: "number", float: "number"}.get(type(value), "null")


def _too_deep() -> ToolError:
    return ToolError(f"The arguments are nested deeper than {MAX_DEPTH} levels. Send flatter ones.")


def _property(schema: Any, name: str) -> Any:
    schema = schema if isinstance(schema, dict) else {}
    return schema.get("properties", {}).get(name, schema.get("additionalProperties"))


def _whole(value: Any, schema: Any) -> Any:
    """The value with its integral floats as int, wherever the schema wants an integer."""
    if not isinstance(schema, dict):
        return value
    if isinstance(value, dict):
        return {name: _whole(item, _property(schema, name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item, schema.get("items")) for item in value]
    if isinstance(value, float) and value.is_integer() and _wants_integer(schema):
        return int(value)
    return value


def _wants_integer(schema: dict[str, Any]) -> bool:
    return "integer" in (types := _types(schema)) and "number" not in types


def _types(schema: Any) -> set[str]:
    """The types that a schema names, itself or in its alternatives."""
    if not isinstance(schema, dict):
        return set()
    named = schema.get("type", [])
    types = {named} if isinstance(named, str) else set(named)
    for alternative in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        types |= _types(alternative)
    return types
