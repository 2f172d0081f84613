"""Docstrings in the Google, NumPy and reST styles: what they say of a function or class, and of each of its parts."""

import ast
from dataclasses import dataclass

import docstring_parser


@dataclass(frozen=True, slots=True)
class Documented:
    """`description` is empty where there is no docstring; `parts` are the arguments or attributes, by name."""

    description: str
    parts: dict[str, str]


class Unreadable(ValueError):
    """The docstring breaks the rules of the style that it seems to be written in."""


def documented(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Documented:
    """Raises Unreadable."""
    try:
        parsed = docstring_parser.parse(ast.get_docstring(node) or "")
    except (docstring_parser.ParseError, IndexError):  # the latter for a line that begins with two colons
        raise Unreadable from None
    parts = {param.arg_name: (param.description or "").strip() for param in parsed.params}
    return Documented(_description(parsed), parts)


def _description(parsed: docstring_parser.Docstring) -> str:
    parts = [parsed.short_description, parsed.long_description]
    examples = [example.description or example.snippet for example in parsed.examples]
    parts += [f"Examples:\n{text}" for text in examples if text]
    return "\n\n".join(part for part in parts if part)
