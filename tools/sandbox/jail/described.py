"""Classes of objects that only the schema of a tool's arguments describes: its source is often the function alone."""

import datetime
from typing import Any

Schema = dict[str, Any]

_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None", "object": "dict"}
_DATES = {"date-time": "datetime.datetime", "date": "datetime.date", "time": "datetime.time"}


def classes_of(schemas: dict[str, Schema]) -> dict[str, Any]:
    """Models of pydantic, by name. None at all where one cannot be made, as if nothing had been described."""
    objects = {name: schema for name, schema in schemas.items() if name.isidentifier() and schema.get("properties")}
    if not objects:
        return {}
    try:
        from pydantic import create_model

        made: dict[str, Any] = {
            name: create_model(name, __module__="tool", **_fields(schema, objects)) for name, schema in objects.items()
        }
        for model in made.values():
            model.model_rebuild(_types_namespace=made | {"Any": Any, "datetime": datetime})
    except Exception:
        return {}
    return made


def _fields(schema: Schema, objects: dict[str, Schema]) -> dict[str, Any]:
    required = schema.get("required", ())
    return {
        name: (_type(field, objects), ... if name in required else field.get("default"))
        for name, field in schema["properties"].items()
    }


def _type(schema: Schema, objects: dict[str, Schema]) -> str:
    """As an annotation; what it has no word for may be anything."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return name if name in objects else "Any"
    if "anyOf" in schema:
        return " | ".join(_type(choice, objects) for choice in schema["anyOf"])
    kind = schema.get("type")
    if kind == "array":
        return f"list[{_type(schema.get('items') or {}, objects)}]"
    return _DATES.get(schema.get("format", ""), _PLAIN.get(kind, "Any")) if isinstance(kind, str) else "Any"
