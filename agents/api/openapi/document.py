"""The document itself, built once in the life of a process."""

import threading
from functools import cache
from typing import Any

from agents.api.openapi import errors, objects, requests
from agents.api.openapi.notation import Schema
from agents.api.openapi.operations import TAGS
from agents.api.openapi.routes import EITHER_FORM, routes

KEY = {"type": "http", "scheme": "bearer", "description": "An API key. The admin issues them; so does `./perdure up`."}

# What is asked for by a serializer has no words of its own; what is told in its place has.
LIKE = {
    "NewAgent": "AgentState",
    "PatchedAgentFields": "AgentState",
    "BlockFields": "Block",
    "PatchedBlockFields": "Block",
    "ToolFields": "Tool",
    "PatchedToolChange": "Tool",
    "IdentityFields": "Identity",
    "PatchedIdentityFields": "Identity",
    "FolderFields": "Folder",
    "PatchedFolderFields": "Folder",
}

_building = threading.Lock()


def document() -> Schema:
    """OpenAPI 3.1, as JSON has it."""
    with _building:  # drf-spectacular keeps notes in its module while it works
        return _built()


@cache
def _built() -> Schema:
    from agents.api.openapi.generator import Generator  # takes a moment, and most processes never need it

    made: Schema = Generator().get_schema(public=True)
    components = made["components"]
    components["schemas"] |= objects.components() | requests.components() | errors.components()
    for asked, told in LIKE.items():
        requests.describe(components["schemas"][asked], components["schemas"][told])
    components["schemas"] = dict(sorted(components["schemas"].items()))
    components["responses"] = errors.responses()
    components["securitySchemes"] = {"key": KEY}
    made["tags"] = [{"name": name, "description": words} for name, words in TAGS.items()]
    made["x-not-served"] = [
        {"path": _glob(route.regex), "reason": route.refusal} for route in routes() if route.refusal
    ]
    return dict(_plain(made))


def _glob(regex: str) -> str:
    """A path that is not served, readable: a star stands for anything."""
    return "/" + regex.removesuffix(EITHER_FORM).replace("[^/]+", "*").replace("(/.+)?", "*")


def _plain(value: Any) -> Any:
    """As JSON has it, and without drf-spectacular's notes to itself."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items() if name != "x-spec-enum-id"}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, int | float | bool) else str(value)
