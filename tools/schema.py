"""Source of a Python function -> the JSON schema that a model is shown. Read by `ast`; nothing of it is ever run."""

import ast
from copy import deepcopy
from typing import Any

import docstring_parser

MAX_SOURCE_BYTES = 100_000

HIDDEN_NAMES = frozenset({"self", "agent_state", "context"})
HIDDEN_TYPE = "ToolContext"

SIMPLE: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "list": {"type": "array", "items": {"type": "string"}},
    "List": {"type": "array", "items": {"type": "string"}},
    "dict": {"type": "object"},
    "Dict": {"type": "object"},
}

_LITERAL_TYPES = {str: "string", bool: "boolean", int: "integer"}

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class SchemaError(ValueError):
    """No schema can be made of the source. `line` counts from 1."""

    def __init__(self, line: int, message: str):
        super().__init__(f"Line {line}: {message}")
        self.line = line


class InvalidSource(SchemaError):
    """It is too long, or not Python."""


class NoFunction(SchemaError):
    """There is no function at the top level."""


class MissingDocstring(SchemaError):
    """The function has no docstring, or one that cannot be read."""


class UndocumentedArgument(SchemaError):
    """The docstring says nothing about an argument."""


class UnannotatedArgument(SchemaError):
    """An argument has no type annotation."""


class UnsupportedArgument(SchemaError):
    """An argument cannot be passed by its name."""


class UnsupportedType(SchemaError):
    """An annotation has no counterpart in JSON."""


def schema_from_source(source: str) -> dict[str, Any]:
    """`{name, description, parameters}` of the last function at the top level. Raises SchemaError."""
    try:
        return _schema(_last_function(_parsed(source)))
    except RecursionError:
        raise InvalidSource(1, "the code is nested too deeply; take it apart.") from None


def type_schema(node: ast.expr) -> dict[str, Any]:
    """The JSON schema of one annotation."""
    members = _union_members(node)
    if len(members) > 1:
        return {"anyOf": [_member_schema(member) for member in members]}
    if isinstance(node, ast.Subscript):
        return _generic_schema(node)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return type_schema(_quoted_annotation(node, node.value))
    name = _name(node)
    if name is None or name not in SIMPLE:
        raise _unsupported(node)
    return deepcopy(SIMPLE[name])


def _parsed(source: str) -> ast.Module:
    if len(source.encode("utf-8", "replace")) > MAX_SOURCE_BYTES:
        raise InvalidSource(1, f"the source is longer than {MAX_SOURCE_BYTES} bytes; shorten it.")
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise InvalidSource(error.lineno or 1, f"this is not valid Python: {error.msg}.") from None
    except MemoryError:
        raise InvalidSource(1, "the code is nested too deeply; take it apart.") from None
    except ValueError as error:  # a NUL character, a lone surrogate
        raise InvalidSource(1, f"this is not valid Python: {error}.") from None


def _last_function(module: ast.Module) -> FunctionNode:
    functions = [node for node in module.body if isinstance(node, FunctionNode)]
    if not functions:
        raise NoFunction(1, "no function found; define one at the top level with `def`.")
    return functions[-1]


def _schema(function: FunctionNode) -> dict[str, Any]:
    docstring = _docstring(function)
    described = {param.arg_name: (param.description or "").strip() for param in docstring.params}
    properties, required = {}, []
    for argument, has_default in _arguments(function):
        properties[argument.arg] = _property(argument, described, function.name)
        if not has_default and not _is_optional(argument):
            required.append(argument.arg)
    return {
        "name": function.name,
        "description": _description(docstring),
        "parameters": {"type": "object", "properties": properties, "required": required},
    }


def _docstring(function: FunctionNode) -> docstring_parser.Docstring:
    text = ast.get_docstring(function)
    if not text or not text.strip():
        raise MissingDocstring(
            function.lineno, f"function {function.name!r} has no docstring; add one that says what it does."
        )
    try:
        return docstring_parser.parse(text)
    except (docstring_parser.ParseError, IndexError):  # the latter for a line that begins with two colons
        raise MissingDocstring(
            function.lineno, f"the docstring of {function.name!r} cannot be read; write it in the Google style."
        ) from None


def _description(docstring: docstring_parser.Docstring) -> str:
    parts = [docstring.short_description, docstring.long_description]
    examples = [example.description or example.snippet for example in docstring.examples]
    parts += [f"Examples:\n{text}" for text in examples if text]
    return "\n\n".join(part for part in parts if part)


def _arguments(function: FunctionNode) -> list[tuple[ast.arg, bool]]:
    """The arguments that the model gives, each with whether it has a default. `*args` and `**kwargs` are left out."""
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults)) + [*given.defaults]
    pairs = [*zip(positional, defaults, strict=True), *zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    if positional and _is_hidden(positional[0]):
        pairs = pairs[1:]
    _check_named(function, [argument for argument, _ in pairs])
    return [(argument, default is not None) for argument, default in pairs]


def _check_named(function: FunctionNode, shown: list[ast.arg]) -> None:
    for argument in function.args.posonlyargs:
        if argument in shown:
            raise UnsupportedArgument(
                argument.lineno, f"argument {argument.arg!r} cannot be passed by name; remove the '/' after it."
            )


def _is_hidden(argument: ast.arg) -> bool:
    annotation = argument.annotation
    if isinstance(annotation, ast.Constant):
        return annotation.value == HIDDEN_TYPE or argument.arg in HIDDEN_NAMES
    return argument.arg in HIDDEN_NAMES or (annotation is not None and _name(annotation) == HIDDEN_TYPE)


def _property(argument: ast.arg, described: dict[str, str], function_name: str) -> dict[str, Any]:
    where = f"argument {argument.arg!r} of function {function_name!r}"
    if argument.annotation is None:
        raise UnannotatedArgument(argument.lineno, f"{where} has no type; write one, as in `{argument.arg}: str`.")
    if not described.get(argument.arg):
        raise UndocumentedArgument(argument.lineno, f"{where} is not described; add it to `Args:` in the docstring.")
    return _given_schema(argument.annotation) | {"description": described[argument.arg]}


def _given_schema(annotation: ast.expr) -> dict[str, Any]:
    """An argument that may be None is one that may be left out: its schema is that of its other types."""
    members = [member for member in _union_members(annotation) if not _is_none(member)]
    if not members:
        raise _unsupported(annotation)
    schemas = [type_schema(member) for member in members]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _is_optional(argument: ast.arg) -> bool:
    return argument.annotation is not None and any(_is_none(member) for member in _union_members(argument.annotation))


def _union_members(node: ast.expr) -> list[ast.expr]:
    """The types of `A | B`, `Union[A, B]` and `Optional[A]` (with None); any other annotation alone."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _union_members(_quoted_annotation(node, node.value))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_union_members(node.left), *_union_members(node.right)]
    if isinstance(node, ast.Subscript) and _name(node.value) == "Optional":
        return [*_union_members(node.slice), ast.copy_location(ast.Constant(None), node)]
    if isinstance(node, ast.Subscript) and _name(node.value) == "Union":
        return [member for item in _items(node) for member in _union_members(item)]
    return [node]


def _member_schema(node: ast.expr) -> dict[str, Any]:
    return {"type": "null"} if _is_none(node) else type_schema(node)


def _generic_schema(node: ast.Subscript) -> dict[str, Any]:
    name, items = _name(node.value), _items(node)
    if name == "Literal":
        return _literal_schema(node, items)
    if name in ("list", "List") and len(items) == 1:
        return {"type": "array", "items": _member_schema(items[0])}
    if name in ("dict", "Dict") and len(items) == 2 and _name(items[0]) == "str":
        return {"type": "object", "additionalProperties": _member_schema(items[1])}
    raise _unsupported(node)


def _literal_schema(node: ast.Subscript, items: list[ast.expr]) -> dict[str, Any]:
    try:
        values = [ast.literal_eval(item) for item in items]
        types = {_LITERAL_TYPES[type(value)] for value in values}
    except (ValueError, KeyError, TypeError):
        raise _unsupported(node) from None
    return {"type": types.pop(), "enum": values} if len(types) == 1 else {"enum": values}


def _items(node: ast.Subscript) -> list[ast.expr]:
    return list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _name(node: ast.expr) -> str | None:
    """`Optional` of `Optional` and of `typing.Optional`."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


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
        "dict[str, ...], Literal[...], or a union of them.",
    )
