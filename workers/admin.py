"""The admin of workers: who is alive, and how much each one holds."""

from datetime import timedelta

from django.contrib import admin
from django.utils import timezone

from accounts.admin import ReadOnly
from workers.models import Worker

ALIVE = timedelta(seconds=30)
"""A worker whose last heartbeat is older counts as gone."""


@admin.register(Worker)
class WorkerAdmin(ReadOnly, admin.ModelAdmin):
    list_display = (
        "name",
        "alive",
        "host",
        "pid",
        "turns",
        "slots",
        "sandbox",
        "version",
        "started_at",
        "heartbeat_at",
    )
    search_fields = ("name", "host")
    ordering = ("-heartbeat_at",)
    fields = list_display

    @admin.display(boolean=True)
    def alive(self, worker: Worker) -> bool:
        return worker.heartbeat_at > timezone.now() - ALIVE
