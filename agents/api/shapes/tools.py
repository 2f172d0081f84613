"""Tools."""

from agents.api.shapes.values import Shape
from tools.models import Tool

PACKAGES = "packages"
"""What `metadata_` of a tool calls the state of its packages."""


def tool_shape(tool: Tool) -> Shape:
    installed = {"state": tool.package_state, "error": tool.package_error}
    return {
        "id": tool.id,
        "tool_type": tool.tool_type,
        "description": tool.description,
        "source_type": tool.source_type,
        "name": tool.name,
        "tags": tool.tags,
        "source_code": tool.source_code,
        "json_schema": tool.json_schema,
        "args_json_schema": tool.args_json_schema,
        "return_char_limit": tool.return_char_limit,
        "pip_requirements": tool.pip_requirements,
        "npm_requirements": None,
        "default_requires_approval": tool.default_requires_approval,
        "enable_parallel_execution": tool.enable_parallel_execution,
        "created_by_id": tool.created_by_id,
        "last_updated_by_id": tool.last_updated_by_id,
        "metadata_": tool.metadata | ({PACKAGES: installed} if tool.package_state else {}),
        "project_id": tool.project_id,
    }
