"""The admin of tools and of MCP servers. Tools are seen here, limited and tagged, not written."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from accounts.admin import OfOrganization
from tools import registry
from tools.models import McpServer, Tool


@admin.register(Tool)
class ToolAdmin(OfOrganization, admin.ModelAdmin):
    list_display = ("name", "tool_type", "organization", "summary", "installed")
    list_filter = ("tool_type", "organization")
    list_select_related = ("organization",)
    search_fields = ("name", "description", "id__exact")
    ordering = ("name",)
    readonly_fields = (
        *("id", "name", "tool_type", "description", "schema", "source", "installed", "created_at", "updated_at"),
        *("packages", "package_state", "package_error"),
    )
    fieldsets = (
        (None, {"fields": ("name", "tool_type", "description", "installed", "schema", "source")}),
        ("Packages", {"fields": ("packages", "package_state", "package_error")}),
        ("Use", {"fields": ("return_char_limit", "enable_parallel_execution", "tags")}),
        ("Row", {"fields": ("organization", "id", "created_at", "updated_at")}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        # A row without a function behind it is a tool that no agent can call.
        return False

    @admin.display(description="description")
    def summary(self, tool: Tool) -> str:
        return tool.description.strip().partition("\n")[0][:100]

    @admin.display(description="asks for")
    def packages(self, tool: Tool) -> str:
        asked = tool.pip_requirements or ()
        return ", ".join(f"{entry['name']} {entry['version'] or ''}".strip() for entry in asked) or "none"

    @admin.display(boolean=True, description="installed")
    def installed(self, tool: Tool) -> bool:
        return registry.find(tool.name) is not None

    @admin.display(description="source code")
    def source(self, tool: Tool) -> str:
        return format_html("<pre>{}</pre>", tool.source_code) if tool.source_code else "none: it is not run in the jail"

    @admin.display(description="JSON schema")
    def schema(self, tool: Tool) -> str:
        return format_html("<pre>{}</pre>", json.dumps(tool.json_schema, indent=2, ensure_ascii=False))


@admin.register(McpServer)
class McpServerAdmin(OfOrganization, admin.ModelAdmin):
    """Seen here, with its health, and removed. It is registered and changed through the API, which asks it at once."""

    list_display = ("name", "organization", "server_type", "place", "health", "tool_count", "checked_at")
    list_filter = ("health", "server_type", "organization")
    list_select_related = ("organization",)
    search_fields = ("name", "url", "command", "id__exact")
    ordering = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "server_type", "url", "command", "args", "secret_names")}),
        ("Health", {"fields": ("health", "error", "checked_at", "synced_at", "tool_count")}),
        ("Row", {"fields": ("organization", "id", "created_at", "updated_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[McpServer]:
        return super().get_queryset(request).annotate(tool_count=Count("tools"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: McpServer | None = None) -> bool:
        return False

    @admin.display(description="where")
    def place(self, server: McpServer) -> str:
        return server.url or server.command

    @admin.display(description="tools", ordering="tool_count")
    def tool_count(self, server: Any) -> int:
        return int(server.tool_count)

    @admin.display(description="secrets")
    def secret_names(self, server: McpServer) -> str:
        return ", ".join(f"{name} {entry['shown']}" for name, entry in server.secrets.items()) or "none"
