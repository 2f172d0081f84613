"""The admin of conversations: the lane's columns to look at, and the transcript."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Max
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from accounts.admin import OfOrganization
from agents.admin.display import list_link, transcript_link, when
from agents.admin.transcript import page
from agents.creation import create_conversation
from agents.models import Conversation, Message

SETTINGS = ("summary", "description", "model", "model_settings", "context_window_limit")
LANE = ("epoch", "owner", "lease_until", "next_seq", "context_from")


@admin.register(Conversation)
class ConversationAdmin(OfOrganization, admin.ModelAdmin):
    list_display = ("__str__", "agent", "organization", "last_activity", "epoch", "owner", "lease_until", "transcript")
    list_filter = ("is_default", ("archived_at", admin.EmptyFieldListFilter), "organization")
    list_select_related = ("agent", "organization")
    search_fields = ("id__exact", "agent__id__exact", "agent__name", "summary")
    show_full_result_count = False
    list_per_page = 50
    ordering = ("-created_at",)
    autocomplete_fields = ("agent",)
    add_fieldsets = ((None, {"fields": ("agent", *SETTINGS)}),)
    fieldsets = (
        (None, {"fields": (("agent", "is_default"), ("transcript", "runs", "messages"), *SETTINGS, "archived_at")}),
        (
            "Lane",
            {
                "description": "Who writes to this conversation at the moment. Only workers change these.",
                "fields": (("epoch", "owner", "lease_until"), ("next_seq", "context_from")),
            },
        ),
        ("Row", {"fields": (("organization", "id"), ("last_message_at", "created_at", "updated_at", "created_by_id"))}),
    )
    fixed_fields = (
        "agent",
        "is_default",
        "transcript",
        "runs",
        "messages",
        *LANE,
        "organization",
        "last_message_at",
        "created_at",
        "updated_at",
        "created_by_id",
        "id",
    )

    def get_fieldsets(self, request: HttpRequest, obj: Conversation | None = None) -> Any:
        return self.add_fieldsets if obj is None else self.fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Conversation | None = None) -> tuple[str, ...]:
        return () if obj is None else self.fixed_fields

    def save_model(self, request: HttpRequest, obj: Conversation, form: Any, change: bool) -> None:
        if change:
            # Only what was edited: a worker may write to the row at this moment.
            obj.save(update_fields=[*form.changed_data, "updated_at"])
            return
        columns = {name: getattr(obj, name) for name in ("id", *SETTINGS)}
        made = create_conversation(obj.agent, actor_id=request.user.pk, **columns)
        obj.__dict__.update(made.__dict__)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        deleted, counts, lacking, _ = super().get_deleted_objects(objs, request)
        needed = [f"the default conversation of {item.agent}" for item in objs if item.is_default]
        return deleted, counts, lacking, needed

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.transcript_view)
        return [path("<str:id>/transcript/", view, name="agents_conversation_transcript"), *super().get_urls()]

    def transcript_view(self, request: HttpRequest, id: str) -> HttpResponse:
        """`?before=<number>` turns back, `?run=<id>` shows where a run ends and marks what belongs to it."""
        if not (self.has_view_permission(request) and request.user.has_perm("agents.view_message")):
            raise PermissionDenied
        conversation = self.get_queryset(request).select_related("agent").filter(id=id).first()
        if conversation is None:
            raise Http404
        run = request.GET.get("run", "")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "conversation": conversation,
            "page": page(conversation, _before(request.GET.get("before")) or _end_of_run(conversation, run)),
            "run": run,
            "may_see_approvals": request.user.has_perm("agents.view_approval"),
            "title": f"Transcript of {conversation.agent}",
        }
        return TemplateResponse(request, "admin/agents/conversation/transcript.html", context)

    @admin.display(description="last activity", ordering="last_message_at")
    def last_activity(self, conversation: Conversation) -> SafeString | str:
        return when(conversation.last_message_at)

    @admin.display(description="transcript")
    def transcript(self, conversation: Conversation) -> SafeString:
        return transcript_link(conversation.id, "Read")

    @admin.display(description="runs")
    def runs(self, conversation: Conversation) -> SafeString:
        return list_link("run", "Its runs", conversation__id__exact=conversation.id)

    @admin.display(description="messages")
    def messages(self, conversation: Conversation) -> SafeString:
        return list_link("message", "Its messages", conversation__id__exact=conversation.id)


def _before(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _end_of_run(conversation: Conversation, run: str) -> int | None:
    """The number behind the last message of the run; None if it has none, or they are the newest anyway."""
    if not run:
        return None
    last = Message.objects.filter(conversation_id=conversation.id, run_id=run).aggregate(last=Max("seq"))["last"]
    return None if last is None or last + 1 >= conversation.next_seq else last + 1
