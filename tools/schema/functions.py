"""The function that is the tool: its name, its docstring and its arguments."""

import ast
import re
from typing import Any

from tools.schema.docstrings import LONGEST, Documented, Unreadable, documented
from tools.schema.errors import (
    InvalidSource,
    MissingDocstring,
    NoFunction,
    SchemaError,
    UnannotatedArgument,
    UndocumentedArgument,
    UnsupportedArgument,
    UnsupportedName,
)
from tools.schema.names import names_of
from tools.schema.types import Types

MAX_SOURCE_BYTES = 100_000

# What providers take.
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)

HIDDEN_NAMES = frozenset({"self", "agent_state"})
HIDDEN_TYPE = "ToolContext"

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def schema_from_source(source: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
    """`{name, description, parameters}` of the last function at the top level. Raises SchemaError.

    parameters   given by the client: the arguments are then not read, and no docstring is needed
    """
    try:
        return _schema(_parsed(source), parameters)
    except RecursionError:
        raise InvalidSource(1, "the code is nested too deeply; take it apart.") from None


def function_name(source: str) -> str:
    """The function that a source is there for: the last one at the top level. Raises SchemaError."""
    return _last_function(_parsed(source)).name


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


def _schema(module: ast.Module, parameters: dict[str, Any] | None) -> dict[str, Any]:
    function = _last_function(module)
    _check_name(function, "function", function.name)
    told = _documented(function, needed=parameters is None)
    if parameters is None:
        parameters = _parameters(function, told.parts, Types(names_of(module)))
    return {"name": function.name, "description": told.description, "parameters": parameters}


def _last_function(module: ast.Module) -> FunctionNode:
    functions = [node for node in module.body if isinstance(node, FunctionNode)]
    if not functions:
        raise NoFunction(1, "no function found; define one at the top level with `def`.")
    return functions[-1]


def _check_name(node: FunctionNode | ast.arg, kind: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise UnsupportedName(
            node.lineno,
            f"{kind} {name[:80]!r} cannot be shown to a model; use at most 64 of the letters a-z, digits and _.",
        )


def _documented(function: FunctionNode, needed: bool) -> Documented:
    text = ast.get_docstring(function) or ""
    if needed and not text.strip():
        raise MissingDocstring(
            function.lineno, f"function {function.name!r} has no docstring; add one that says what it does."
        )
    try:
        return documented(function)
    except Unreadable:
        raise MissingDocstring(
            function.lineno,
            f"the docstring of {function.name!r} cannot be read; write it in the Google style, and shorter than "
            f"{LONGEST:,} characters.",
        ) from None


def _parameters(function: FunctionNode, described: dict[str, str], types: Types) -> dict[str, Any]:
    properties, required = {}, []
    for argument, default in _arguments(function):
        annotation = _annotation(argument, function.name)
        description = described.get(argument.arg) or types.told(annotation).description
        if not description:
            raise _undocumented(argument, function.name)
        properties[argument.arg] = types.property(annotation, description, default)
        if default is None and not types.is_optional(annotation):
            required.append(argument.arg)
    return {"type": "object", "properties": properties, "required": required}


def _arguments(function: FunctionNode) -> list[tuple[ast.arg, ast.expr | None]]:
    """The arguments that the model gives, each with its default. `*args` and `**kwargs` are left out."""
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults)) + [*given.defaults]
    pairs = [*zip(positional, defaults, strict=True), *zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    shown = [pair for pair in pairs if not _is_hidden(pair[0], is_first=pair is pairs[0])]
    _check_named(function, [argument for argument, _ in shown])
    return shown


def _check_named(function: FunctionNode, shown: list[ast.arg]) -> None:
    for argument in shown:
        _check_name(argument, "argument", argument.arg)
        if argument in function.args.posonlyargs:
            raise UnsupportedArgument(
                argument.lineno, f"argument {argument.arg!r} cannot be passed by name; remove the '/' after it."
            )


def _is_hidden(argument: ast.arg, is_first: bool) -> bool:
    """What the server gives. A first `context` without a type is one, too; with another type it is the model's."""
    annotation = argument.annotation
    if argument.arg in HIDDEN_NAMES or (is_first and argument.arg == "context" and annotation is None):
        return True
    if isinstance(annotation, ast.Constant):
        return annotation.value == HIDDEN_TYPE
    return (isinstance(annotation, ast.Name) and annotation.id == HIDDEN_TYPE) or (
        isinstance(annotation, ast.Attribute) and annotation.attr == HIDDEN_TYPE
    )


def _annotation(argument: ast.arg, function: str) -> ast.expr:
    if argument.annotation is None:
        raise UnannotatedArgument(
            argument.lineno, f"{_where(argument, function)} has no type; write one, as in `{argument.arg}: str`."
        )
    return argument.annotation


def _undocumented(argument: ast.arg, function: str) -> SchemaError:
    return UndocumentedArgument(
        argument.lineno, f"{_where(argument, function)} is not described; add it to `Args:` in the docstring."
    )


def _where(argument: ast.arg, function: str) -> str:
    return f"argument {argument.arg!r} of function {function!r}"
