"""The schema that an MCP server gives of a tool's arguments -> one that models' providers take, and of bounded size.

What is dropped is only not told to the model: the server checks the arguments itself.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

Schema = dict[str, Any]

MAX_DEPTH = 12
MAX_NODES = 2000
MAX_CHARS = 60_000
MAX_CHOICES = 200
MAX_TEXT = 4000
MAX_NAME = 64

_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
# Without `pattern`: arguments would be matched with an expression of the server's, which may take for ever.
_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


def sanitised(schema: Any) -> Schema:
    """Of type object. One that is too large becomes an object of whatever the model makes of the description."""
    parameters = _Sanitiser(schema if isinstance(schema, dict) else {}).root()
    if len(json.dumps(parameters)) > MAX_CHARS:
        return {"type": "object", "properties": {}, "required": [], "additionalProperties": True}
    return parameters


def valid_name(name: str, taken: Iterable[str]) -> str:
    """One that providers take, and that is not taken yet."""
    plain = re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:MAX_NAME] or "tool"
    known, result, number = set(taken), plain, 1
    while result in known:
        number += 1
        result = f"{plain[: MAX_NAME - len(str(number)) - 1]}_{number}"
    return result


def short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


class _Sanitiser:
    """One pass over a schema. `_left` bounds its nodes, since references may multiply them without end."""

    def __init__(self, schema: Schema):
        self._schema = schema
        self._left = MAX_NODES

    def root(self) -> Schema:
        made = self._node(self._schema, 0, ())
        if "properties" not in made and "anyOf" in made:
            made = _widest(made["anyOf"])
        properties = made.get("properties", {})
        made |= {"type": "object", "properties": properties, "required": made.get("required", [])}
        return {name: value for name, value in made.items() if name not in ("anyOf", "enum", "const", "items")}

    def _node(self, schema: Any, depth: int, within: tuple[str, ...]) -> Schema:
        """`within` are the references that led here."""
        self._left -= 1
        if not isinstance(schema, dict) or depth > MAX_DEPTH or self._left < 0:
            return {}
        if isinstance(reference := schema.get("$ref"), str):
            beside = {name: value for name, value in schema.items() if name != "$ref"}
            if reference in within:
                return self._plain(beside)
            target = self._node(self._target(reference), depth + 1, (*within, reference))
            return target | self._node(beside, depth + 1, within)
        made = self._plain(schema)
        for part in _list(schema.get("allOf")):
            made = _merged(made, self._node(part, depth + 1, within))
        made = _merged(made, self._nested(schema, depth + 1, within))
        return self._alternatives(schema, made, depth + 1, within)

    def _target(self, reference: str) -> Any:
        """What a reference within the schema points to; to those that leave it there is no answer."""
        found: Any = self._schema
        if not reference.startswith("#"):
            return None
        for part in reference[1:].split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            found = found.get(key) if isinstance(found, dict) else None
        return found

    def _plain(self, schema: Schema) -> Schema:
        """The keywords that hold no schemas, where they are what they should be."""
        made: Schema = {}
        if types := [name for name in _list(schema.get("type"), alone=True) if name in _TYPES]:
            made["type"] = types[0] if len(types) == 1 else list(dict.fromkeys(types))
        if isinstance(text := schema.get("description") or schema.get("title"), str):
            made["description"] = short(text)
        if choices := _list(schema.get("enum")):
            made["enum"] = _distinct(choices)[:MAX_CHOICES]
        if "const" in schema and "enum" not in made:
            made["enum"] = [schema["const"]]
        made |= {name: schema[name] for name in _NUMBERS if _is_number(schema.get(name))}
        made |= {name: schema[name] for name in _COUNTS if _is_count(schema.get(name))}
        if isinstance(schema.get("format"), str) and len(schema["format"]) <= MAX_NAME:
            made["format"] = schema["format"]
        if "default" in schema and len(json.dumps(schema["default"])) <= MAX_TEXT:
            made["default"] = schema["default"]
        return made

    def _nested(self, schema: Schema, depth: int, within: tuple[str, ...]) -> Schema:
        made: Schema = {}
        if isinstance(properties := schema.get("properties"), dict):
            kept = {name: item for name, item in properties.items() if _PROPERTY.fullmatch(name)}
            made["properties"] = {name: self._node(item, depth, within) for name, item in kept.items()}
            required = [name for name in _list(schema.get("required")) if isinstance(name, str) and name in kept]
            if required:
                made["required"] = list(dict.fromkeys(required))
            if len(kept) < len(properties):
                made["additionalProperties"] = True
        more = schema.get("additionalProperties")
        if isinstance(more, bool | dict):
            made.setdefault("additionalProperties", more if isinstance(more, bool) else self._node(more, depth, within))
        if isinstance(items := schema.get("items"), dict):
            made["items"] = self._node(items, depth, within)
        elif "array" in _list(schema.get("type"), alone=True):
            made["items"] = {}  # some providers insist on it
        return made

    def _alternatives(self, schema: Schema, made: Schema, depth: int, within: tuple[str, ...]) -> Schema:
        """`oneOf` is told as `anyOf`. One alternative is none."""
        given = _list(schema.get("anyOf")) or _list(schema.get("oneOf"))
        found = _distinct([self._node(item, depth, within) for item in given])
        if not found or {} in found:
            return made
        return _merged(made, found[0]) if len(found) == 1 else made | {"anyOf": found}


def _merged(one: Schema, other: Schema) -> Schema:
    """Both hold. Of what they contradict each other in, the first has the last word."""
    made = other | one
    if "properties" in one and "properties" in other:
        made["properties"] = other["properties"] | one["properties"]
    if "required" in one and "required" in other:
        made["required"] = list(dict.fromkeys([*one["required"], *other["required"]]))
    return made


def _widest(alternatives: list[Schema]) -> Schema:
    """At the root providers take no alternatives: the properties of all, of which only the common ones are required."""
    made: Schema = {"properties": {}, "additionalProperties": True}
    for item in alternatives:
        made["properties"] |= item.get("properties", {})
    common = set.intersection(*(set(item.get("required", ())) for item in alternatives))
    return made | {"required": [name for name in made["properties"] if name in common]}


def _list(value: Any, alone: bool = False) -> list[Any]:
    """The list, or nothing where it is something else; `alone`: one text counts as a list of it."""
    return value if isinstance(value, list) else [value] if alone and isinstance(value, str) else []


def _distinct(items: list[Any]) -> list[Any]:
    return list({json.dumps(item, sort_keys=True): item for item in items}.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
