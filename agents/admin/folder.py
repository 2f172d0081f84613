"""The admin of folders and files: how far the reading of each file is, and another try at those that failed."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin import OfOrganization, ReadOnly
from agents import folders
from agents.admin.display import badge
from agents.embedding import default_columns
from agents.hints import want_files_read
from memory import files
from memory.admin import shortened
from memory.models import Archive, File, Folder

SHOWN = 4_000
"""Characters of a file's text."""


class FolderForm(forms.ModelForm):
    def clean_name(self) -> str:
        name, organization = self.cleaned_data["name"], self.cleaned_data.get("organization")
        try:
            owner = organization.pk if organization else self.instance.organization_id
            files.check_folder_name(owner, name, None if self.instance._state.adding else self.instance.pk)
        except files.NameTaken as error:
            raise ValidationError(str(error)) from None
        return name


@admin.register(Folder)
class FolderAdmin(OfOrganization, admin.ModelAdmin):
    form = FolderForm
    list_display = ("name", "organization", "file_count", "description", "created_at")
    list_filter = ("organization",)
    list_select_related = ("organization",)
    search_fields = ("name", "id__exact")
    ordering = ("-created_at",)
    readonly_fields = ("embedding", "attached_to", "id", "created_at", "updated_at")
    fields = (
        *("organization", "name", "description", "instructions", "metadata", "chunk_size"),
        *("embedding", "attached_to", "id", "created_at", "updated_at"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Folder]:
        return super().get_queryset(request).annotate(file_count=Count("files"))

    def save_model(self, request: HttpRequest, obj: Folder, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            Archive.objects.create(organization_id=obj.organization_id, folder=obj, name=obj.name, **default_columns())

    def delete_model(self, request: HttpRequest, obj: Folder) -> None:
        folders.delete(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Folder]) -> None:
        for folder in queryset:
            folders.delete(folder)

    @admin.display(description="files", ordering="file_count")
    def file_count(self, folder: Any) -> int:
        return int(folder.file_count)

    @admin.display
    def embedding(self, folder: Folder) -> str:
        return folder.archive.embedding or "none: words only"

    @admin.display(description="attached to")
    def attached_to(self, folder: Folder) -> str:
        return ", ".join(folder.agents.order_by("name").values_list("name", flat=True)[:20]) or "no agent"


@admin.register(File)
class FileAdmin(ReadOnly, OfOrganization, admin.ModelAdmin):
    """Uploaded through the API; read, deleted and tried again here."""

    list_display = ("name", "folder", "state", "size", "chunks", "claims", "shortened_error", "created_at")
    list_filter = ("status", "kind", "organization")
    list_select_related = ("folder",)
    search_fields = ("name", "id__exact", "folder__id__exact")
    search_help_text = "Name or id of a file, or id of a folder"
    ordering = ("-created_at",)
    actions = ("read_again",)
    fieldsets = (
        (None, {"fields": (("name", "folder"), ("state", "waits_for"), "error", "beginning")}),
        ("File", {"fields": (("original_name", "media_type", "kind"), ("size", "lines", "chunks"))}),
        ("Row", {"fields": (("organization", "id"), ("claims", "lease_until"), ("created_at", "updated_at"))}),
    )
    readonly_fields = ("state", "waits_for", "beginning")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("memory.delete_file")

    def delete_model(self, request: HttpRequest, obj: File) -> None:
        files.delete([obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[File]) -> None:
        files.delete(list(queryset))

    @admin.action(description="Read selected files again", permissions=["operate"])
    def read_again(self, request: HttpRequest, rows: QuerySet[File]) -> None:
        count = files.read_again(rows)
        want_files_read()
        self.message_user(request, f"{count} file{'' if count == 1 else 's'} wait to be read again.")
        if left := len(rows) - count:
            self.message_user(request, f"{left} left alone: only those with an error can be.", messages.WARNING)

    @admin.display(description="state", ordering="status")
    def state(self, file: File) -> SafeString:
        return badge(file.status)

    @admin.display(description="error")
    def shortened_error(self, file: File) -> str:
        return shortened(file.error or "")

    @admin.display(description="waits for")
    def waits_for(self, file: File) -> str:
        missing = files.missing_of([file]).get(file.pk, files.Missing())
        return f"{missing.count:,} vectors. {missing.error or ''}".strip() if missing.count else "nothing"

    @admin.display(description="text")
    def beginning(self, file: File) -> SafeString:
        text = file.content.text or ""
        return format_html('<pre class="text">{}</pre>', shortened(text, SHOWN))
