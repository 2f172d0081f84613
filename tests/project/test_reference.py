"""The page at /docs: all of the API, from this server alone."""

import os
import re
import subprocess
import sys

import pytest
from django.http import HttpResponse
from django.test import Client

from agents.api.openapi.document import document
from project.reference import kind_of, prose
from tests.live import Server
from tests.live.browser import browser

IMPORTS = (
    "import django, sys; django.setup(); import project.asgi, project.urls; print('drf_spectacular' in sys.modules)"
)


@pytest.fixture
def page() -> HttpResponse:
    return Client().get("/docs")  # type: ignore[return-value]


def test_every_operation_and_every_object_is_on_it(page: HttpResponse) -> None:
    text = page.content.decode()
    names = [operation["operationId"] for item in document()["paths"].values() for operation in item.values()]
    assert set(re.findall(r'id="([^"]+)" data-text', text)) == {*names, *document()["components"]["schemas"]}
    assert all(entry["reason"] in text for entry in document()["x-not-served"])


def test_every_link_of_it_leads_somewhere(page: HttpResponse) -> None:
    text = page.content.decode()
    ids = set(re.findall(r' id="([^"]+)"', text))
    assert {target for target in re.findall(r'href="#([^"]+)"', text)} <= ids


def test_it_asks_nobody_else_for_anything(page: HttpResponse) -> None:
    assert re.findall(r'(?:src|href)="(?!#|/)[^"]*"', page.content.decode()) == []
    assert page["Content-Security-Policy"].startswith("default-src 'none'")
    assert "http" not in page["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "string"),
        ({"type": ["integer", "null"]}, "integer or null"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Run"}}, 'list of <a href="#Run">Run</a>'),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "object of string"),
        ({"type": "string", "enum": ["<a>"]}, "<code>&quot;&lt;a&gt;&quot;</code>"),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "boolean or null"),
        ({}, "anything"),
    ],
)
def test_kinds_are_told_in_words(schema: dict, words: str) -> None:
    assert kind_of(schema) == words


def test_code_in_prose_is_code() -> None:
    assert prose("a `b` <c>") == "a <code>b</code> &lt;c&gt;"


def test_it_works_in_a_browser(server: Server) -> None:
    shown = "[...document.querySelectorAll('.entry')].filter((one) => !one.hidden).map((one) => one.id)"
    with browser() as page:
        page.open(f"{server.web.url}/docs#agents.create")
        assert page.run("document.getElementById('agents.create').open") is True
        page.run("search.value = 'fork conversation'; search.dispatchEvent(new Event('input'))")
        assert page.run(shown) == ["conversations.fork"]
        assert page.run("document.documentElement.scrollWidth <= innerWidth") is True
        assert page.complaints == []


def test_a_process_that_is_not_asked_for_it_does_not_load_what_makes_it() -> None:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    ran = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True, env=environment)
    assert ran.stdout.strip() == "False"
