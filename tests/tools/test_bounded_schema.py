"""Whatever schema somebody gives of a tool: its arguments are checked in a moment, or refused."""

import json
import tracemalloc
from typing import Any

import pytest

from tools.arguments import parse, schema_fault
from tools.bounded_schema import LONGEST
from tools.spec import ToolError

Schema = dict[str, Any]

BACKTRACKS = "^(a+)+$"
LONG_AGO = "a" * 26 + "!"
"""It would take seconds to find that this does not match."""


def of(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def told(arguments: Schema, schema: Schema) -> str:
    with pytest.raises(ToolError) as caught:
        parse(json.dumps(arguments), schema)
    return str(caught.value)


@pytest.mark.parametrize(
    "schema",
    [
        of(a={"type": "string", "pattern": BACKTRACKS}),
        of(a={"$schema": "https://json-schema.org/draft/2020-12/schema", "pattern": BACKTRACKS}),
        of(a={"$schema": "http://json-schema.org/draft-07/schema#", "allOf": [{"pattern": BACKTRACKS}]}),
    ],
)
def test_expressions_are_not_matched(schema: Schema) -> None:
    assert parse(json.dumps({"a": LONG_AGO}), schema) == {"a": LONG_AGO}


@pytest.mark.parametrize(
    "more",
    [
        {"patternProperties": {BACKTRACKS: {"type": "integer"}}},
        {"patternProperties": {BACKTRACKS: {}}, "additionalProperties": False},
        {"patternProperties": {BACKTRACKS: {}}, "unevaluatedProperties": False},
    ],
)
def test_names_are_not_matched_either(more: Schema) -> None:
    assert parse(json.dumps({LONG_AGO: 1}), {"type": "object"} | more) == {LONG_AGO: 1}


def test_references_that_double_at_each_level() -> None:
    doubled = [{"allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]} for n in range(18)]
    definitions = {f"d{n}": schema for n, schema in enumerate([*doubled, {"type": "integer"}])}
    assert "too many to be checked" in told({"a": 1}, of(a={"$ref": "#/$defs/d0"}) | {"$defs": definitions})


def test_a_long_text_that_none_of_many_alternatives_takes() -> None:
    assert "too many to be checked" in told({"a": "x" * 500_000}, of(a={"anyOf": [{"type": "integer"}] * 200}))


def test_an_alternative_that_does_not_fit_is_told_as_ever() -> None:
    assert "- a: 'x' is not valid under any" in told({"a": "x"}, of(a={"anyOf": [{"type": "integer"}] * 200}))


def test_items_that_cannot_be_sorted_are_found_twice_in_one_pass() -> None:
    schema = of(a={"type": "array", "uniqueItems": True})
    many: Schema = {"a": [{"n": n} for n in range(5_000)]}
    assert parse(json.dumps(many), schema) == many
    assert "- a: some of its items are the same" in told({"a": [{"n": 1}, 2, {"n": 1}]}, schema)


def test_many_arguments_that_fit() -> None:
    schema = of(a={"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}})
    many: Schema = {"a": [{"n": n} for n in range(20_000)]}
    assert parse(json.dumps(many), schema) == many


def test_of_many_unknown_names_the_first_are_told() -> None:
    schema = of(**{f"property_{n}": {} for n in range(1_000)})
    unknown = {f"u{n}": 1 for n in range(20_000)}
    tracemalloc.start()
    try:
        lines = told(unknown, schema).splitlines()
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(lines), lines[1].startswith("- u0: there is no such argument")) == (6, True)
    assert most < 100_000_000


def test_a_schema_of_a_tool_has_an_end() -> None:
    assert schema_fault(of(a={"description": "x" * LONGEST})) == (
        f"Should be a JSON schema: it has {LONGEST + 60:,} characters, and may have {LONGEST:,}"
    )
    assert "its own schema is not valid: it has" in told({}, of(a={"description": "x" * LONGEST}))


def test_expressions_of_a_schema_are_not_read() -> None:
    alike = "a" * 40_000
    assert schema_fault(of(a={"pattern": f"{alike}|{alike}"})) is None
