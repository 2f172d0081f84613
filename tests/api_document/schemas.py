"""Is an object what the document says of it, with no field that the document does not know?"""

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from agents.api.openapi.document import document


def check(value: Any, schema: dict[str, Any]) -> None:
    """Raises ValidationError."""
    Draft202012Validator(schema | {"components": _components()}).validate(value)


def component(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def is_fault(response: Any) -> bool:
    """An error of the server: not one of a model or an MCP server, and not a refusal to serve something."""
    if response.status_code < 500 or response.status_code == 501:
        return False
    kind = response.json().get("error", {}).get("type", "")
    return response.status_code == 503 or not kind.startswith(("llm_", "mcp_"))


@cache
def _components() -> Any:
    return _closed(document()["components"])


def _closed(schema: Any) -> Any:
    """Objects that name their fields have no others, unless the document says so."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(item) for name, item in schema.items()}
    return {"additionalProperties": False} | closed if isinstance(schema.get("properties"), dict) else closed
