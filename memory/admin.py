"""The admin of core memory blocks, and of the archives and passages of archival memory."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin import OfOrganization
from memory.core import LABEL
from memory.models import Archive, Block, Passage
from memory.search import by_words


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
    )
    fieldsets = (
        (None, {"fields": ("organization", "label", "value", "description", ("limit", "read_only"))}),
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
        obj.last_updated_by_id = request.user.pk
        if not change:
            obj.created_by_id = request.user.pk
            super().save_model(request, obj, form, change)
            return
        obj.version += "value" in form.changed_data
        # Only what was edited: an agent may have changed the rest since the row was read.
        edited = [name for name in form.changed_data if name != "seen_version"]
        obj.save(update_fields=[*edited, "version", "last_updated_by_id", "updated_at"])

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
    readonly_fields = ("id", "created_at", "updated_at")
    fields = ("organization", "name", "description", "metadata", "id", "created_at", "updated_at")


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
    fields = ("archive", "text", "tags", "metadata", "id", "created_at")
    readonly_fields = ("id", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Passage]:
        return super().get_queryset(request).defer("terms")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "archive") if obj else self.readonly_fields

    def get_search_results(self, request: HttpRequest, rows: QuerySet[Any], term: str) -> tuple[QuerySet[Any], bool]:
        return found(rows, term), False

    def save_model(self, request: HttpRequest, obj: Passage, form: Any, change: bool) -> None:
        if not change:
            obj.created_at = timezone.now()
            obj.organization_id = obj.archive.organization_id
        obj.save()

    @admin.display(description="text")
    def beginning(self, passage: Passage) -> str:
        return shortened(passage.text)


def found(rows: QuerySet[Any], term: str) -> QuerySet[Any]:
    """Passages or messages with these words, or with this id."""
    if not term:
        return rows
    by_id = rows.filter(pk=term)
    return by_id if "-" in term and by_id.exists() else by_words(rows, term)


def shortened(text: str, length: int = 120) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
