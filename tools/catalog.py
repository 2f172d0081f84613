"""An organization's list of tools: those of the server, which get a row there to be seen and attached, and its own."""

from collections.abc import Sequence
from typing import Any

from django.contrib.postgres.search import SearchVector
from django.db import IntegrityError, transaction
from django.db.models import F, Func, QuerySet, TextField, Value
from django.db.models.functions import Concat

from memory.search import by_words, newest_first
from tools import packages, registry
from tools.models import Tool


class NameTaken(ValueError):
    """The organization has another tool of its own with this name."""


def ensure(organization_id: str) -> None:
    """Give the organization a row, as it should be now, for every registered tool. Safe to call at any time."""
    known = {tool.name: tool for tool in _of_server(organization_id)}
    registered = registry.registered()
    missing = [tool for tool in registered if tool.spec.name not in known]
    Tool.objects.bulk_create((_row(organization_id, tool) for tool in missing), ignore_conflicts=True)
    # A later version of this server may describe a tool in other words. Its limits and tags are the organization's.
    for tool in registered:
        row = known.get(tool.spec.name)
        if row is not None and row.json_schema != (schema := _schema(tool)):
            Tool.objects.filter(id=row.id).update(json_schema=schema, description=tool.spec.description)


def listed(rows: QuerySet[Tool]) -> QuerySet[Tool]:
    """Without those of the server that it lacks something for at the moment."""
    return rows.exclude(source_code=None, mcp_server=None, name__in=list(registry.absent()))


def named(organization_id: str, names: Sequence[str]) -> list[Tool]:
    """The tools of these names, in their order. Names that do not exist are left out.

    Of two tools of one name it is the server's: what an organization writes never replaces a built-in unasked, and is
    attached by its id.
    """
    found = _by_name(organization_id, names)
    if any(name not in found or not found[name].is_of_server for name in names):
        ensure(organization_id)
        found = _by_name(organization_id, names)
    return [found[name] for name in dict.fromkeys(names) if name in found]


def put(organization_id: str, actor_id: str | None, columns: dict[str, Any]) -> Tool:
    """The organization's own tool of this name, made or overwritten. What `columns` does not say stays as it is."""
    own = {"organization_id": organization_id, "name": columns["name"], "source_code__isnull": False}
    changed = columns | {"last_updated_by_id": actor_id}
    existing = Tool.objects.filter(**own).first()
    tool, _ = Tool.objects.update_or_create(
        defaults=_without_known_packages(existing, changed),
        create_defaults=changed | {"created_by_id": actor_id},
        **own,
    )
    return tool


def change(tool: Tool, actor_id: str | None, columns: dict[str, Any]) -> None:
    """Raises NameTaken."""
    for name, value in _without_known_packages(tool, columns).items():
        setattr(tool, name, value)
    tool.last_updated_by_id = actor_id
    try:
        with transaction.atomic():
            tool.save()
    except IntegrityError:
        raise NameTaken(f"Another tool is called {tool.name!r}. Rename the function, or delete that tool.") from None


def _without_known_packages(tool: Tool | None, columns: dict[str, Any]) -> dict[str, Any]:
    """The same requirements again are no reason to install them again."""
    if tool is None or not packages.still_good(tool, columns):
        return columns
    return {name: value for name, value in columns.items() if not name.startswith("package_")}


def search(rows: QuerySet[Tool], query: str) -> QuerySet[Tool]:
    """By the words of name, description and tags, best first; each has its `rank`. Without words, the newest first."""
    if not query.strip():
        return newest_first(rows)
    tags = Func(F("tags"), Value(" "), function="array_to_string", output_field=TextField())
    text = Concat("name", Value(" "), "description", Value(" "), tags, output_field=TextField())
    return by_words(rows.annotate(text=text, terms=SearchVector(text, config="english")), query)


def _of_server(organization_id: str) -> QuerySet[Tool]:
    return Tool.objects.filter(organization_id=organization_id, source_code=None, mcp_server=None)


def _by_name(organization_id: str, names: Sequence[str]) -> dict[str, Tool]:
    rows = listed(Tool.objects.filter(organization_id=organization_id, name__in=names))
    # The server's come last, so that they win; before them the organization's own.
    return {
        tool.name: tool for tool in sorted(rows, key=lambda tool: (tool.is_of_server, tool.source_code is not None))
    }


def _row(organization_id: str, tool: registry.RegisteredTool) -> Tool:
    spec = tool.spec
    return Tool(
        organization_id=organization_id,
        name=spec.name,
        tool_type=tool.tool_type,
        description=spec.description,
        json_schema=_schema(tool),
        tags=list(tool.tags),
        return_char_limit=spec.return_chars,
        enable_parallel_execution=spec.parallel,
    )


def _schema(tool: registry.RegisteredTool) -> dict[str, Any]:
    spec = tool.spec
    return {"name": spec.name, "description": spec.description, "parameters": spec.parameters}
