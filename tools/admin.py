"""The admin of tools. A tool is a function of this server: here it is seen, limited and tagged, not written."""

import json

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html

from accounts.admin import OfOrganization
from tools import registry
from tools.models import Tool


@admin.register(Tool)
class ToolAdmin(OfOrganization, admin.ModelAdmin):
    list_display = ("name", "tool_type", "organization", "summary", "installed")
    list_filter = ("tool_type", "organization")
    list_select_related = ("organization",)
    search_fields = ("name", "description", "id__exact")
    ordering = ("name",)
    readonly_fields = ("id", "name", "tool_type", "description", "schema", "installed", "created_at", "updated_at")
    fieldsets = (
        (None, {"fields": ("name", "tool_type", "description", "installed", "schema")}),
        ("Use", {"fields": ("return_char_limit", "enable_parallel_execution", "tags")}),
        ("Row", {"fields": ("organization", "id", "created_at", "updated_at")}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        # A row without a function behind it is a tool that no agent can call.
        return False

    @admin.display(description="description")
    def summary(self, tool: Tool) -> str:
        return tool.description.strip().partition("\n")[0][:100]

    @admin.display(boolean=True, description="installed")
    def installed(self, tool: Tool) -> bool:
        return registry.find(tool.name) is not None

    @admin.display(description="JSON schema")
    def schema(self, tool: Tool) -> str:
        return format_html("<pre>{}</pre>", json.dumps(tool.json_schema, indent=2, ensure_ascii=False))
