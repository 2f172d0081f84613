"""The document has every route with every method that it answers, and nothing else; and it is valid."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver, resolve
from jsonschema import Draft202012Validator
from schemathesis.openapi import from_dict

from agents.api import urls
from agents.api.not_served import NotServedHere
from agents.api.openapi import errors, objects, requests
from agents.api.openapi.document import document
from agents.api.openapi.generator import Generator
from agents.api.openapi.operations import TAGS
from tests.agents.api.conftest import Caller, caller

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.fixture
def acme(transactional_db: None) -> Caller:
    return caller("Acme")


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def sample(path: str) -> str:
    """A path in which `x` stands for every variable."""
    return re.sub(r"\{\w+\}", "x", path)


def patterns() -> list[URLPattern]:
    """Every route under /v1/ that serves something."""
    [openapi] = [pattern for pattern in get_resolver().url_patterns if "openapi" in str(pattern.pattern)]
    served = [one for one in urls.urlpatterns if getattr(one.callback, "cls", None) is not NotServedHere]
    return [openapi, *served]


def sample_of(pattern: URLPattern) -> str:
    path = re.sub(r"\(\?P<\w+>.*?\)", "x", str(pattern.pattern)).strip("^").removesuffix("/?$")
    return path if path.startswith("v1/") else f"v1/{path}"


def test_every_route_is_there_with_every_method_and_nothing_else(acme: Caller) -> None:
    described = {(resolve(sample(path)).route, method) for method, path, _ in operations()}
    answered = {
        (resolve(f"/{sample_of(pattern)}").route, method)
        for pattern in patterns()
        for method in METHODS
        if acme.send(method, sample_of(pattern).removeprefix("v1/"), {}).status_code != 405
    }
    assert described - answered == set()
    assert answered - described == set()


def test_what_is_not_served_is_listed_with_its_reason() -> None:
    refused = [one for one in urls.urlpatterns if getattr(one.callback, "cls", None) is NotServedHere]
    listed = document()["x-not-served"]
    assert len(listed) == len(refused)
    assert {entry["reason"] for entry in listed} == {one.callback.initkwargs["reason"] for one in refused}  # type: ignore[attr-defined]


def test_it_is_valid() -> None:
    made = document()
    assert made["openapi"].startswith("3.1")
    from_dict(made).validate()
    for schema in made["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere() -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            yield from (found for item in value.values() for found in references(item))
        elif isinstance(value, list):
            yield from (found for item in value for found in references(item))

    made = document()
    there = {f"#/components/{kind}/{name}" for kind, named in made["components"].items() for name in named}
    found = set(references(made)) | {
        target
        for schema in made["components"]["schemas"].values()
        for target in schema.get("discriminator", {}).get("mapping", {}).values()
    }
    assert found <= there
    unused = {name for name in there if "/securitySchemes/" not in name} - found
    assert unused == set()


def test_no_component_hides_another() -> None:
    """A serializer of the same name as an object would be lost."""
    of_serializers = Generator().get_schema(public=True)["components"]["schemas"]
    groups = [set(of_serializers), *(set(module.components()) for module in (objects, requests, errors))]
    assert sum(map(len, groups)) == len(set.union(*groups))


def test_operations_have_names_of_their_own() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids))
    assert {tag for _, _, operation in operations() for tag in operation["tags"]} == set(TAGS)


def test_it_is_served_without_a_key() -> None:
    response = Client().get("/v1/openapi.json")
    assert response.status_code == 200
    assert response.json() == document()
