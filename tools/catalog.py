"""An organization's list of tools: the registered ones get a row there, so that they can be seen and attached."""

from collections.abc import Sequence

from tools import registry
from tools.models import Tool


def ensure(organization_id: str) -> None:
    """Give the organization a row for every registered tool that it has none of. Safe to call at any time."""
    known = set(Tool.objects.filter(organization_id=organization_id).values_list("name", flat=True))
    missing = [tool for tool in registry.registered() if tool.spec.name not in known]
    Tool.objects.bulk_create((_row(organization_id, tool) for tool in missing), ignore_conflicts=True)


def named(organization_id: str, names: Sequence[str]) -> list[Tool]:
    """The tools of these names, in their order. Names that do not exist are left out."""
    found = {tool.name: tool for tool in Tool.objects.filter(organization_id=organization_id, name__in=names)}
    if len(found) < len(set(names)):
        ensure(organization_id)
        found = {tool.name: tool for tool in Tool.objects.filter(organization_id=organization_id, name__in=names)}
    return [found[name] for name in dict.fromkeys(names) if name in found]


def _row(organization_id: str, tool: registry.RegisteredTool) -> Tool:
    spec = tool.spec
    return Tool(
        organization_id=organization_id,
        name=spec.name,
        tool_type=tool.tool_type,
        description=spec.description,
        json_schema={"name": spec.name, "description": spec.description, "parameters": spec.parameters},
        tags=list(tool.tags),
        return_char_limit=spec.return_chars,
        enable_parallel_execution=tool.parallel,
    )
