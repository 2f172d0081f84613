"""The documentation of the API for whoever asks: the OpenAPI document, and a page made of it. Neither needs a key."""

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from agents.api.openapi.document import document

FOLDER = Path(__file__).parent / "templates" / "project"
BRIEFLY = {"Cache-Control": "max-age=300"}

Schema = dict[str, Any]


@require_safe
@gzip_page
def openapi(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_json(), content_type="application/json", headers=BRIEFLY)


@require_safe
@gzip_page
def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_page(), headers=BRIEFLY | {"Content-Security-Policy": _policy()})


@cache
def _json() -> bytes:
    return json.dumps(document(), ensure_ascii=False).encode()


@cache
def _page() -> bytes:
    made = document()
    context = {
        "title": made["info"]["title"],
        "version": made["info"]["version"],
        "description": made["info"]["description"],
        "sections": sections(made),
        "objects": objects(made),
        "not_served": made["x-not-served"],
        "style": mark_safe(_file("reference.css")),
        "script": mark_safe(_file("reference.js")),
    }
    return render_to_string("project/reference.html", context).encode()


@cache
def _policy() -> str:
    """Our own style and script, and nothing else from anywhere."""
    style, script = (_hash(_file(name)) for name in ("reference.css", "reference.js"))
    return (
        f"default-src 'none'; style-src '{style}'; script-src '{script}'; img-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


def _file(name: str) -> str:
    return (FOLDER / name).read_text()


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


# What the template shows


@dataclass(frozen=True)
class Row:
    """A parameter, or a field of an object."""

    name: str
    kind: SafeString
    words: SafeString
    is_required: bool


@dataclass(frozen=True)
class Answer:
    status: str
    words: SafeString
    kinds: list[SafeString]


@dataclass(frozen=True)
class Entry:
    """An operation."""

    name: str
    method: str
    path: str
    summary: str
    words: SafeString
    is_public: bool
    in_path: list[Row]
    in_query: list[Row]
    body: SafeString | None
    body_rows: list[Row]
    good: list[Answer]
    bad: list[Answer]


@dataclass(frozen=True)
class Section:
    """The operations of a tag."""

    name: str
    words: SafeString
    entries: list[Entry]


@dataclass(frozen=True)
class Thing:
    """An object of the API, or a choice of some."""

    name: str
    words: SafeString
    rows: list[Row]
    kind: SafeString | None


def sections(made: Schema) -> list[Section]:
    entries = [
        (operation["tags"][0], entry(made, method.upper(), path, operation))
        for path, item in made["paths"].items()
        for method, operation in item.items()
    ]
    return [
        Section(tag["name"], prose(tag["description"]), [one for name, one in entries if name == tag["name"]])
        for tag in made["tags"]
    ]


def entry(made: Schema, method: str, path: str, operation: Schema) -> Entry:
    parameters = operation.get("parameters", [])
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    answers = [answer(made, status, response) for status, response in operation["responses"].items()]
    return Entry(
        name=operation["operationId"],
        method=method,
        path=path,
        summary=operation["summary"],
        words=prose(operation.get("description", "")),
        is_public="security" not in operation,
        in_path=[_parameter(one) for one in parameters if one["in"] == "path"],
        in_query=[_parameter(one) for one in parameters if one["in"] == "query"],
        body=kind_of(body) if body else None,
        body_rows=rows_of(_resolved(made, body)) if body else [],
        good=[one for one in answers if one.status.startswith("2")],
        bad=[one for one in answers if not one.status.startswith("2")],
    )


def answer(made: Schema, status: str, response: Schema) -> Answer:
    told = _resolved(made, response)
    return Answer(
        status, prose(told["description"]), [kind_of(one["schema"]) for one in told.get("content", {}).values()]
    )


def objects(made: Schema) -> list[Thing]:
    return [_thing(name, schema) for name, schema in made["components"]["schemas"].items()]


def rows_of(schema: Schema) -> list[Row]:
    """What is required is marked where something is not."""
    properties, required = schema.get("properties", {}), schema.get("required", [])
    marked = required if len(required) < len(properties) else []
    return [
        Row(name, kind_of(item), prose(item.get("description", "")), name in marked)
        for name, item in properties.items()
    ]


def kind_of(schema: Schema) -> SafeString:
    """A schema in a few words; names of objects are links to them."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return format_html('<a href="#{}">{}</a>', name, name)
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return format_html_join(" or ", "{}", ((kind_of(one),) for one in schema[choice]))
    if "enum" in schema:
        return format_html_join(" · ", "<code>{}</code>", ((json.dumps(word),) for word in schema["enum"]))
    types = schema.get("type", "anything")
    words = [_kind(one, schema) for one in (types if isinstance(types, list) else [types])]
    return format_html_join(" or ", "{}", ((word,) for word in words))


def _kind(name: str, schema: Schema) -> SafeString:
    if name == "array":
        return format_html("list of {}", kind_of(schema.get("items", {})))
    if name == "object" and isinstance(schema.get("additionalProperties"), dict) and schema["additionalProperties"]:
        return format_html("object of {}", kind_of(schema["additionalProperties"]))
    if name == "string" and schema.get("format") == "date-time":
        return mark_safe("time")
    pattern = schema.get("pattern", "")
    prefix = pattern[1:].partition("-[0-9a-f]{8}")[0] if "-[0-9a-f]{8}" in pattern else ""
    return format_html("<code>{}-…</code>", prefix) if name == "string" and prefix else format_html("{}", name)


def prose(text: str) -> SafeString:
    """What stands between backquotes is code."""
    parts = text.split("`")
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", one) if odd % 2 else one,) for odd, one in enumerate(parts))
    )


def _thing(name: str, schema: Schema) -> Thing:
    rows = rows_of(schema)
    return Thing(name, prose(schema.get("description", "")), rows, None if rows else kind_of(schema))


def _parameter(one: Schema) -> Row:
    return Row(one["name"], kind_of(one["schema"]), prose(one.get("description", "")), one.get("required", False))


def _resolved(made: Schema, schema: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    _, kind, name = schema["$ref"].rsplit("/", 2)
    found: Schema = made["components"][kind][name]
    return found
