"""Docstrings in the Google, NumPy and reST styles: what they say of a function or class, and of each of its parts."""

import ast
from dataclasses import dataclass

import docstring_parser

LONGEST = 8_000
"""Characters. The parser's expressions take the square of them, and hold up the whole process meanwhile."""
MOST_STEPS = 30_000_000
"""Of the one that looks for a type in brackets, which takes the square of a line for each bracket in it."""


@dataclass(frozen=True, slots=True)
class Documented:
    """`description` is empty where there is no docstring; `parts` are the arguments or attributes, by name."""

    description: str
    parts: dict[str, str]


class Unreadable(ValueError):
    """The docstring breaks the rules of the style that it seems to be written in, or is too long."""


def documented(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Documented:
    """Raises Unreadable."""
    text = ast.get_docstring(node) or ""
    if len(text) > LONGEST or _steps(text) > MOST_STEPS:
        raise Unreadable
    try:
        parsed = docstring_parser.parse(text)
    except (docstring_parser.ParseError, IndexError):  # the latter for a line that begins with two colons
        raise Unreadable from None
    parts = {param.arg_name: (param.description or "").strip() for param in parsed.params}
    return Documented(_description(parsed), parts)


def _steps(text: str) -> int:
    heads = (line.partition(":")[0] for line in text.split("\n"))
    return sum(head.count("(") * len(head) ** 2 for head in heads)


def _description(parsed: docstring_parser.Docstring) -> str:
    parts = [parsed.short_description, parsed.long_description]
    examples = [example.description or example.snippet for example in parsed.examples]
    parts += [f"Examples:\n{text}" for text in examples if text]
    return "\n\n".join(part for part in parts if part)
