"""What a model may write as arguments, and what it is told otherwise."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.arguments import parse
from tools.spec import ToolError

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "label": {"type": "string"},
        "line": {"type": "integer"},
        "factor": {"type": "number"},
        "roles": {"type": "array", "items": {"type": "string", "enum": ["user", "tool"]}},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        "any_number": {"type": ["integer", "number"]},
    },
    "required": ["label"],
}
NOTHING_REQUIRED: dict[str, Any] = {"type": "object", "properties": {}, "required": []}


class AnySchema(BaseHTTPRequestHandler):
    """Serves a schema that everything fits."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")


def told(text: str, schema: dict[str, Any] = SCHEMA) -> str:
    with pytest.raises(ToolError) as caught:
        parse(text, schema)
    return str(caught.value)


def test_arguments_that_fit() -> None:
    given_arguments = {"label": "human", "line": 2, "roles": ["user"], "either": "x"}
    assert parse(json.dumps(given_arguments), SCHEMA) == given_arguments


def test_defaults_are_not_filled_in() -> None:
    assert parse('{"label": "a"}', {**SCHEMA, "properties": {**SCHEMA["properties"], "n": {"default": 1}}}) == {
        "label": "a"
    }


@pytest.mark.parametrize("text", ["", "  \n"])
def test_nothing_is_an_empty_object_where_nothing_is_required(text: str) -> None:
    assert parse(text, NOTHING_REQUIRED) == {}
    assert "No arguments were given, and the tool needs: label" in told(text)


def test_integral_floats_become_integers_where_one_is_wanted() -> None:
    arguments = parse(
        '{"label": "a", "line": 2.0, "factor": 2.0, "counts": {"x": 1e2}, "either": 3.0, "any_number": 4.0}', SCHEMA
    )
    types = [type(arguments[name]) for name in ("line", "factor", "either", "any_number")]
    assert types == [int, float, int, float]
    assert type(arguments["counts"]["x"]) is int


def test_nothing_else_is_converted() -> None:
    assert "- line: '2' is not of type 'integer'" in told('{"label": "a", "line": "2"}')


@pytest.mark.parametrize("text", ['{"label": "a', '{"label": "a"', '{"label":', "{", '{"roles": ["user",'])
def test_cut_off_json_is_named_as_such(text: str) -> None:
    assert "cut off" in told(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{'label': 'a'}", "not valid JSON: .* line 1, column 2"),
        ('{"label": "a"} {}', "not valid JSON"),
        ('["a"]', "a JSON array, not an object"),
        ('"a"', "a JSON string, not an object"),
        ("true", "a JSON boolean, not an object"),
        ("null", "a JSON null, not an object"),
        ('{"factor": NaN}', "hold NaN"),
        ('{"factor": -Infinity}', "hold -Infinity"),
        ('{"factor": 1e999}', "hold 1e999"),
        ('{"label": "a", "label": "b"}', "name label twice"),
        ('{"counts": {"x": 1, "x": 2}}', "name x twice"),
        ('{"line": ' + "9" * 5000 + "}", "too many digits"),
        ("x" * 1_000_001, "1000001 characters"),
        ('{"label": ' + "[" * 64 + "]" * 64 + "}", "deeper than 64"),
        ('{"label": ' + "[" * 100_000, "deeper than 64"),
    ],
)
def test_what_is_not_strict_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        parse(text, SCHEMA)


def test_sixty_four_levels_are_taken() -> None:
    open_schema = {"type": "object"}
    assert parse('{"a": ' + "[" * 63 + "]" * 63 + "}", open_schema)


def test_every_violation_is_named_by_its_path() -> None:
    text = told('{"line": "x", "roles": ["user", "nobody"], "counts": {"x": 1.5}}')
    assert "- arguments: 'label' is a required property" in text
    assert "- line: " in text
    assert "- roles[1]: 'nobody' is not one of ['user', 'tool']" in text
    assert "- counts.x: 1.5 is not of type 'integer'" in text


def test_the_list_of_violations_is_short() -> None:
    lines = told(json.dumps({"label": "a", "roles": ["y" * 5_000] * 50})).splitlines()
    assert len(lines) == 6
    assert max(map(len, lines)) < 350


def test_an_unknown_argument_is_told_the_names_there_are() -> None:
    assert "- labl: there is no such argument (there are: label, line" in told('{"label": "a", "labl": "b"}')


def test_unknown_arguments_pass_where_the_schema_takes_them() -> None:
    assert parse('{"label": "a", "more": 1}', {**SCHEMA, "additionalProperties": True}) == {"label": "a", "more": 1}


def test_null_is_answered_with_the_advice_to_leave_it_out() -> None:
    assert "(leave it out instead)" in told('{"label": "a", "line": null}')


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"properties": {"a": {"minLength": "long"}}},
        {"$ref": "#/$defs/missing"},
    ],
)
def test_a_bad_schema_is_an_error_of_the_tool(schema: dict[str, Any]) -> None:
    assert "own schema" in told('{"a": "b"}', schema)


@pytest.fixture
def schema_address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), AnySchema) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/schema.json"
        server.shutdown()
        thread.join()


def test_a_schema_elsewhere_is_never_fetched(schema_address: str) -> None:
    assert "own schema refers to something that is not in it" in told("{}", {"$ref": schema_address})


def test_a_schema_that_refers_to_itself_without_end() -> None:
    assert "nested" in told("{}", {"$ref": "#"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from([*SCHEMA["properties"], "other"])


@given(st.text() | st.dictionaries(names, json_values).map(json.dumps))
def test_any_text_is_arguments_or_a_tool_error(text: str) -> None:
    try:
        arguments = parse(text, SCHEMA)
    except ToolError:
        return
    assert isinstance(arguments["label"], str)
    assert isinstance(arguments.get("line", 0), int)


@given(st.dictionaries(st.text(), json_values.filter(lambda value: value == value), max_size=4))
def test_what_fits_comes_back_as_it_was_written(arguments: dict[str, Any]) -> None:
    try:
        text = json.dumps(arguments, allow_nan=False)
    except ValueError:
        return
    assert parse(text, {"type": "object"}) == arguments
