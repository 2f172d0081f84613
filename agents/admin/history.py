"""The admin of what messages lack their vectors, and why."""

from django.contrib import admin

from accounts.admin import OfOrganization, ReadOnly
from agents.models import EmbeddedHistory


@admin.register(EmbeddedHistory)
class EmbeddedHistoryAdmin(ReadOnly, OfOrganization, admin.ModelAdmin):
    organization_path = "conversation__organization"
    list_display = ("conversation_id", "embedding", "seq", "attempts", "due_at", "error")
    search_fields = ("conversation_id__exact", "error")
    ordering = ("due_at",)
    fields = list_display
    show_full_result_count = False
