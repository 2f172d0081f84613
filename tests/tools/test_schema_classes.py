"""Classes and aliases that a source declares for its arguments."""

from typing import Any

import pytest

from tools import schema
from tools.schema import schema_from_source

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}


def argument(declarations: str, annotation: str, default: str = "") -> dict[str, Any]:
    """The schema of one argument without its description."""
    source = (
        f'{declarations}\n\ndef f(a: {annotation}{default}):\n    """Do it.\n\n    Args:\n        a: The a.\n    """'
    )
    found = dict(schema_from_source(source)["parameters"]["properties"]["a"])
    assert found.pop("description") == "The a."
    return found


def record(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


COLOUR = """
class Colour(str, Enum):
    '''A colour of the flag.'''
    RED = "red"
    BLUE = "blue"
    _ignored = 1

    def mixed(self): ...
"""

POINT = """
@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0
"""


class TestEnums:
    def test_values_are_shown(self) -> None:
        assert argument(COLOUR, "Colour") == {"type": "string", "enum": ["red", "blue"]}
        assert argument(COLOUR, "list[Colour]")["items"]["description"] == "A colour of the flag."

    def test_a_member_as_default(self) -> None:
        assert argument(COLOUR, "Colour", " = Colour.BLUE")["default"] == "blue"

    def test_a_constant_of_another_class_as_default(self) -> None:
        assert argument("class Sizes:\n    BIG = 3", "int", " = Sizes.BIG") == WHOLE

    @pytest.mark.parametrize(
        ("base", "values"), [("Enum", [1, 7, 8]), ("IntEnum", [1, 7, 8]), ("enum.Enum", [1, 7, 8])]
    )
    def test_auto_counts(self, base: str, values: list[int]) -> None:
        source = f"class Level({base}):\n    LOW = auto()\n    MID = 7\n    HIGH = enum.auto()"
        assert argument(source, "Level") == {"type": "integer", "enum": values}

    def test_auto_of_text(self) -> None:
        assert argument("class Level(StrEnum):\n    LOW = auto()", "Level")["enum"] == ["low"]

    @pytest.mark.parametrize("body", ["RED = (1, 2)", "RED = f()", "RED = b'x'"])
    def test_other_values_are_refused(self, body: str) -> None:
        with pytest.raises(schema.UnsupportedType, match=r"Line 2: the value of Colour.RED is no text"):
            argument(f"class Colour(Enum):\n    {body}", "Colour")

    def test_without_members(self) -> None:
        with pytest.raises(schema.UnsupportedType, match="has no members"):
            argument("class Colour(Enum):\n    pass", "Colour")


class TestRecords:
    def test_dataclass(self) -> None:
        assert argument(POINT, "Point") == record(["x"], x=WHOLE, y=WHOLE | {"default": 0})

    def test_fields_of_a_dataclass(self) -> None:
        source = """
@dataclasses.dataclass
class Order:
    '''An order.

    Attributes:
        lines: What is bought.
    '''
    lines: list[str] = field(default_factory=list)
    made: int = field(init=False)
    count: ClassVar[int] = 0
    _: KW_ONLY
    note: str
    '''For the cook.'''
"""
        lines = {"type": "array", "items": TEXT, "description": "What is bought."}
        assert argument(source, "Order") == record(["note"], lines=lines, note=TEXT | {"description": "For the cook."})

    def test_typed_dict(self) -> None:
        source = """
class Place(TypedDict, total=False):
    town: Required[str]
    street: str
class Home(Place):
    key: int
    floor: NotRequired[int]
"""
        assert argument(source, "Home") == record(["town", "key"], town=TEXT, street=TEXT, key=WHOLE, floor=WHOLE)

    def test_named_tuple(self) -> None:
        assert argument("class P(NamedTuple):\n    x: int\n    y: int = 2", "P") == record(
            ["x"], x=WHOLE, y=WHOLE | {"default": 2}
        )

    def test_pydantic_model(self) -> None:
        source = """
class Address(BaseModel):
    '''Where somebody lives.'''
    town: str = Field(description="The town.", min_length=1)

class Person(BaseModel):
    name: str = Field(..., description="The name.", alias="full name")
    age: int = Field(30, ge=0)
    tags: list[str] = Field(default_factory=list)
    nick: Optional[str] = None
    boss: Optional[str]
    homes: list[Address]
    model_config = ConfigDict(extra="forbid")
    _hidden: int = PrivateAttr(1)
"""
        address = record(["town"], town=TEXT | {"description": "The town.", "minLength": 1})
        assert argument(source, "Person") == record(
            ["full name", "boss", "homes"],
            **{
                "full name": TEXT | {"description": "The name."},
                "age": WHOLE | {"default": 30, "minimum": 0},
                "tags": {"type": "array", "items": TEXT},
                "nick": TEXT,
                "boss": {"anyOf": [TEXT, {"type": "null"}]},
                "homes": {"type": "array", "items": address | {"description": "Where somebody lives."}},
            },
        )

    def test_inheritance_keeps_the_order_and_replaces_fields(self) -> None:
        source = """
class Named(BaseModel):
    name: str
    size: int
class Box(Named):
    size: str = "big"
    colour: str
"""
        assert argument(source, "Box") == record(
            ["name", "colour"], name=TEXT, size=TEXT | {"default": "big"}, colour=TEXT
        )

    def test_nested_in_anything(self) -> None:
        point = record(["x"], x=WHOLE, y=WHOLE | {"default": 0})
        assert argument(POINT, "dict[str, list[Point] | None]") == {
            "type": "object",
            "additionalProperties": {"anyOf": [{"type": "array", "items": point}, {"type": "null"}]},
        }

    def test_the_same_class_in_many_places(self) -> None:
        point = record(["x"], x=WHOLE, y=WHOLE | {"default": 0})
        source = POINT + "@dataclass\nclass Line:\n" + "".join(f"    p{place}: Point\n" for place in range(30))
        assert argument(source, "Line")["properties"] == {f"p{place}": point for place in range(30)}

    def test_an_annotation_may_describe_a_field(self) -> None:
        source = "class Box(BaseModel):\n    size: Annotated[int, 'How large.']"
        assert argument(source, "Box") == record(["size"], size=WHOLE | {"description": "How large."})

    @pytest.mark.parametrize(
        "source",
        [
            "class Node(BaseModel):\n    inner: Optional['Node'] = None",
            "class Leaf(BaseModel):\n    up: 'list[Node]'\nclass Node(BaseModel):\n    leaves: dict[str, Leaf]",
        ],
    )
    def test_recursion_is_refused(self, source: str) -> None:
        with pytest.raises(schema.RecursiveType, match=r"Line \d: class 'Node' contains itself"):
            argument(source, "Node")

    def test_a_class_that_inherits_from_itself(self) -> None:
        assert argument("class A(A, BaseModel):\n    x: int", "A") == record(["x"], x=WHOLE)

    @pytest.mark.parametrize(
        ("source", "text"),
        [
            ("class Thing:\n    x: int", "Line 1: class 'Thing' has no counterpart in JSON; make it a dataclass"),
            ("class Thing(Imported, BaseModel):\n    x: int", "Line 1: .* `Imported`, which is not in this source"),
            ("class Thing(BaseModel):\n    x: int\n    y: bytes", "Line 3: type `bytes` has no counterpart"),
        ],
    )
    def test_other_classes(self, source: str, text: str) -> None:
        with pytest.raises(schema.UnsupportedType, match=text):
            argument(source, "Thing")


class TestAliases:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("Mode = Literal['a', 'b']", {"type": "string", "enum": ["a", "b"]}),
            ("Mode: TypeAlias = 'list[int]'", {"type": "array", "items": WHOLE}),
            ("Mode = NewType('Mode', int)", WHOLE),
            ("Inner = int\nMode = list[Inner]", {"type": "array", "items": WHOLE}),
            ("from typing import Sequence as Mode", {"type": "array", "items": TEXT}),
        ],
    )
    def test_they_stand_for_their_type(self, source: str, expected: dict[str, Any]) -> None:
        assert argument(source, "Mode") == expected

    @pytest.mark.parametrize("alias", ["Maybe = Optional[int]", "Maybe = Annotated[int | None, 1]"])
    def test_an_alias_may_be_none(self, alias: str) -> None:
        assert argument(alias, "Maybe") == WHOLE

    def test_a_literal_with_none(self) -> None:
        assert argument("", "Literal['a', None]") == {"type": "string", "enum": ["a"]}

    @pytest.mark.parametrize("source", ["Loop = Loop", "Loop = Other\nOther = Loop", "Loop = 'Loop'"])
    def test_a_circle(self, source: str) -> None:
        with pytest.raises(schema.RecursiveType, match="stands for itself"):
            argument(source, "Loop")

    def test_a_circle_of_generics(self) -> None:
        with pytest.raises(schema.TooLarge, match="nested"):
            argument("Loop = list[Loop]", "Loop")


def test_an_annotation_may_describe_the_argument() -> None:
    for note in ("'How many.'", "Field(description='How many.')", "Doc('How many.')"):
        source = f"def f(a: Annotated[int, {note}]):\n    'Do it.'"
        assert schema_from_source(source)["parameters"]["properties"] == {"a": WHOLE | {"description": "How many."}}


@pytest.mark.parametrize(
    "source",
    [
        "A = int\n" + "".join(f"A{i} = tuple[A{i - 1}, A{i - 1}, A{i - 1}]\n" for i in range(1, 18)).replace("A0", "A"),
        "class A(BaseModel):\n    x: int\n"
        + "".join(
            f"class A{i}(BaseModel):\n    a: A{i - 1}\n    b: A{i - 1}\n    c: A{i - 1}\n" for i in range(1, 18)
        ).replace("A0", "A"),
        "A = Literal[" + "'x'," * 15_000 + "]\nA17 = tuple[" + "A," * 10_000 + "]",
        f"A = '{' ' * 50_000}int'\nA17 = tuple[" + "A," * 10_000 + "]",
    ],
    ids=["aliases", "models", "literals", "quotations"],
)
def test_types_that_grow_without_end_are_stopped(source: str) -> None:
    with pytest.raises(schema.SchemaError):
        argument(source, "A17")
