"""The admin of tools, with what agents did with them: their rows stand above the tools."""

from typing import Any

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from agents.admin.display import badge, between, link, list_link, short, when
from agents.models import ToolAttempt
from memory.admin import shortened
from tools.admin import ToolAdmin
from tools.models import Tool

RECENT = 20

admin.site.unregister(Tool)


@admin.register(Tool)
class UsedToolAdmin(ToolAdmin):
    readonly_fields: Any = (*ToolAdmin.readonly_fields, "recent_calls")
    fieldsets: Any = (*ToolAdmin.fieldsets[:1], ("Calls", {"fields": ("recent_calls",)}), *ToolAdmin.fieldsets[1:])

    @admin.display(description="last calls")
    def recent_calls(self, tool: Tool) -> SafeString | str:
        """By the tool's name, which is what a call has of it."""
        attempts = ToolAttempt.objects.filter(organization_id=tool.organization_id, name=tool.name)
        rows = [_row(attempt) for attempt in attempts.order_by("-id")[:RECENT]]
        if not rows:
            return "none yet"
        head = ("started at", "outcome", "ran for", "arguments", "run")
        return format_html(
            "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>{}",
            format_html_join("", "<th>{}</th>", ((word,) for word in head)),
            format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", rows),
            list_link("toolattempt", "All calls", q=tool.name),
        )


def _row(attempt: ToolAttempt) -> tuple[SafeString | str, ...]:
    return (
        when(attempt.started_at),
        badge(attempt.status),
        between(attempt.started_at, attempt.finished_at),
        shortened(attempt.arguments, 80),
        link("run", attempt.run_id, short(attempt.run_id)),
    )
