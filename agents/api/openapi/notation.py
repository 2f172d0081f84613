"""JSON schemas written short: an object is a dict of field names and types, and a type is a line of text.

    text int number bool time object any null what they say; `object` is any JSON object
    file                                      bytes, in a form
    count positive                            whole numbers from 0, and from 1
    agent-id                                  `agent-<uuid4>`
    'left'                                    this very string
    Block                                     the component of that name
    [T]  {T}  T?  T | U                       a list; an object with values of T; T or null; one of several
    T - words                                 with a description

A field whose name ends in `?` may be left out.
"""

import re
from collections.abc import Mapping
from typing import Any

from accounts.fields import ID_PATTERN

Schema = dict[str, Any]
Fields = Mapping[str, str]

_PLAIN: dict[str, Schema] = {
    "text": {"type": "string"},
    "int": {"type": "integer"},
    "count": {"type": "integer", "minimum": 0},
    "positive": {"type": "integer", "minimum": 1},
    "number": {"type": "number"},
    "bool": {"type": "boolean"},
    "time": {"type": "string", "format": "date-time"},
    "object": {"type": "object"},
    "file": {"type": "string", "format": "binary"},
    "any": {},
    "null": {"type": "null"},
}

_OUTER_BAR = re.compile(r" \| (?![^\[]*\])")


def schema_of(notation: str) -> Schema:
    """Raises KeyError for a word that means nothing."""
    kind, _, words = notation.partition(" - ")
    return _of_kind(kind.strip()) | ({"description": words} if words else {})


def object_of(fields: Fields, description: str = "", *, is_open: bool = False) -> Schema:
    """`is_open`: it may have further fields, and often has."""
    properties = {name.removesuffix("?"): schema_of(notation) for name, notation in fields.items()}
    required = [name for name in fields if not name.endswith("?")]
    schema: Schema = {"description": description} if description else {}
    schema |= {"type": "object", "properties": properties}
    schema |= {"required": required} if required else {}
    return schema | ({"additionalProperties": True} if is_open else {})


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def one_of(names: list[str], discriminator: str, mapping: Mapping[str, str]) -> Schema:
    """One of the components, told by the field that is the discriminator."""
    told = {value: ref(name)["$ref"] for value, name in mapping.items()}
    return {"oneOf": [ref(name) for name in names], "discriminator": {"propertyName": discriminator, "mapping": told}}


def _of_kind(kind: str) -> Schema:
    if len(parts := _OUTER_BAR.split(kind)) > 1:
        return _alternatives(list(map(_of_kind, parts)))
    if kind.endswith("?"):
        return _alternatives([_of_kind(kind[:-1]), _PLAIN["null"]])
    if kind.startswith("["):
        return {"type": "array", "items": _of_kind(kind[1:-1])}
    if kind.startswith("{"):
        return {"type": "object", "additionalProperties": _of_kind(kind[1:-1])}
    if kind.startswith("'"):
        return {"type": "string", "enum": [kind[1:-1]]}
    if kind.endswith("-id"):
        return {"type": "string", "pattern": f"^{ID_PATTERN.format(prefix=kind[:-3])}$"}
    return ref(kind) if kind[0].isupper() else dict(_PLAIN[kind])


def _alternatives(schemas: list[Schema]) -> Schema:
    """Strings of a few words become one enum; a null beside a plain type becomes one of its types."""
    words = [schema for schema in schemas if schema.keys() == {"type", "enum"}]
    others = [schema for schema in schemas if schema not in words and schema != _PLAIN["null"]]
    is_nullable = _PLAIN["null"] in schemas
    if words:
        enum = [word for schema in words for word in schema["enum"]]
        others = [{"type": "string", "enum": enum}, *others]
    if len(others) == 1 and isinstance(others[0].get("type"), str):
        return _or_null(others[0]) if is_nullable else others[0]
    return {"anyOf": [*others, *([_PLAIN["null"]] if is_nullable else [])]}


def _or_null(schema: Schema) -> Schema:
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return schema | {"type": [schema["type"], "null"]} | enum
