"""The admin of core memory blocks, and of the archives and passages of archival memory."""

from datetime import UTC
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.admin import OfOrganization, ReadOnly, person
from memory.archival import digest
from memory.core import LABEL
from memory.models import Archive, Block, MissingVector, Passage, Vector
from memory.search import by_words
from memory.versions import UndoError, difference, undo, versions_of

BACK = "_back_to"
VERSIONS_SHOWN = 20

_VERSION = '<p>{} &middot; <span class="when">{}</span> &middot; {} {}</p><pre class="text">{}</pre>'
_BUTTON = '<button type="submit" name="{}" value="{}" formnovalidate>Go back to this</button>'


class BlockForm(forms.ModelForm):
    """`seen_version` is the version that the page showed: agents edit blocks too, and none of it may be lost."""

    seen_version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.initial["seen_version"] = self.instance.version

    def clean_label(self) -> str:
        label = self.cleaned_data["label"]
        if not LABEL.fullmatch(label):
            raise ValidationError("A label has letters, digits, '_', '-' and '/' only.")
        sharing = Block.objects.filter(label=label, agents__blocks=self.instance.pk).exclude(pk=self.instance.pk)
        if not self.instance._state.adding and sharing.exists():
            raise ValidationError("An agent of this block has another block with that label.")
        return label

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        value, limit = given.get("value") or "", given.get("limit")
        if limit is not None and len(value) > limit:
            self.add_error("value", f"{len(value)} characters, {len(value) - limit} more than the limit of {limit}.")
        if not self.instance._state.adding:
            self._check_unchanged(given)
        return given

    def _check_unchanged(self, given: dict[str, Any]) -> None:
        """Locks the row until the page's transaction ends: what is checked here still holds when it is saved."""
        locked = Block.objects.select_for_update().filter(pk=self.instance.pk)
        self.instance.version = locked.values_list("version", flat=True).get()
        if "value" in self.changed_data and given.get("seen_version") != self.instance.version:
            self.add_error(
                "value",
                "The block was edited while this page was open. "
                "Copy your text, reload the page, and edit what is there now.",
            )


@admin.register(Block)
class BlockAdmin(OfOrganization, admin.ModelAdmin):
    form = BlockForm
    list_display = ("label", "beginning", "organization", "filled", "read_only", "version", "updated_at")
    list_filter = ("read_only", "organization")
    list_select_related = ("organization",)
    search_fields = ("label", "value", "description", "id__exact")
    ordering = ("-updated_at",)
    readonly_fields = (
        "id",
        "version",
        "created_by_id",
        "last_updated_by_id",
        "created_at",
        "updated_at",
        "attached_to",
        "versions",
    )
    fieldsets = (
        (None, {"fields": ("organization", "label", "value", "description", ("limit", "read_only"))}),
        ("Versions", {"classes": ("collapse",), "fields": ("versions",)}),
        ("More", {"classes": ("collapse",), "fields": ("hidden", "tags", "metadata", "labels_of_origin")}),
        (
            "Row",
            {
                "fields": (
                    "attached_to",
                    "version",
                    "last_updated_by_id",
                    "updated_at",
                    "created_by_id",
                    "created_at",
                    "id",
                )
            },
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Block | None = None) -> Any:
        if obj is None or not self.has_change_permission(request, obj):
            return self.fieldsets
        return (*self.fieldsets, (None, {"fields": ("seen_version",)}))

    def save_model(self, request: HttpRequest, obj: Block, form: BlockForm, change: bool) -> None:
        obj.author_id = obj.last_updated_by_id = request.user.pk
        if not change:
            obj.created_by_id = request.user.pk
            super().save_model(request, obj, form, change)
            return
        # Only what was edited: an agent may have changed the rest since the row was read.
        edited = [name for name in form.changed_data if name != "seen_version"]
        obj.save(update_fields=[*edited, "author_id", "last_updated_by_id", "updated_at"])

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST" and BACK in request.POST:
            return self._go_back(request, unquote(object_id))
        return super().change_view(request, object_id, *args, **kwargs)

    @transaction.atomic
    def _go_back(self, request: HttpRequest, block_id: str) -> HttpResponse:
        """What else was edited on the page is left aside: the page that follows shows the block as it is then."""
        block = self.get_queryset(request).select_for_update(of=("self",), no_key=True).filter(pk=block_id).first()
        number, seen = request.POST[BACK], request.POST.get("seen_version", "")
        if block is None or not number.isdecimal() or not seen.isdecimal():
            raise Http404
        if not self.has_change_permission(request, block):
            raise PermissionDenied
        try:
            undo(block, person(request).pk, int(number), int(seen))
        except UndoError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.log_change(request, block, f"Back to version {number}.")
            self.message_user(request, f"{block} is back at the value of version {number}.", messages.SUCCESS)
        return HttpResponseRedirect(request.path)

    @admin.display(description="the last ones")
    def versions(self, block: Block) -> SafeString:
        rows = versions_of(block).order_by("-number")[:VERSIONS_SHOWN]
        return format_html_join("", _VERSION, (_version_shown(row, block) for row in rows))

    @admin.display(description="value")
    def beginning(self, block: Block) -> str:
        return shortened(block.value)

    @admin.display(description="characters")
    def filled(self, block: Block) -> str:
        return f"{len(block.value):,} of {block.limit:,}"

    @admin.display(description="attached to")
    def attached_to(self, block: Block) -> str:
        return ", ".join(block.agents.order_by("name").values_list("name", flat=True)[:20]) or "no agent"


@admin.register(Archive)
class ArchiveAdmin(OfOrganization, admin.ModelAdmin):
    list_display = ("name", "organization", "description", "created_at")
    list_filter = ("organization",)
    list_select_related = ("organization",)
    search_fields = ("name", "id__exact")
    ordering = ("-created_at",)
    readonly_fields = (
        *("embedding", "dimension", "coming_embedding", "vectors"),
        *("id", "created_by_id", "last_updated_by_id", "created_at", "updated_at"),
    )
    fields = ("organization", "name", "description", "metadata", *readonly_fields)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Archive]:
        # The archive of a folder is a part of it.
        return super().get_queryset(request).filter(folder=None)

    def save_model(self, request: HttpRequest, obj: Archive, form: Any, change: bool) -> None:
        obj.last_updated_by_id = request.user.pk
        obj.created_by_id = obj.created_by_id if change else request.user.pk
        super().save_model(request, obj, form, change)

    @admin.display
    def vectors(self, archive: Archive) -> str:
        made = Vector.objects.filter(archive_id=archive.pk, generation__gte=archive.generation).count()
        return f"{made:,} made, {MissingVector.objects.filter(archive_id=archive.pk).count():,} missing"


@admin.register(MissingVector)
class MissingVectorAdmin(ReadOnly, OfOrganization, admin.ModelAdmin):
    organization_path = "archive__organization"
    list_display = ("passage_id", "archive_id", "embedding", "attempts", "due_at", "error")
    list_filter = ("generation",)
    search_fields = ("archive_id__exact", "passage_id__exact", "error")
    ordering = ("due_at",)
    fields = list_display
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[MissingVector]:
        return super().get_queryset(request).select_related("archive")

    @admin.display
    def embedding(self, missing: MissingVector) -> str:
        archive = missing.archive
        return (archive.embedding if missing.generation == archive.generation else archive.coming_embedding) or ""


@admin.register(Passage)
class PassageAdmin(OfOrganization, admin.ModelAdmin):
    list_display = ("beginning", "archive", "tags", "created_at")
    list_select_related = ("archive",)
    list_filter = ("organization",)
    search_fields = ("text",)
    search_help_text = "Words of the text (any of them; the best matches come first), or the id of a passage"
    show_full_result_count = False
    list_per_page = 50
    ordering = ("-created_at",)
    autocomplete_fields = ("archive",)
    readonly_fields = ("id", "created_by_id", "created_at")
    fields = ("archive", "text", "tags", "metadata", *readonly_fields)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Passage]:
        return super().get_queryset(request).defer("terms")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "archive") if obj else self.readonly_fields

    def get_search_results(self, request: HttpRequest, rows: QuerySet[Any], term: str) -> tuple[QuerySet[Any], bool]:
        return found(rows, term), False

    def save_model(self, request: HttpRequest, obj: Passage, form: Any, change: bool) -> None:
        if not change:
            obj.created_at = timezone.now()
            obj.created_by_id = request.user.pk
            obj.organization_id = obj.archive.organization_id
        obj.digest = digest(obj.text)
        obj.save()

    @admin.display(description="text")
    def beginning(self, passage: Passage) -> str:
        return shortened(passage.text)


def _version_shown(version: Any, block: Block) -> tuple[Any, ...]:
    diff = difference(version.before, version.value)
    moment = f"{version.created_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    button = format_html(_BUTTON, BACK, version.number) if version.value != block.value else ""
    text = "Too much to compare." if diff is None else diff
    return version, moment, version.author_id or "nobody known", button, text


def found(rows: QuerySet[Any], term: str) -> QuerySet[Any]:
    """Passages or messages with these words, or with this id."""
    if not term:
        return rows
    by_id = rows.filter(pk=term)
    return by_id if "-" in term and by_id.exists() else by_words(rows, term)


def shortened(text: str, length: int = 120) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
