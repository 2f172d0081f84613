"""The admin of agents: made with all that an agent needs, and shown with its memory, its tools and its conversation."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Max, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.admin import OfOrganization
from accounts.forms import Prose
from agents.admin.display import link, list_link, transcript_link, when
from agents.admin.window import cached_of, window_of
from agents.creation import create_agent
from agents.default_model import default_model
from agents.llm.registry import InvalidHandle, Providers, UnknownProvider, providers_from
from agents.models import Agent, AgentArchive, AgentBlock, AgentTool, Conversation, Message
from agents.retrieval import retrieval_faults
from memory.admin import shortened

MADE_WITH = (
    "name",
    "agent_type",
    "model",
    "description",
    "system",
    "embedding",
    "context_window_limit",
    "timezone",
    "tags",
)


def providers() -> Providers:
    return Providers(providers_from(settings.PROVIDER_SETTINGS))


class AgentForm(forms.ModelForm):
    def clean_model(self) -> str:
        handle = self.cleaned_data["model"]
        if "model" in self.changed_data:
            try:
                providers().resolve(handle)
            except (InvalidHandle, UnknownProvider) as error:
                raise ValidationError(str(error.args[0])) from None
        return handle

    def clean_retrieval(self) -> dict[str, Any]:
        given = self.cleaned_data["retrieval"]
        if faults := retrieval_faults(given):
            raise ValidationError([f"{field}: {text}." for field, text in faults.items()])
        return given

    def clean_timezone(self) -> str:
        name = self.cleaned_data["timezone"]
        if name not in available_timezones():
            raise ValidationError("Write a name of the IANA time zone database, for example Europe/Berlin.")
        return name


class NewAgentForm(AgentForm):
    """What `create_agent` takes beside columns: the first blocks, and whether the base tools come with it."""

    persona = Prose(required=False, widget=forms.Textarea(attrs={"rows": 3, "cols": 80}), help_text="Who the agent is.")
    human = Prose(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 80}),
        help_text="Whom it talks to; it may be empty.",
    )
    base_tools = forms.BooleanField(
        required=False, initial=True, label="Base tools", help_text="To speak, and to search and edit its memory."
    )

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        for name, help_text in (("name", "Left empty, it gets one."), ("system", "Left empty, those of its type.")):
            self.fields[name].required = False
            self.fields[name].help_text = help_text
        self.fields["model"].initial = default_model(providers().providers)

    def blocks(self) -> list[dict[str, str]]:
        return [{"label": label, "value": self.cleaned_data[label]} for label in ("human", "persona")]

    def _get_validation_exclusions(self) -> set[str]:
        # They are filled in by `create_agent`.
        return super()._get_validation_exclusions() | {"name", "system"}


class AttachedFormSet(forms.BaseInlineFormSet):
    """What is attached must be of the agent's organization."""

    attached: str

    def clean(self) -> None:
        super().clean()
        for form in self.extra_forms:
            row = self.row(form)
            if row and row.organization_id != self.instance.organization_id:
                form.add_error(self.attached, "It belongs to another organization than the agent.")

    def standing(self) -> list[Any]:
        """The attached rows as they are going to be."""
        rows = [self.row(form) for form in self.forms if form not in self.deleted_forms]
        return [row for row in rows if row]

    def row(self, form: Any) -> Any:
        """What this line attaches; None for an empty one."""
        if form.instance._state.adding:
            return getattr(form, "cleaned_data", {}).get(self.attached)
        # Django does not validate lines that nobody may change.
        return getattr(form.instance, self.attached)


class BlockFormSet(AttachedFormSet):
    attached = "block"

    def clean(self) -> None:
        super().clean()
        labels = [block.label for block in self.standing()]
        if twice := sorted({label for label in labels if labels.count(label) > 1}):
            raise ValidationError(f"Two blocks of one agent cannot have the same label: {', '.join(twice)}.")


class ToolFormSet(AttachedFormSet):
    attached = "tool"


class ArchiveFormSet(AttachedFormSet):
    attached = "archive"


class Attached(OfOrganization, admin.TabularInline):
    """Rows are attached and detached, not changed; who may change the agent may do both."""

    organization_path = "agent__organization"
    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("agents.view_agent") or request.user.has_perm("agents.change_agent")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("agents.change_agent")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("agents.change_agent")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class BlockInline(Attached):
    model = AgentBlock
    formset = BlockFormSet
    verbose_name, verbose_name_plural = "block", "core memory (deleting a line detaches the block)"
    fields = ("block", "value", "characters", "version")
    readonly_fields = ("value", "characters", "version")
    autocomplete_fields = ("block",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AgentBlock]:
        return super().get_queryset(request).select_related("block").order_by("id")

    @admin.display
    def value(self, row: AgentBlock) -> str:
        return shortened(row.block.value, 300)

    @admin.display
    def characters(self, row: AgentBlock) -> str:
        return f"{len(row.block.value):,} of {row.block.limit:,}"

    @admin.display
    def version(self, row: AgentBlock) -> int:
        return row.block.version


class ToolInline(Attached):
    model = AgentTool
    formset = ToolFormSet
    verbose_name, verbose_name_plural = "tool", "tools (deleting a line detaches the tool)"
    fields = ("tool", "description")
    readonly_fields = ("description",)
    autocomplete_fields = ("tool",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AgentTool]:
        return super().get_queryset(request).select_related("tool").order_by("id")

    @admin.display
    def description(self, row: AgentTool) -> str:
        return shortened(row.tool.description.strip().partition("\n")[0])


class ArchiveInline(Attached):
    model = AgentArchive
    formset = ArchiveFormSet
    verbose_name, verbose_name_plural = "archive", "archival memory (deleting a line detaches the archive)"
    fields = ("archive",)
    autocomplete_fields = ("archive",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AgentArchive]:
        return super().get_queryset(request).select_related("archive").order_by("id")


def _of_agent(rows: QuerySet[Any], figure: Any) -> Subquery:
    """`figure` over the rows of each agent."""
    return Subquery(rows.filter(agent=OuterRef("pk")).order_by().values("agent").annotate(it=figure).values("it"))


@admin.register(Agent)
class AgentAdmin(OfOrganization, admin.ModelAdmin):
    form = AgentForm
    inlines = (BlockInline, ToolInline, ArchiveInline)
    list_display = ("name", "organization", "model", "agent_type", "last_activity", "message_count", "read")
    list_filter = ("agent_type", "hidden", "organization")
    list_select_related = ("organization",)
    search_fields = ("name", "id__exact", "tags__icontains")
    search_help_text = "Name, tag or id"
    list_per_page = 50
    ordering = ("-created_at",)
    readonly_fields = (
        "id",
        "conversation",
        "runs",
        "window",
        "cached",
        "reads",
        "created_by_id",
        "last_updated_by_id",
        "created_at",
        "updated_at",
    )
    add_fieldsets = (
        (None, {"fields": ("organization", *MADE_WITH)}),
        ("Core memory and tools", {"fields": ("persona", "human", "base_tools")}),
    )
    fieldsets = (
        (None, {"fields": ("name", ("conversation", "runs"), ("model", "agent_type"), "description", "tags")}),
        ("Instructions", {"fields": ("system",)}),
        ("Context window", {"fields": ("window", "cached")}),
        ("Files", {"classes": ("collapse",), "fields": ("reads", "max_files_open", "per_file_view_window_char_limit")}),
        (
            "Model",
            {
                "classes": ("collapse",),
                "fields": (
                    "context_window_limit",
                    "model_settings",
                    "compaction_settings",
                    "response_format",
                    "embedding",
                    "retrieval",
                ),
            },
        ),
        (
            "More",
            {
                "classes": ("collapse",),
                "fields": (
                    "tool_rules",
                    "timezone",
                    "hidden",
                    "message_buffer_autoclear",
                    "metadata",
                    "labels_of_origin",
                ),
            },
        ),
        (
            "Row",
            {
                "classes": ("collapse",),
                "fields": (
                    ("organization", "id"),
                    ("created_at", "created_by_id"),
                    ("updated_at", "last_updated_by_id"),
                ),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        rows = super().get_queryset(request)
        return rows.annotate(
            messages_stored=Coalesce(_of_agent(Message.objects.all(), Count("pk")), 0),
            last_message_at=_of_agent(Conversation.objects.all(), Max("last_message_at")),
            default_conversation_id=Subquery(
                Conversation.objects.filter(agent=OuterRef("pk"), is_default=True).values("id")[:1]
            ),
        )

    def get_inlines(self, request: HttpRequest, obj: Agent | None = None) -> Any:
        return () if obj is None else self.inlines

    def get_fieldsets(self, request: HttpRequest, obj: Agent | None = None) -> Any:
        return self.add_fieldsets if obj is None else self.fieldsets

    def get_form(self, request: HttpRequest, obj: Agent | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **kwargs | ({} if obj else {"form": NewAgentForm}))

    def save_model(self, request: HttpRequest, obj: Agent, form: Any, change: bool) -> None:
        if change:
            obj.last_updated_by_id = request.user.pk
            obj.save(update_fields=[*form.changed_data, "last_updated_by_id", "updated_at"])
            return
        columns = {name: getattr(obj, name) for name in ("id", *MADE_WITH)}
        made = create_agent(
            obj.organization_id,
            actor_id=request.user.pk,
            blocks=form.blocks(),
            include_base_tools=form.cleaned_data["base_tools"],
            **columns,
        )
        obj.__dict__.update(made.__dict__)

    @admin.display(description="last activity", ordering="last_message_at")
    def last_activity(self, agent: Any) -> str:
        return when(agent.last_message_at)

    @admin.display(description="messages", ordering="messages_stored")
    def message_count(self, agent: Any) -> int:
        return agent.messages_stored

    @admin.display(description="transcript")
    def read(self, agent: Any) -> SafeString | str:
        return transcript_link(agent.default_conversation_id, "Read") if agent.default_conversation_id else ""

    @admin.display(description="conversation")
    def conversation(self, agent: Any) -> SafeString | str:
        return link("conversation", agent.default_conversation_id, "Its default conversation")

    @admin.display(description="folders")
    def reads(self, agent: Agent) -> str:
        return ", ".join(agent.folders.order_by("agentfolder__id").values_list("name", flat=True)) or "none"

    @admin.display(description="runs")
    def runs(self, agent: Agent) -> SafeString:
        return list_link("run", "Its runs", agent__id__exact=agent.id)

    @admin.display(description="filled by", empty_value="")
    def window(self, agent: Any) -> SafeString | str:
        return window_of(agent.default_conversation_id)

    @admin.display(description="from the provider's cache")
    def cached(self, agent: Agent) -> str:
        return cached_of(agent)
