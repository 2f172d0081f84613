"""The admin of identities: what belongs to them, exported and erased; and the jobs that do it."""

import json
from collections.abc import AsyncIterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin import OfOrganization, ReadOnly, person
from accounts.words import counted
from agents.admin.display import badge, block_of, link, list_link, pretty, short, when
from agents.errors import ClientError
from agents.following import in_thread
from agents.hints import want_upkeep
from agents.models import ExportPiece, Identity, IdentityJob
from agents.privacy.jobs import start

SURE = "erase"
ARCHIVE = "admin:agents_identityjob_archive"


class SureForm(ActionForm):
    sure = forms.CharField(required=False, label="To erase", help_text=f"Write the word {SURE}.")


@admin.register(Identity)
class IdentityAdmin(ReadOnly, OfOrganization, admin.ModelAdmin):
    list_display = ("name", "identifier_key", "identity_type", "organization", "agents_held", "created_at")
    list_filter = ("identity_type", "organization")
    list_select_related = ("organization",)
    search_fields = ("name", "identifier_key", "id__exact")
    ordering = ("-created_at",)
    action_form = SureForm
    actions = ("export_data", "erase_data")
    fields = (
        ("name", "identity_type"),
        ("identifier_key", "project_id"),
        "known",
        "jobs",
        ("organization", "id"),
        ("created_at", "updated_at"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Identity]:
        return super().get_queryset(request).annotate(held=Count("agents"))

    @admin.display(description="agents", ordering="held")
    def agents_held(self, identity: Any) -> int:
        return identity.held

    @admin.display(description="properties")
    def known(self, identity: Identity) -> SafeString:
        return block_of(pretty(identity.properties))

    @admin.display(description="exports and erasures")
    def jobs(self, identity: Identity) -> SafeString:
        return list_link("identityjob", "Its jobs", identity_id__exact=identity.id)

    @admin.action(description="Export all data of selected identities", permissions=["operate"])
    def export_data(self, request: HttpRequest, rows: QuerySet[Identity]) -> None:
        self._start(request, rows, IdentityJob.Kind.EXPORT)

    @admin.action(description="Erase all data of selected identities for ever", permissions=["operate"])
    def erase_data(self, request: HttpRequest, rows: QuerySet[Identity]) -> None:
        if request.POST.get("sure", "").strip() != SURE:
            self.message_user(request, f"Nothing is erased: write the word {SURE} beside the action.", messages.WARNING)
            return
        self._start(request, rows, IdentityJob.Kind.ERASE)

    def _start(self, request: HttpRequest, rows: QuerySet[Identity], kind: IdentityJob.Kind) -> None:
        for identity in rows:
            try:
                job = start(identity, kind, person(request).pk)
            except ClientError as error:
                self.message_user(request, f"{identity}: {error}", messages.WARNING)
                continue
            self.message_user(request, format_html("{}: {}", identity, link("identityjob", job.id, str(job))))
        want_upkeep()


@admin.register(IdentityJob)
class IdentityJobAdmin(ReadOnly, OfOrganization, admin.ModelAdmin):
    list_display = ("kind", "whose", "state", "told", "created", "completed")
    list_filter = ("kind", "status", "created_at", "organization")
    search_fields = ("id__exact", "identity_id__exact")
    search_help_text = "Id of a job or an identity"
    ordering = ("-created_at",)
    fields = (
        ("kind", "state", "stage"),
        ("identity_id", "created_by_id"),
        "told",
        "archive",
        "error",
        ("created_at", "started_at", "completed_at", "expires_at"),
        ("organization", "id", "failures", "not_before"),
    )

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return lookup == "identity_id__exact" or super().lookup_allowed(lookup, value, request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.archive_view)
        return [path("<str:id>/archive/", view, name="agents_identityjob_archive"), *super().get_urls()]

    def archive_view(self, request: HttpRequest, id: str) -> StreamingHttpResponse:
        """All rows of a finished export as JSON lines, for whoever may see messages."""
        if not (self.has_view_permission(request) and request.user.has_perm("agents.view_message")):
            raise PermissionDenied
        job = self.get_queryset(request).filter(id=id).first()
        if job is None or not _has_archive(job):
            raise Http404
        named = {"Content-Disposition": f'attachment; filename="{job.identity_id}.jsonl"'}
        return StreamingHttpResponse(_lines(job), content_type="application/x-ndjson", headers=named)

    @admin.display(description="archive")
    def archive(self, job: IdentityJob) -> SafeString | str:
        if not _has_archive(job):
            return ""
        return format_html('<a href="{}">Download as JSON lines</a>', reverse(ARCHIVE, args=[job.id]))

    @admin.display(description="identity", ordering="identity_id")
    def whose(self, job: IdentityJob) -> SafeString:
        return short(job.identity_id)

    @admin.display(description="completed at", ordering="completed_at")
    def completed(self, job: IdentityJob) -> SafeString | str:
        return when(job.completed_at)

    @admin.display(description="status", ordering="status")
    def state(self, job: IdentityJob) -> SafeString:
        return badge(job.status)

    @admin.display(description="report")
    def told(self, job: IdentityJob) -> str:
        return counted(job.report)

    @admin.display(description="created at", ordering="created_at")
    def created(self, job: IdentityJob) -> SafeString | str:
        return when(job.created_at)


def _has_archive(job: IdentityJob) -> bool:
    return job.kind == IdentityJob.Kind.EXPORT and job.status == IdentityJob.Status.COMPLETED


async def _lines(job: IdentityJob) -> AsyncIterator[bytes]:
    """A piece at a time: an archive may be larger than memory."""
    for number in range(1, job.report.get("pieces", 0) + 1):
        yield await in_thread(_piece, job.id, number)


def _piece(job_id: str, number: int) -> bytes:
    rows = ExportPiece.objects.get(job_id=job_id, number=number).rows
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
