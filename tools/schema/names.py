"""What an annotation may refer to: the classes, type aliases and renamed imports at the top level of a source."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Names:
    """`declared` maps a name to its class or to the type it stands for, `renamed` an imported name to its origin."""

    declared: dict[str, ast.ClassDef | ast.expr] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)

    def origin(self, node: ast.expr) -> str | None:
        """`Optional` of `Optional`, of `typing.Optional`, and of `Opt` after `from typing import Optional as Opt`."""
        if isinstance(node, ast.Name):
            return self.renamed.get(node.id, node.id)
        return node.attr if isinstance(node, ast.Attribute) else None

    def find(self, node: ast.expr) -> ast.ClassDef | ast.expr | None:
        return self.declared.get(node.id) if isinstance(node, ast.Name) else None

    def find_class(self, node: ast.expr) -> ast.ClassDef | None:
        return found if isinstance(found := self.find(node), ast.ClassDef) else None


def names_of(module: ast.Module) -> Names:
    names = Names()
    for statement in module.body:
        if isinstance(statement, ast.ImportFrom):
            names.renamed.update({alias.asname: alias.name for alias in statement.names if alias.asname})
        for name, meaning in _declared(statement):
            names.declared[name] = meaning
    return names


def _declared(statement: ast.stmt) -> Iterator[tuple[str, ast.ClassDef | ast.expr]]:
    if isinstance(statement, ast.ClassDef):
        yield statement.name, statement
    elif isinstance(statement, ast.Assign):
        names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
        yield from ((name, _new_type(statement.value)) for name in names)
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
        yield statement.target.id, statement.value
    elif type(statement).__name__ == "TypeAlias":  # `type Name = ...`, which Python 3.11 does not know
        yield statement.name.id, statement.value  # type: ignore[attr-defined]


def _new_type(value: ast.expr) -> ast.expr:
    """`int` of `NewType("UserId", int)`; any other value as it is."""
    if not isinstance(value, ast.Call) or len(value.args) != 2:
        return value
    name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", None)
    return value.args[1] if name == "NewType" else value
