"""The admin of callbacks: who wanted to know of a run's end, and whether they were told."""

from django.contrib import admin

from accounts.admin import OfOrganization, ReadOnly
from agents.models import Callback


@admin.register(Callback)
class CallbackAdmin(ReadOnly, OfOrganization, admin.ModelAdmin):
    list_display = ("run", "url", "organization", "attempts", "sent_at", "next_at", "status_code", "error")
    list_select_related = ("run", "organization")
    search_fields = ("run__id__exact", "url")
    ordering = ("-run__created_at",)
    fields = list_display
