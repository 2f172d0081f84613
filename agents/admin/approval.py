"""The admin of calls that wait for an answer: they are read here, and approved or denied."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from accounts.admin import person
from accounts.fields import clean_text
from agents.accepting import Offer, accept
from agents.admin.consent import verdict
from agents.admin.display import badge, block_of, link, pretty, transcript_link, when
from agents.admin.ledger import LedgerAdmin
from agents.approvals import Answers
from agents.errors import ClientError
from agents.models import Approval
from memory.admin import shortened


class ReasonForm(ActionForm):
    reason = forms.CharField(required=False, help_text="Told to the model when you deny.")


class IsOpen(admin.SimpleListFilter):
    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("pending", "pending"), ("answered", "answered")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        return queryset.filter(answered_at__isnull=self.value() == "pending")


@admin.register(Approval)
class ApprovalAdmin(LedgerAdmin):
    list_display = ("asked_for", "state", "agent", "created", "deadline", "verdict")
    list_filter = (IsOpen, "created_at", "organization")
    list_select_related = ("agent", "conversation", "answered_by_run")
    search_fields = ("id__exact", "agent__id__exact", "conversation__id__exact", "agent__name")
    search_help_text = "Id of an approval, agent or conversation, or name of an agent"
    ordering = ("-created_at",)
    action_form = ReasonForm
    actions = ("approve_calls", "deny_calls")
    fieldsets = (
        (None, {"fields": (("state", "verdict"), ("agent", "conversation", "transcript"), "calls_shown", "answered")}),
        ("Time", {"fields": (("created_at", "deadline_at", "answered_at"),)}),
        ("Row", {"fields": (("organization", "id"), ("run", "going_on", "answered_by_id"))}),
    )

    @admin.display(description="calls")
    def asked_for(self, approval: Approval) -> SafeString:
        lines = ((call["name"], shortened(call["arguments"])) for call in approval.calls)
        return format_html_join(mark_safe("<br>"), "{} {}", lines)

    @admin.display(description="state", ordering="answered_at")
    def state(self, approval: Approval) -> SafeString:
        return badge("completed", "answered") if approval.answered_at else badge("queued", "pending")

    @admin.display(description="deadline", ordering="deadline_at")
    def deadline(self, approval: Approval) -> SafeString | str:
        return when(approval.deadline_at)

    @admin.display(description="verdict")
    def verdict(self, approval: Approval) -> str:
        if not approval.answered_at:
            return ""
        return ", ".join(map(verdict, approval.answers or ())) or "forgotten, when the conversation was reset"

    @admin.display(description="calls")
    def calls_shown(self, approval: Approval) -> SafeString:
        return block_of("\n\n".join(f"{call['name']} {pretty(call['arguments'])}" for call in approval.calls))

    @admin.display(description="answers")
    def answered(self, approval: Approval) -> SafeString | str:
        return block_of(pretty(approval.answers)) if approval.answers else ""

    @admin.display(description="run that asked")
    def run(self, approval: Approval) -> SafeString | str:
        return link("run", approval.asked_by_id)

    @admin.display(description="run that goes on")
    def going_on(self, approval: Approval) -> SafeString | str:
        run = getattr(approval, "answered_by_run", None)
        return link("run", run.id) if run else ""

    @admin.display(description="transcript")
    def transcript(self, approval: Approval) -> SafeString:
        return transcript_link(approval.conversation_id, "Read what was said")

    @admin.action(description="Approve selected calls", permissions=["operate"])
    def approve_calls(self, request: HttpRequest, rows: QuerySet[Approval]) -> None:
        self._answer(request, rows, True)

    @admin.action(description="Deny selected calls", permissions=["operate"])
    def deny_calls(self, request: HttpRequest, rows: QuerySet[Approval]) -> None:
        self._answer(request, rows, False)

    def _answer(self, request: HttpRequest, rows: QuerySet[Approval], approve: bool) -> None:
        reason = clean_text(request.POST.get("reason", "")).strip() or None
        for approval in rows.select_related("conversation"):
            answers = Answers(verdict=(approve, reason), of=approval.id, by=person(request).pk)
            try:
                run = accept(approval.conversation, Offer([], {}, "approval", background=True, answers=answers))
            except ClientError as error:
                self.message_user(request, f"{approval}: {error}", messages.WARNING)
                continue
            words = "approved" if approve else "denied"
            self.message_user(request, format_html("{} {}; {} goes on.", approval, words, link("run", run.id)))
