"""Python source -> JSON schema, and a typed error with a line for everything that has none."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools import schema
from tools.schema import SchemaError, schema_from_source


def parameters(signature: str, *documented: str) -> dict[str, Any]:
    args = "\n".join(f"        {name}: About {name}." for name in documented)
    source = f'def f({signature}):\n    """Do it.\n\n    Args:\n{args}\n    """\n'
    found = schema_from_source(source)["parameters"]
    assert found["type"] == "object"
    return {"required": found["required"], **found["properties"]}


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("str", {"type": "string"}),
        ("int", {"type": "integer"}),
        ("float", {"type": "number"}),
        ("bool", {"type": "boolean"}),
        ("list", {"type": "array", "items": {"type": "string"}}),
        ("List", {"type": "array", "items": {"type": "string"}}),
        ("list[int]", {"type": "array", "items": {"type": "integer"}}),
        ("typing.List[str]", {"type": "array", "items": {"type": "string"}}),
        ("list[list[int]]", {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}),
        ("list[int | None]", {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}),
        ("dict", {"type": "object"}),
        ("dict[str, int]", {"type": "object", "additionalProperties": {"type": "integer"}}),
        (
            "Dict[str, list[str]]",
            {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
        ),
        ("int | str", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ("Union[int, str]", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ("Literal['x', 'y']", {"type": "string", "enum": ["x", "y"]}),
        ("Literal[1, -2]", {"type": "integer", "enum": [1, -2]}),
        ("Literal[True]", {"type": "boolean", "enum": [True]}),
        ("Literal['x', 1]", {"enum": ["x", 1]}),
        ("'int'", {"type": "integer"}),
        ("Any", {}),
        ("set[int]", {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
        ("frozenset", {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        ("Sequence[int]", {"type": "array", "items": {"type": "integer"}}),
        ("collections.abc.Iterable[int]", {"type": "array", "items": {"type": "integer"}}),
        ("tuple", {"type": "array", "items": {"type": "string"}}),
        ("tuple[int, ...]", {"type": "array", "items": {"type": "integer"}}),
        ("Tuple[int, int]", {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}),
        (
            "tuple[int, str]",
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                "minItems": 2,
                "maxItems": 2,
            },
        ),
        ("Mapping[str, float]", {"type": "object", "additionalProperties": {"type": "number"}}),
        ("dict[str, Any]", {"type": "object", "additionalProperties": {}}),
        (
            "dict[Literal['x', 'y'], int]",
            {
                "type": "object",
                "additionalProperties": {"type": "integer"},
                "propertyNames": {"type": "string", "enum": ["x", "y"]},
            },
        ),
        ("datetime", {"type": "string", "format": "date-time"}),
        ("datetime.date", {"type": "string", "format": "date"}),
        ("time", {"type": "string", "format": "time"}),
        ("UUID", {"type": "string", "format": "uuid"}),
        ("Decimal", {"type": "string", "format": "decimal"}),
        ("Annotated[int, Field(ge=1, le=9)]", {"type": "integer", "minimum": 1, "maximum": 9}),
        ("Annotated[str, Field(max_length=5)]", {"type": "string", "maxLength": 5}),
        (
            "list[Annotated[int, 'Its age.']]",
            {"type": "array", "items": {"type": "integer", "description": "Its age."}},
        ),
        ("int | int", {"type": "integer"}),
        ("'list[int] | str'", {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "string"}]}),
    ],
)
def test_types(annotation: str, expected: dict[str, Any]) -> None:
    assert parameters(f"a: {annotation}", "a") == {"required": ["a"], "a": expected | {"description": "About a."}}


@pytest.mark.parametrize(
    "annotation",
    ["Optional[int]", "int | None", "None | int", "Union[int, None]", "'int | None'", "Annotated[int | None, 'x']"],
)
def test_what_may_be_none_may_be_left_out(annotation: str) -> None:
    assert parameters(f"a: {annotation}", "a") == {"required": [], "a": {"type": "integer", "description": "About a."}}


def test_several_types_or_none() -> None:
    found = parameters("a: Optional[int | str] = None", "a")
    assert found["a"]["anyOf"] == [{"type": "integer"}, {"type": "string"}]


def test_defaults_are_not_required() -> None:
    found = parameters("a: int, b: str = 'x', *, c: int, d: int = 1", "a", "b", "c", "d")
    assert found["required"] == ["a", "c"]
    assert found["b"] == {"type": "string", "description": "About b.", "default": "x"}


@pytest.mark.parametrize(
    ("written", "value"),
    [("-1", -1), ("0.5", 0.5), ("False", False), ("''", ""), ("[1, (2,)]", [1, [2]]), ("{'a': None}", {"a": None})],
)
def test_defaults_that_json_can_say(written: str, value: Any) -> None:
    assert parameters(f"a: Any = {written}", "a")["a"]["default"] == value


@pytest.mark.parametrize("written", ["None", "b'x'", "{1}", "1e999", "1j", "{1: 2}", "f()", "0x" + "f" * 5_000])
def test_defaults_that_it_cannot(written: str) -> None:
    found = parameters(f"a: Any = {written}", "a")
    assert found == {"required": [], "a": {"description": "About a."}}


@pytest.mark.parametrize(
    "first", ["self", "agent_state", "context", "ctx: ToolContext", "c: 'ToolContext'", "c: x.ToolContext"]
)
def test_the_first_parameter_may_be_hidden(first: str) -> None:
    assert parameters(f"{first}, a: int", "a")["required"] == ["a"]


@pytest.mark.parametrize("later", ["agent_state: AgentState", "agent_state", "ctx: ToolContext"])
def test_what_the_server_gives_is_hidden_anywhere(later: str) -> None:
    assert parameters(f"a: int, {later}", "a")["required"] == ["a"]


@pytest.mark.parametrize("signature", ["context: str, a: int", "a: int, context: str"])
def test_a_context_with_a_type_is_an_argument(signature: str) -> None:
    assert set(parameters(signature, "a", "context")["required"]) == {"a", "context"}


def test_given_parameters_are_taken_and_the_arguments_are_not_read() -> None:
    given = {"type": "object", "properties": {"a": {"type": "string"}}, "required": []}
    assert schema_from_source("def f(a): ...", given) == {"name": "f", "description": "", "parameters": given}


def test_stars_are_left_out() -> None:
    assert parameters("a: int, *args, **kwargs", "a")["required"] == ["a"]


def test_name_and_description() -> None:
    source = '''
class Other:
    def method(self): ...

def first(): ...

@decorated
async def second(a: int) -> str:
    """Short.

    Long
    text.

    Args:
        a (int): The a.

    Returns:
        str: nothing

    Examples:
        second(1)
    """
    def nested(): ...

x = 1
'''
    assert schema_from_source(source) == {
        "name": "second",
        "description": "Short.\n\nLong\ntext.\n\nExamples:\nsecond(1)",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer", "description": "The a."}},
            "required": ["a"],
        },
    }


@pytest.mark.parametrize(
    "docstring",
    [
        "Short.\n\n    Parameters\n    ----------\n    a : int\n        The a.\n    ",
        "Short.\n\n    :param a: The a.\n    ",
        "Short.\n\n    Args:\n        a: The a.\n        unknown: Not an argument.\n    ",
    ],
)
def test_docstring_styles(docstring: str) -> None:
    found = schema_from_source(f'def f(a: int):\n    """{docstring}"""')
    assert found["description"] == "Short."
    assert found["parameters"]["properties"] == {"a": {"type": "integer", "description": "The a."}}


DOCUMENTED = '"""Do.\n\n    Args:\n        a: The a.\n    """'


@pytest.mark.parametrize(
    ("source", "error", "text"),
    [
        ("", schema.NoFunction, "Line 1: no function found"),
        ("class A:\n    def f(self): ...", schema.NoFunction, "no function"),
        ("x = 1\ndef f(:", schema.InvalidSource, "Line 2: this is not valid Python"),
        ("def f(): '\0'", schema.InvalidSource, "null"),
        ("x" * 100_001, schema.InvalidSource, "longer than 100000 bytes"),
        ("ä" * 50_001, schema.InvalidSource, "longer than 100000 bytes"),
        ("(" * 5_000 + ")" * 5_000, schema.InvalidSource, "nested"),
        ("-" * 50_000 + "1", schema.InvalidSource, "nested too deeply"),
        ("1" + "+1" * 40_000, schema.InvalidSource, "nested too deeply"),
        (
            "def f(a: int):\n    'Do.\\n\\n: :type a: int'",
            schema.MissingDocstring,
            "cannot be read; write it in the Google",
        ),
        ("\ndef f(a: int): ...", schema.MissingDocstring, "Line 2: function 'f' has no docstring"),
        ('def f(): "  "', schema.MissingDocstring, "docstring"),
        (
            'def f(a: int):\n    """Do."""',
            schema.UndocumentedArgument,
            "Line 1: argument 'a' of function 'f' is not described",
        ),
        (f"def f(\n  a):\n    {DOCUMENTED}", schema.UnannotatedArgument, "Line 2: argument 'a' .* as in `a: str`"),
        ("def größe(): 'Do.'", schema.UnsupportedName, "function 'größe' cannot be shown"),
        (f"def {'f' * 65}(): 'Do.'", schema.UnsupportedName, "at most 64"),
        ("def f(größe: int): 'Do.'", schema.UnsupportedName, "argument 'größe' cannot be shown"),
        (f"def f(a: int, /):\n    {DOCUMENTED}", schema.UnsupportedArgument, "remove the '/'"),
    ],
)
def test_what_has_no_schema(source: str, error: type[SchemaError], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        schema_from_source(source)
    assert caught.value.line >= 1


@pytest.mark.parametrize(
    "annotation",
    [
        "bytes", "Colour", "None", "tuple[()]", "dict[int, str]", "list[int, str]", "list[Colour]", "Literal[1.5]",
        "list[Union[()]]", "list[Literal[()]]", "Annotated[()]", "list[Optional[()]]",
        "Literal[b'x']", "Literal[Colour.RED]", "Literal[[1]]", "'not python'", "''", "Optional[None]", "f()",
        "int | Colour",
    ],
)  # fmt: skip
def test_types_without_counterpart(annotation: str) -> None:
    with pytest.raises(schema.UnsupportedType, match=r"Line 2: type `.*` has no counterpart"):
        parameters(f"\na: {annotation}", "a")


def test_a_deeply_nested_annotation() -> None:
    with pytest.raises(SchemaError):
        parameters(f"a: {' | '.join(['int'] * 20_000)}", "a")
    with pytest.raises(schema.TooLarge, match="Line 1: the types are nested more than 20 levels deep"):
        parameters(f"a: {'list[' * 25}int{']' * 25}", "a")


def test_the_source_is_never_run(tmp_path: Any) -> None:
    trace = tmp_path / "ran"
    source = f"open({str(trace)!r}, 'w')\ndef f(a: int = open({str(trace)!r}, 'w')):\n    {DOCUMENTED}"
    assert schema_from_source(source)["name"] == "f"
    assert not trace.exists()


def test_results_do_not_share_state() -> None:
    parameters("a: list", "a")["a"]["items"]["type"] = "broken"
    assert parameters("a: list", "a")["a"]["items"] == {"type": "string"}


@pytest.mark.parametrize(
    "docstring",
    [
        "Do it.\n\n    Args:\n        " + "(" * 3_000 + ": x",
        "Do it.\n\n    " + "word " * 2_000,
        "(" * 2_000 + "\n" + "(" * 2_000,
    ],
)
def test_docstrings_that_would_take_for_ever_to_read(docstring: str) -> None:
    began = time.process_time()
    with pytest.raises(SchemaError, match=r"cannot be read; .* shorter than 8,000"):
        schema_from_source(f'def f(a: int):\n    """{docstring}"""\n')
    assert time.process_time() - began < 2


@pytest.mark.parametrize("twice", ["Union[T{0}, T{0}]", "T{0} | T{0}", "Optional[Union[T{0}, T{0}]]"])
def test_unions_that_double_at_each_level(twice: str) -> None:
    aliases = [f"T{n + 1} = {twice.format(n)}" for n in range(22)]
    source = "\n".join(["T0 = int", *aliases, 'def f(a: T22):\n    """Do it.\n\n    Args:\n        a: A.\n    """'])
    with pytest.raises(schema.TooLarge):
        schema_from_source(source)


pieces = st.sampled_from(
    [
        "class A(BaseModel):\n    x: ",
        "A",
        "\n",
        "Literal[",
        "Annotated[",
        "tuple[",
        "()",
        "Any",
        "def f(",
        "a",
        ": ",
        "int",
        "list[",
        "]",
        " | ",
        "None",
        ", ",
        "):\n    ",
        DOCUMENTED,
        "'",
        "=",
        "*",
    ]
)


@given(st.text() | st.lists(pieces).map("".join))
def test_any_text_is_a_schema_or_a_schema_error(source: str) -> None:
    try:
        found = schema_from_source(source)
    except SchemaError:
        return
    assert found["name"]
    assert set(found["parameters"]["required"]) <= set(found["parameters"]["properties"])
