"""The classes of a source that stand for JSON: pydantic models, dataclasses, TypedDicts, NamedTuples and Enums."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tools.schema.docstrings import Documented, Unreadable, documented
from tools.schema.errors import UnsupportedType
from tools.schema.literals import NotJson, scalar
from tools.schema.names import Names

_KINDS = {
    "BaseModel": "model",
    "TypedDict": "typed dict",
    "NamedTuple": "named tuple",
    "Enum": "enum",
    "IntEnum": "enum",
    "StrEnum": "enum",
}
_WITHOUT_FIELDS = frozenset({"object", "ABC", "Generic", "str", "int", "float", "ReprEnum"})
_WRAPPERS = frozenset({"Required", "NotRequired", "ReadOnly", "Final", "InitVar"})
_NO_FIELDS = frozenset({"ClassVar", "KW_ONLY"})


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute. `settings` is the `Field(...)` or `field(...)` it was given, `description` what is written of it
    elsewhere."""

    name: str
    annotation: ast.expr
    required: bool
    default: ast.expr | None
    settings: ast.Call | None
    description: str


@dataclass(frozen=True, slots=True)
class Record:
    description: str
    fields: list[Field]


@dataclass(frozen=True, slots=True)
class Choices:
    """An Enum: the value of each member."""

    description: str
    members: dict[str, Any]


def read_class(node: ast.ClassDef, names: Names) -> Record | Choices:
    """Raises UnsupportedType."""
    lineage = list(_lineage(node, names, set()))
    kind = next((kind for cls in lineage if (kind := _kind(cls, names))), None)
    if kind is None:
        raise UnsupportedType(
            node.lineno,
            f"class {node.name!r} has no counterpart in JSON; make it a dataclass, TypedDict, pydantic model or Enum.",
        )
    if kind == "enum":
        return Choices(_documented(node).description, _members(node, names))
    fields = {field.name: field for cls in lineage for field in _fields(cls, names)}
    return Record(_documented(node).description, list(fields.values()))


def keyword(call: ast.Call, *names: str) -> ast.expr | None:
    """The first of these keyword arguments that the call has."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    return next((given[name] for name in names if name in given), None)


def text_of(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _lineage(node: ast.ClassDef, names: Names, seen: set[str]) -> Iterator[ast.ClassDef]:
    """The class and what it inherits from, the oldest first, so that later fields replace earlier ones."""
    seen.add(node.name)
    for base in reversed(node.bases):
        base = base.value if isinstance(base, ast.Subscript) else base
        parent = names.find_class(base)
        if parent is None and names.origin(base) not in _KINDS.keys() | _WITHOUT_FIELDS:
            raise UnsupportedType(
                base.lineno,
                f"class {node.name!r} inherits from `{ast.unparse(base)[:200]}`, which is not in this source; "
                "copy it in.",
            )
        if parent and parent.name not in seen:
            yield from _lineage(parent, names, seen)
    yield node


def _kind(node: ast.ClassDef, names: Names) -> str | None:
    for decorator in node.decorator_list:
        if names.origin(decorator.func if isinstance(decorator, ast.Call) else decorator) == "dataclass":
            return "dataclass"
    bases = (base.value if isinstance(base, ast.Subscript) else base for base in node.bases)
    return next((_KINDS[name] for base in bases if (name := names.origin(base)) in _KINDS), None)


def _documented(node: ast.ClassDef) -> Documented:
    try:
        return documented(node)
    except Unreadable:
        return Documented(ast.get_docstring(node) or "", {})


def _fields(node: ast.ClassDef, names: Names) -> Iterator[Field]:
    described, needed = _documented(node).parts, not _is_partial(node)
    for statement, following in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            comment = text_of(following.value) if isinstance(following, ast.Expr) else ""
            name = statement.target.id
            yield from _field(name, statement, names, comment or described.get(name, ""), needed)


def _is_partial(node: ast.ClassDef) -> bool:
    """Whether it is a TypedDict with `total=False`."""
    total = next((keyword.value for keyword in node.keywords if keyword.arg == "total"), None)
    return isinstance(total, ast.Constant) and total.value is False


def _field(name: str, statement: ast.AnnAssign, names: Names, description: str, needed: bool) -> Iterator[Field]:
    """Nothing for what is no field: a class variable, a private attribute, what the constructor does not take."""
    annotation, wrappers = _unwrapped(statement.annotation, names)
    settings = _settings(statement.value, names)
    default = _default(statement.value, settings)
    if name.startswith("_") or names.origin(annotation) in _NO_FIELDS or _NO_FIELDS & wrappers or _is_made(settings):
        return
    if settings:
        name = text_of(keyword(settings, "validation_alias", "alias")) or name
    has_default = default is not None or (settings is not None and keyword(settings, "default_factory") is not None)
    required = not has_default and "NotRequired" not in wrappers and (needed or "Required" in wrappers)
    yield Field(name, annotation, required, default, settings, description)


def _unwrapped(annotation: ast.expr, names: Names) -> tuple[ast.expr, set[str]]:
    """`int` and the wrappers of `Required[ReadOnly[int]]`."""
    wrappers: set[str] = set()
    while isinstance(annotation, ast.Subscript) and (name := names.origin(annotation.value)) in _WRAPPERS | _NO_FIELDS:
        wrappers.add(name or "")
        annotation = annotation.slice
    return annotation, wrappers


def _settings(value: ast.expr | None, names: Names) -> ast.Call | None:
    return value if isinstance(value, ast.Call) and names.origin(value.func) in ("Field", "field") else None


def _default(value: ast.expr | None, settings: ast.Call | None) -> ast.expr | None:
    if settings:
        value = settings.args[0] if settings.args else keyword(settings, "default")
    return None if isinstance(value, ast.Constant) and value.value is ... else value


def _is_made(settings: ast.Call | None) -> bool:
    """Whether the class makes the attribute itself: `field(init=False)`."""
    given = keyword(settings, "init") if settings else None
    return isinstance(given, ast.Constant) and given.value is False


def _members(node: ast.ClassDef, names: Names) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            if not name.startswith("_"):
                members[name] = _member(node, names, name, statement.value, members)
    if not members:
        raise UnsupportedType(node.lineno, f"enum {node.name!r} has no members; give it some.")
    return members


def _member(node: ast.ClassDef, names: Names, name: str, value: ast.expr, before: dict[str, Any]) -> Any:
    if isinstance(value, ast.Call) and names.origin(value.func) == "auto":
        numbers = [known for known in before.values() if isinstance(known, int)]
        is_text = any(names.origin(base) == "StrEnum" for base in node.bases)
        return name.lower() if is_text else max(numbers, default=0) + 1
    try:
        return scalar(value)
    except NotJson:
        raise UnsupportedType(
            value.lineno, f"the value of {node.name}.{name} is no text, number or boolean; write one."
        ) from None
