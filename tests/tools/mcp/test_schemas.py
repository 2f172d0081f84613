"""Schemas of MCP servers, made fit for models' providers."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tools.mcp.schemas import MAX_CHARS, MAX_NODES, sanitised, valid_name


def properties(**schemas: Any) -> dict[str, Any]:
    """What becomes of an object of these."""
    return sanitised({"type": "object", "properties": schemas})["properties"]


@pytest.mark.parametrize("schema", [{}, None, [], "x", {"type": "string"}, {"type": "object"}, {"properties": 5}])
def test_the_root_is_an_object(schema: Any) -> None:
    made = sanitised(schema)
    assert (made["type"], made["properties"], made["required"]) == ("object", {}, [])


def test_what_is_kept() -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where.", "minLength": 1},
            "days": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
            "unit": {"enum": ["c", "f"], "type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "more": {"type": ["string", "null"]},
        },
        "required": ["city"],
        "additionalProperties": False,
    }
    assert sanitised(schema) == schema


def test_what_is_dropped() -> None:
    made = sanitised(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "x",
            "title": "Arguments",
            "type": "object",
            "properties": {
                "a": {"type": "string", "pattern": "(a+)+$", "x-mcp-header": "A", "examples": ["b"], "minLength": -1},
                "bad name!": {"type": "string"},
            },
            "required": ["a", "bad name!", "nowhere", "a", 5],
            "dependentSchemas": {"a": {}},
            "if": {},
        }
    )
    assert made == {
        "type": "object",
        "description": "Arguments",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": True,
    }


def test_references_are_put_in_their_place() -> None:
    made = sanitised(
        {
            "properties": {"at": {"$ref": "#/$defs/Point", "description": "Here."}, "odd": {"$ref": "#/$defs/a~1b"}},
            "$defs": {
                "Point": {"type": "object", "properties": {"x": {"$ref": "#/$defs/Number"}}, "required": ["x"]},
                "Number": {"type": "number"},
                "a/b": {"type": "boolean"},
            },
        }
    )
    assert made["properties"]["at"]["properties"] == {"x": {"type": "number"}}
    assert made["properties"]["at"]["description"] == "Here."
    assert made["properties"]["odd"] == {"type": "boolean"}
    assert "$" not in json.dumps(made)


def test_references_to_nowhere_and_to_themselves() -> None:
    made = properties(
        away={"$ref": "https://example.org/x"}, lost={"$ref": "#/$defs/Nobody"}, top={"$ref": "#"}, bad={"$ref": 5}
    )
    assert (made["away"], made["lost"], made["bad"]) == ({}, {}, {})
    assert "$ref" not in json.dumps(made["top"])
    tree = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Tree"}}}
    made = sanitised({"properties": {"tree": {"$ref": "#/$defs/Tree"}}, "$defs": {"Tree": tree}})
    assert made["properties"]["tree"] == {"type": "object", "properties": {"next": {}}}


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_alternatives(keyword: str) -> None:
    text, nothing = {"type": "string"}, {"type": "null"}
    made = properties(
        twice={keyword: [text, nothing, text]},
        alone={keyword: [text, text], "description": "One."},
        all={keyword: [text, {}]},
    )
    assert made["twice"] == {"anyOf": [text, nothing]}
    assert made["alone"] == {"type": "string", "description": "One."}
    assert made["all"] == {}


def test_all_of() -> None:
    one = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    two = {"properties": {"b": {"type": "integer"}}, "required": ["b"]}
    made = properties(both={"allOf": [one, two]})["both"]
    assert (set(made["properties"]), set(made["required"])) == ({"a", "b"}, {"a", "b"})


def test_alternatives_at_the_root() -> None:
    one = {"properties": {"id": {"type": "string"}, "force": {"type": "boolean"}}, "required": ["id", "force"]}
    two = {"properties": {"id": {"type": "string"}, "name": {"type": "string"}}, "required": ["id"]}
    made = sanitised({"anyOf": [one, two]})
    assert (set(made["properties"]), made["required"]) == ({"id", "force", "name"}, ["id"])
    assert "anyOf" not in made


def test_an_array_has_items() -> None:
    assert properties(list={"type": "array"})["list"] == {"type": "array", "items": {}}


def test_references_that_multiply() -> None:
    """Ten names, each twice the one below: 2^40 nodes, if they were all written out."""
    names = [f"d{number}" for number in range(40)]
    below = {
        name: {"properties": {"a": {"$ref": f"#/$defs/{other}"}, "b": {"$ref": f"#/$defs/{other}"}}}
        for name, other in itertools.pairwise(names)
    }
    made = sanitised({"properties": {"top": {"$ref": "#/$defs/d0"}}, "$defs": below})
    assert json.dumps(made).count("{") < 3 * MAX_NODES


def test_one_that_is_too_deep() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(5000):
        schema = {"type": "object", "properties": {"a": schema}}
    assert json.dumps(sanitised(schema)).count("properties") < 50


def test_one_that_is_too_long() -> None:
    many = {f"p{number}": {"type": "string", "description": "x" * 100} for number in range(1500)}
    assert sanitised({"properties": many}) == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": True,
    }


_KEYWORDS = ["type", "properties", "required", "items", "anyOf", "oneOf", "allOf", "$ref", "$defs", "enum", "const"]
_KEYWORDS += ["default", "description", "format", "minimum", "maxLength", "additionalProperties", "a"]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(_KEYWORDS) | st.text(max_size=4),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(_JSON)
def test_anything_becomes_a_schema(given: Any) -> None:
    made = sanitised(given)
    Draft202012Validator.check_schema(made)
    assert (made["type"], len(json.dumps(made)) <= MAX_CHARS) == ("object", True)
    assert set(made["required"]) <= set(made["properties"])
    assert sanitised(made) == made


@pytest.mark.parametrize(
    ("name", "taken", "made"),
    [
        ("add", [], "add"),
        ("add", ["add"], "add_2"),
        ("add", ["add", "add_2"], "add_3"),
        ("a b/c.d", [], "a_b_c_d"),
        ("", [], "tool"),
        ("天气", ["__"], "___2"),
        ("x" * 99, [], "x" * 64),
        ("x" * 99, ["x" * 64], "x" * 62 + "_2"),
    ],
)
def test_names(name: str, taken: list[str], made: str) -> None:
    assert valid_name(name, taken) == made
