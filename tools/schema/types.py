"""Type annotations -> JSON schemas."""

import ast
import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tools.schema.classes import Choices, Field, Record, keyword, read_class, text_of
from tools.schema.errors import RecursiveType, TooLarge, UnsupportedType
from tools.schema.literals import NotJson, choice_schema, json_value, scalar
from tools.schema.names import Names

Schema = dict[str, Any]

MAX_DEPTH = 20
# Of what the annotations make; the same class may occur in many places, and each time it is written out.
MAX_CHARS = 200_000
CHARS_OF_A_TYPE = 20

SIMPLE: dict[str, Schema] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "Any": {},
    "object": {},
    "datetime": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "timedelta": {"type": "string", "format": "duration"},
    "UUID": {"type": "string", "format": "uuid"},
    "Decimal": {"type": "string", "format": "decimal"},  # a JSON number would lose digits on its way
    "Path": {"type": "string"},
    "EmailStr": {"type": "string", "format": "email"},
    "AnyUrl": {"type": "string", "format": "uri"},
    "HttpUrl": {"type": "string", "format": "uri"},
}
_SETS = frozenset({"set", "Set", "frozenset", "FrozenSet", "AbstractSet", "MutableSet"})
_TUPLES = frozenset({"tuple", "Tuple"})
_LISTS = frozenset({"list", "List", "Sequence", "MutableSequence", "Iterable", "Collection", "deque", "Deque"})
_MAPPINGS = frozenset({"dict", "Dict", "Mapping", "MutableMapping", "OrderedDict", "defaultdict", "DefaultDict"})

_BOUNDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_LENGTHS = {"string": ("minLength", "maxLength"), "array": ("minItems", "maxItems")}


@dataclass(frozen=True, slots=True)
class Told:
    """What `Annotated[...]` says beside the type."""

    description: str = ""
    settings: tuple[ast.Call, ...] = ()


class Types:
    """The schemas of one source's annotations."""

    def __init__(self, names: Names):
        self._names = names
        self._read: dict[str, Record | Choices] = {}
        self._within: list[str] = []
        self._depth = 0
        self._chars = 0

    def property(self, annotation: ast.expr, description: str, default: ast.expr | None) -> Schema:
        """An argument that may be None is one that may be left out: its schema is that of its other types."""
        members = [member for member in self._members(annotation) if not _is_none(member)]
        if not members:
            raise _unsupported(annotation)
        told = self.told(annotation)
        schema = _limited(self._any_of(members), told.settings)
        return self._completed(annotation, schema, description or told.description, default)

    def is_optional(self, annotation: ast.expr) -> bool:
        return any(_is_none(member) for member in self._members(annotation))

    def told(self, annotation: ast.expr) -> Told:
        annotation = self._resolved(annotation)
        if not isinstance(annotation, ast.Subscript) or self._names.origin(annotation.value) != "Annotated":
            return Told()
        notes = _items(annotation)[1:]
        calls = tuple(note for note in notes if isinstance(note, ast.Call))
        texts = [*map(text_of, notes), *(_description(call, self._names) for call in calls)]
        return Told(next(filter(None, texts), ""), calls)

    def _schema(self, node: ast.expr) -> Schema:
        with self._deeper(node):
            told = self.told(node)
            schema = _limited(self._any_of(self._members(node)), told.settings)
            return self._completed(node, schema, told.description, None)

    def _completed(self, node: ast.expr, schema: Schema, description: str, default: ast.expr | None) -> Schema:
        if description:
            self._spend(node, len(description))
            schema = schema | {"description": description}
        value = None if default is None else self._default(default)
        return schema if value is None else schema | {"default": value}

    def _default(self, node: ast.expr) -> Any:
        """None for a default that is no literal, and for None itself, which the schema does not allow."""
        if isinstance(node, ast.Attribute) and (cls := self._names.find_class(node.value)):
            return self._member(cls, node.attr)
        try:
            value = json_value(node)
        except NotJson:
            return None
        self._spend(node, len(json.dumps(value)))
        return value

    def _member(self, cls: ast.ClassDef, name: str) -> Any:
        """The value of an Enum's member; None for what is none."""
        try:
            read = self._class(cls)
        except UnsupportedType:  # constants may be kept in any class
            return None
        return read.members.get(name) if isinstance(read, Choices) else None

    def _any_of(self, members: list[ast.expr]) -> Schema:
        schemas = [{"type": "null"} if _is_none(member) else self._one(member) for member in members]
        different = [schema for index, schema in enumerate(schemas) if schema not in schemas[:index]]
        return different[0] if len(different) == 1 else {"anyOf": different}

    def _one(self, node: ast.expr) -> Schema:
        """The schema of what is no union, alias or quotation."""
        self._spend(node, CHARS_OF_A_TYPE)
        if isinstance(node, ast.Subscript):
            return self._generic(node)
        if cls := self._names.find_class(node):
            return self._of_class(node, cls)
        name = self._names.origin(node) or ""
        if name in _LISTS | _SETS | _TUPLES:
            return _array({"type": "string"}, name)
        if name in _MAPPINGS:
            return {"type": "object"}
        if name not in SIMPLE:
            raise _unsupported(node)
        return deepcopy(SIMPLE[name])

    def _generic(self, node: ast.Subscript) -> Schema:
        name, items = self._names.origin(node.value) or "", _items(node)
        if name == "Literal":
            return self._literal(node, items)
        if name in _LISTS | _SETS and len(items) == 1:
            return _array(self._schema(items[0]), name)
        if name in _TUPLES and items:
            return self._tuple(items)
        if name in _MAPPINGS and len(items) == 2:
            return self._mapping(node, items[0], items[1])
        raise _unsupported(node)

    def _literal(self, node: ast.Subscript, items: list[ast.expr]) -> Schema:
        try:
            values = [scalar(item) for item in items]
        except NotJson:
            raise _unsupported(node) from None
        if not values or any(isinstance(value, float) for value in values):
            raise _unsupported(node)
        self._spend(node, len(json.dumps(values)))
        return choice_schema(values)

    def _tuple(self, items: list[ast.expr]) -> Schema:
        if len(items) == 2 and isinstance(items[1], ast.Constant) and items[1].value is ...:
            return _array(self._schema(items[0]), "tuple")
        places = [self._schema(item) for item in items]
        different = [schema for index, schema in enumerate(places) if schema not in places[:index]]
        size = {"minItems": len(places), "maxItems": len(places)}
        if len(different) == 1:
            return {"type": "array", "items": different[0]} | size
        # `items` says again what `prefixItems` says, for the providers that look at nothing else.
        return {"type": "array", "prefixItems": places, "items": {"anyOf": different}} | size

    def _mapping(self, node: ast.Subscript, key: ast.expr, value: ast.expr) -> Schema:
        keys = self._schema(key)
        if keys and keys.get("type") != "string":
            raise _unsupported(node)
        names = {"propertyNames": keys} if len(keys) > 1 else {}
        return {"type": "object", "additionalProperties": self._schema(value)} | names

    def _of_class(self, node: ast.expr, cls: ast.ClassDef) -> Schema:
        if cls.name in self._within:
            raise RecursiveType(
                node.lineno, f"class {cls.name!r} contains itself, which no schema can say; make its inner one a dict."
            )
        self._within.append(cls.name)
        read = self._class(cls)
        schema = self._choices(node, read) if isinstance(read, Choices) else self._object(read)
        self._within.pop()
        return self._completed(node, schema, read.description, None)

    def _class(self, cls: ast.ClassDef) -> Record | Choices:
        if cls.name not in self._read:
            self._read[cls.name] = read_class(cls, self._names)
        return self._read[cls.name]

    def _choices(self, node: ast.expr, read: Choices) -> Schema:
        values = list(dict.fromkeys(read.members.values()))
        self._spend(node, len(json.dumps(values)))
        return choice_schema(values)

    def _object(self, record: Record) -> Schema:
        properties = {field.name: self._field(field) for field in record.fields}
        required = [field.name for field in record.fields if field.required]
        return {"type": "object", "properties": properties, "required": required}

    def _field(self, field: Field) -> Schema:
        """A field that must be given may be given as null; one that may be left out need not."""
        with self._deeper(field.annotation):
            self._spend(field.annotation, len(field.name))
            described = (_description(field.settings, self._names) if field.settings else "") or field.description
            if field.required and self.is_optional(field.annotation):
                schema = self._schema(field.annotation)
                schema = schema | {"description": described} if described else schema
            else:
                schema = self.property(field.annotation, described, field.default)
            return _limited(schema, (field.settings,) if field.settings else ())

    def _members(self, node: ast.expr) -> list[ast.expr]:
        """The types of `A | B`, `Union[A, B]` and `Optional[A]` (with None); any other type alone."""
        self._spend(node, 1)  # an alias of a union of an alias ... twice in each is as many as 2 to their number
        node = self._resolved(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return [*self._members(node.left), *self._members(node.right)]
        if not isinstance(node, ast.Subscript):
            return [node]
        name, items = self._names.origin(node.value), _items(node)
        if not items:
            return [node]
        if name == "Annotated":
            return self._members(items[0])
        if name == "Optional":
            return [*self._members(node.slice), _none(node)]
        if name == "Union":
            return [member for item in items for member in self._members(item)]
        return _without_none(node, items) if name == "Literal" else [node]

    def _resolved(self, node: ast.expr) -> ast.expr:
        """What a quotation or an alias stands for, however many there are in between."""
        seen: set[str] = set()
        while True:
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                self._spend(node, len(node.value))
                node = _quoted_annotation(node, node.value)
                continue
            meaning = self._names.find(node)
            if not isinstance(node, ast.Name) or meaning is None or isinstance(meaning, ast.ClassDef):
                return node
            if node.id in seen:
                raise RecursiveType(node.lineno, f"type {node.id!r} stands for itself; say what it is.")
            seen.add(node.id)
            node = meaning

    @contextmanager
    def _deeper(self, node: ast.expr) -> Iterator[None]:
        if self._depth == MAX_DEPTH:
            raise TooLarge(node.lineno, f"the types are nested more than {MAX_DEPTH} levels deep; use a flatter one.")
        self._depth += 1
        yield
        self._depth -= 1

    def _spend(self, node: ast.expr, chars: int) -> None:
        self._chars += chars
        if self._chars > MAX_CHARS:
            raise TooLarge(node.lineno, f"the schema would be longer than {MAX_CHARS} characters; use fewer types.")


def _limited(schema: Schema, settings: tuple[ast.Call, ...]) -> Schema:
    """With the bounds of `Field(ge=1, max_length=5)`, as far as they suit the schema's type."""
    for call in settings:
        schema = schema | _bounds(call, schema.get("type"))
    return schema


def _bounds(call: ast.Call, kind: str | None) -> Schema:
    words = dict(_BOUNDS) if kind in ("integer", "number") else {}
    if kind in _LENGTHS:
        words |= dict(zip(("min_length", "max_length"), _LENGTHS[kind], strict=True))
    given = ((words.get(keyword.arg or ""), keyword.value) for keyword in call.keywords)
    return {word: value.value for word, value in given if word and _is_number(value)}  # type: ignore[attr-defined]


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def _description(call: ast.Call, names: Names) -> str:
    """Of `Field(description="...")` and `Doc("...")`."""
    if names.origin(call.func) == "Doc" and call.args:
        return text_of(call.args[0])
    return text_of(keyword(call, "description"))


def _array(items: Schema, name: str) -> Schema:
    return {"type": "array", "items": items} | ({"uniqueItems": True} if name in _SETS else {})


def _items(node: ast.Subscript) -> list[ast.expr]:
    return list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]


def _without_none(node: ast.Subscript, items: list[ast.expr]) -> list[ast.expr]:
    """`Literal["a"]` and None, of `Literal["a", None]`."""
    rest = [item for item in items if not _is_none(item)]
    if len(rest) == len(items) or not rest:
        return [node]
    narrowed = ast.Subscript(node.value, ast.Tuple(rest), ast.Load())
    return [ast.copy_location(narrowed, node), _none(node)]


def _none(node: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Constant(None), node)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _quoted_annotation(node: ast.expr, text: str) -> ast.expr:
    try:
        annotation = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError):
        raise _unsupported(node) from None
    for part in ast.walk(annotation):
        ast.copy_location(part, node)
    return annotation


def _unsupported(node: ast.expr) -> UnsupportedType:
    return UnsupportedType(
        node.lineno,
        f"type `{ast.unparse(node)[:200]}` has no counterpart in JSON; use str, int, float, bool, list[...], "
        "dict[str, ...], Literal[...], a dataclass, TypedDict, pydantic model or Enum of this source, or a union.",
    )
