"""NUL, lone surrogates and bytes that are no UTF-8, wherever a request has text: refused or stored, never an accident."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.api_document.examples import BODIES, QUERIES
from tests.api_document.schemas import check
from tests.api_document.test_answers import schema_of
from tests.api_document.world import World, operations, variables

OPERATIONS = operations()
TEXTS = ("\x00", "a\x00b", "\ud800", "a\udfffb", "\ud800\x00", "\ufffe", "\U0010ffff")
IN_URLS = ("%00", "a%00b", "%ED%A0%80", "%FF", "%C0%80", "%F4%90%80%80", "%0A", "%25")
LONG = random.Random(0).randbytes(150_000).hex()  # not to be compressed, as Postgres does before it measures


def is_as_described(world: World, name: str, response: requests.Response) -> None:
    """An answer that the document has, in JSON or as events; never 5xx."""
    operation = OPERATIONS[name][2]
    said = (name, response.status_code, response.text[:500])
    assert response.status_code < 500 or response.status_code == 501, (*said, world.server.web.tail())
    assert str(response.status_code) in operation["responses"], said
    kind = response.headers.get("Content-Type", "")
    assert response.status_code == 204 or kind in ("application/json", "text/event-stream"), (*said, kind)
    if kind == "application/json":
        check(response.json(), schema_of(operation, response.status_code))


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a body there is text."""
    if isinstance(value, str):
        yield place
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*place, key))


def replaced(value: Any, place: tuple[Any, ...], text: str) -> Any:
    changed = copy.deepcopy(value)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = text
    return changed


def fields_of(operation: dict[str, Any]) -> list[str]:
    """The names that the body may have."""
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return list(component(schema["$ref"]).get("properties", {})) if "$ref" in schema else []


def component(target: str) -> dict[str, Any]:
    from agents.api.openapi.document import document

    named: dict[str, Any] = document()["components"]["schemas"]
    found: dict[str, Any] = named[target.rpartition("/")[2]]
    return found


WITH_BODY = [name for name in OPERATIONS if "requestBody" in OPERATIONS[name][2]]


def send(world: World, name: str, raw: bytes | None, **options: Any) -> requests.Response:
    method, path, _ = OPERATIONS[name]
    wanted = {"agent_id": world.ids["agent_id"]} if name == "conversations.create" else QUERIES.get(name, {})
    headers = {"Content-Type": "application/json"} | options.pop("headers", {})
    path = path.format(**world.ids_for(method, path))
    return world.send(method, path, data=raw, params=options.pop("params", wanted), headers=headers, **options)


@pytest.mark.parametrize("name", WITH_BODY)
def test_in_a_body(world: World, name: str) -> None:
    body = BODIES[name]
    for number, place in enumerate(places(body)):
        text = TEXTS[number % len(TEXTS)]
        for hostile in {text, "\x00\ud800"}:
            is_as_described(world, name, send(world, name, json.dumps(replaced(body, place, hostile)).encode()))


@pytest.mark.parametrize("name", WITH_BODY)
def test_in_any_field(world: World, name: str) -> None:
    """Also where something else than text is wanted, and in the names of fields."""
    for field in fields_of(OPERATIONS[name][2]):
        for value in ("\x00\ud800", {"\x00": "\ud800"}, ["\ud800\x00"], 1e400, 2**63, -1, True, [], {}):
            body = {**BODIES[name], field: value} if isinstance(BODIES[name], dict) else value
            is_as_described(world, name, send(world, name, json.dumps(body).encode()))


@pytest.mark.parametrize("name", WITH_BODY)
def test_in_bodies_that_are_no_json(world: World, name: str) -> None:
    raw = (b"\x00", b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', b'"\\ud800"', b"[[", b"null", b"1", b"[]", b"NaN")
    for body in (*raw, b'{"a":' * 5000, b"\xef\xbb\xbf{}", b'{"a": "\x00"}'):
        is_as_described(world, name, send(world, name, body))


@pytest.mark.parametrize("name", [name for name in OPERATIONS if "{" in OPERATIONS[name][1]])
def test_in_a_path(world: World, name: str) -> None:
    method, path, _ = OPERATIONS[name]
    raw = None if BODIES.get(name) is None else json.dumps(BODIES[name]).encode()
    for variable in variables(path):
        for text in IN_URLS:
            hostile = path.format(**world.ids | {variable: f"{world.ids[variable][:-1]}{text}"})
            is_as_described(
                world, name, world.send(method, hostile, data=raw, headers={"Content-Type": "application/json"})
            )


@pytest.mark.parametrize("name", OPERATIONS)
def test_in_a_query(world: World, name: str) -> None:
    method, path, operation = OPERATIONS[name]
    names = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
    if method == "DELETE":
        return  # none of them has one
    path = path.format(**world.ids)
    raw = None if BODIES.get(name) is None else json.dumps(BODIES[name]).encode()
    for number, parameter in enumerate([*names, "unknown", "%00", "%FF"]):
        texts = IN_URLS if method == "GET" else (IN_URLS[number % len(IN_URLS)],)
        for text in texts:
            needed = "".join(f"&{key}={value}" for key, value in QUERIES.get(name, {}).items() if key != parameter)
            answer = world.send(
                method, f"{path}?{parameter}={text}{needed}", data=raw, headers={"Content-Type": "application/json"}
            )
            is_as_described(world, name, answer)


@pytest.mark.parametrize("name", ["agents.list", "agents.create", "agents.messages.create_async"])
def test_in_a_header(world: World, name: str) -> None:
    """Control characters do not come as far as this: the HTTP parser refuses them."""
    raw = json.dumps(BODIES.get(name, {})).encode()
    for header in ("Authorization", "Idempotency-Key", "x-stainless-retry-count", "X-Project", "Content-Type"):
        for value in (b"\xff", b"\xed\xa0\x80", b"Bearer \xff\xfe", b"a\tb", b""):
            is_as_described(world, name, send(world, name, raw, headers={header: value}))


@pytest.mark.parametrize("name", WITH_BODY)
def test_in_length(world: World, name: str) -> None:
    body = BODIES[name]
    for place in places(body):
        is_as_described(world, name, send(world, name, json.dumps(replaced(body, place, LONG)).encode()))
