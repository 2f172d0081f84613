"""NUL, lone surrogates and bytes that are no UTF-8, wherever a request has text: refused or stored, no accident."""

import copy
import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import requests

from agents.api.openapi.document import document
from tests.api_document.examples import BODIES, FILES, QUERIES
from tests.api_document.schemas import check, is_fault
from tests.api_document.test_answers import schema_of
from tests.api_document.world import World, operations, variables

OPERATIONS = operations()
NAMES = list(OPERATIONS)
TEXTS = ("\x00", "a\x00b", "\ud800", "a\udfffb", "\ud800\x00", "\ufffe", "\U0010ffff")
IN_URLS = ("%00", "a%00b", "%ED%A0%80", "%FF", "%C0%80", "%F4%90%80%80", "%0A", "%25")
HEADERS = ("Authorization", "Idempotency-Key", "x-stainless-retry-count", "X-Project", "Content-Type")
VALUES = ("\x00\ud800", {"\x00": "\ud800"}, ["\ud800\x00"], 1e400, -1, True, [], {})
RAW = (
    *(b"\x00", b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', b'"\\ud800"', b"[[", b"null", b"1", b"[]", b"NaN"),
    *(b'{"a":' * 5000, b"\xef\xbb\xbf{}", b'{"a": "\x00"}'),
)
depths = pytest.mark.parametrize("depth", ["some", pytest.param("all", marks=pytest.mark.thorough)])
LONG = random.Random(0).randbytes(150_000).hex()  # not to be compressed, as Postgres does before it measures


def chosen(values: Sequence[Any], number: int, depth: str) -> Sequence[Any]:
    """All of them, or one in its turn."""
    return values if depth == "all" else [values[number % len(values)]]


def is_as_described(world: World, name: str, response: requests.Response) -> None:
    """An answer that the document has, in JSON or as events; never 5xx."""
    operation = OPERATIONS[name][2]
    said = (name, response.status_code, response.text[:500])
    assert not is_fault(response), (*said, world.server.web.tail())
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
    named: dict[str, Any] = document()["components"]["schemas"]
    found: dict[str, Any] = named[target.rpartition("/")[2]]
    return found


WITH_BODY = [name for name in OPERATIONS if "requestBody" in OPERATIONS[name][2] and name not in FILES]


def send(world: World, name: str, raw: bytes | None, **options: Any) -> requests.Response:
    method, path, _ = OPERATIONS[name]
    wanted = {"agent_id": world.ids["agent_id"]} if name == "conversations.create" else QUERIES.get(name, {})
    headers = {"Content-Type": "application/json"} | options.pop("headers", {})
    path = path.format(**world.ids_for(method, path))
    return world.send(method, path, data=raw, params=options.pop("params", wanted), headers=headers, **options)


@depths
@pytest.mark.parametrize("name", WITH_BODY)
def test_in_a_body(world: World, name: str, depth: str) -> None:
    body = BODIES[name]
    for number, place in enumerate(places(body)):
        for hostile in chosen(TEXTS, number, depth):
            is_as_described(world, name, send(world, name, json.dumps(replaced(body, place, hostile)).encode()))


@depths
@pytest.mark.parametrize("name", WITH_BODY)
def test_in_any_field(world: World, name: str, depth: str) -> None:
    """Also where something else than text is wanted, and in the names of fields."""
    for number, field in enumerate(fields_of(OPERATIONS[name][2]), WITH_BODY.index(name)):
        for value in (2**63, *chosen(VALUES, number, depth)):
            body = {**BODIES[name], field: value} if isinstance(BODIES[name], dict) else value
            is_as_described(world, name, send(world, name, json.dumps(body).encode()))


@depths
@pytest.mark.parametrize("name", WITH_BODY)
def test_in_bodies_that_are_no_json(world: World, name: str, depth: str) -> None:
    for body in RAW if depth == "all" else (RAW[0], *chosen(RAW, WITH_BODY.index(name), depth)):
        is_as_described(world, name, send(world, name, body))


@depths
@pytest.mark.parametrize("name", [name for name in OPERATIONS if "{" in OPERATIONS[name][1]])
def test_in_a_path(world: World, name: str, depth: str) -> None:
    method, path, _ = OPERATIONS[name]
    raw = None if BODIES.get(name) is None else json.dumps(BODIES[name]).encode()
    for number, variable in enumerate(variables(path), NAMES.index(name)):
        for text in chosen(IN_URLS, number, depth):
            hostile = path.format(**world.ids | {variable: f"{world.ids[variable][:-1]}{text}"})
            is_as_described(
                world, name, world.send(method, hostile, data=raw, headers={"Content-Type": "application/json"})
            )


@depths
@pytest.mark.parametrize("name", OPERATIONS)
def test_in_a_query(world: World, name: str, depth: str) -> None:
    method, path, operation = OPERATIONS[name]
    names = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
    if method == "DELETE":
        return  # none of them has one
    path = path.format(**world.ids)
    raw = None if BODIES.get(name) is None else json.dumps(BODIES[name]).encode()
    for number, parameter in enumerate([*names, "unknown", "%00", "%FF"], NAMES.index(name)):
        for text in chosen(IN_URLS, number, depth):
            needed = "".join(f"&{key}={value}" for key, value in QUERIES.get(name, {}).items() if key != parameter)
            answer = world.send(
                method, f"{path}?{parameter}={text}{needed}", data=raw, headers={"Content-Type": "application/json"}
            )
            is_as_described(world, name, answer)


@depths
@pytest.mark.parametrize("name", ["agents.list", "agents.create", "agents.messages.create_async"])
def test_in_a_header(world: World, name: str, depth: str) -> None:
    """Control characters do not come as far as this: the HTTP parser refuses them."""
    raw = json.dumps(BODIES.get(name, {})).encode()
    values = (b"\xff", b"\xed\xa0\x80", b"Bearer \xff\xfe", b"a\tb", b"")
    for number, header in enumerate(HEADERS):
        for value in chosen(values, number, depth):
            is_as_described(world, name, send(world, name, raw, headers={header: value}))


@pytest.mark.parametrize("name", WITH_BODY)
def test_in_length(world: World, name: str) -> None:
    body = BODIES[name]
    for place in places(body):
        is_as_described(world, name, send(world, name, json.dumps(replaced(body, place, LONG)).encode()))
