"""The admin of runs, steps, tool attempts and messages: a ledger. It is read; cancelling and retrying are actions."""

from functools import reduce
from operator import add
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import F, OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin import OfOrganization, ReadOnly
from agents.admin.display import badge, between, block_of, link, nanoseconds, pretty, short, transcript_link, when
from agents.admin.retry import RETRYABLE, retry
from agents.cancelling import cancel
from agents.models import Message, Run, Step, ToolAttempt
from agents.streaming import Wires
from memory.admin import found, shortened


class LedgerInline(ReadOnly, admin.TabularInline):
    """Rows below the run or step that they belong to; who may see that may see them."""

    extra = 0
    show_change_link = True
    template = "admin/agents/ledger_inline.html"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(f"agents.view_{self.opts.model_name}")


class Spent:
    """Columns of a run or a step: tokens and time."""

    @admin.display(description="tokens in / out")
    def tokens(self, row: Any) -> str:
        return _tokens(row.all_prompt_tokens or 0, row.all_completion_tokens or 0, row.cached_tokens or 0)

    @admin.display(description="model time")
    def llm_time(self, row: Any) -> str:
        return nanoseconds(row.llm_ns)

    @admin.display(description="tool time")
    def tool_time(self, row: Any) -> str:
        return nanoseconds(row.tool_ns)

    @admin.display(description="model / tools")
    def model_and_tools(self, row: Any) -> str:
        return " / ".join(part for part in (self.llm_time(row), self.tool_time(row)) if part)


class StepInline(Spent, LedgerInline):
    model = Step
    fields = ("place", "status", "model", "tokens", "llm_time", "tool_time", "stop_reason", "error_code")
    readonly_fields = fields
    ordering = ("no",)

    @admin.display(description="step")
    def place(self, step: Step) -> SafeString | str:
        return link("step", step.id, f"step {step.no}")


class AttemptInline(LedgerInline):
    model = ToolAttempt
    verbose_name_plural = "tool attempts"
    fields = ("call", "attempt", "status", "given", "ran_for", "of_step")
    readonly_fields = fields
    ordering = ("step__no", "call_index", "attempt")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ToolAttempt]:
        return super().get_queryset(request).select_related("step")

    @admin.display(description="tool")
    def call(self, attempt: ToolAttempt) -> SafeString | str:
        return link("toolattempt", str(attempt.pk), attempt.name)

    @admin.display(description="arguments")
    def given(self, attempt: ToolAttempt) -> str:
        return shortened(attempt.arguments)

    @admin.display(description="ran for")
    def ran_for(self, attempt: ToolAttempt) -> str:
        return between(attempt.started_at, attempt.finished_at)

    @admin.display(description="step")
    def of_step(self, attempt: ToolAttempt) -> SafeString | str:
        return link("step", attempt.step_id, str(attempt.step))


class MessageInline(LedgerInline):
    model = Message
    fields = ("number", "role", "said", "created")
    readonly_fields = fields
    ordering = ("seq",)

    @admin.display(description="created at")
    def created(self, message: Message) -> SafeString | str:
        return when(message.created_at)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        return super().get_queryset(request).defer("terms")

    @admin.display(description="number")
    def number(self, message: Message) -> SafeString | str:
        return link("message", message.id, str(message.seq))

    @admin.display(description="message")
    def said(self, message: Message) -> str:
        return _said(message)


class LedgerAdmin(ReadOnly, OfOrganization, admin.ModelAdmin):
    """What a row says is in `fieldsets`; without the permission to change it, Django shows all of it read-only."""

    @admin.display(description="created at", ordering="created_at")
    def created(self, row: Any) -> SafeString | str:
        return when(row.created_at)


def _of_run(*columns: str) -> Subquery:
    """The sum of these columns over the steps of each run."""
    steps = Step.objects.filter(run=OuterRef("pk")).order_by().values("run")
    return Subquery(steps.annotate(it=Sum(reduce(add, map(F, columns)))).values("it"))


@admin.register(Run)
class RunAdmin(Spent, LedgerAdmin):
    list_display = ("short_id", "state", "agent", "created", "waited_and_ran", "model_and_tools", "tokens", "outcome")
    list_filter = ("status", "error_code", "created_at", "organization")
    list_select_related = ("agent",)
    search_fields = ("id__exact", "agent__id__exact", "conversation__id__exact", "agent__name")
    search_help_text = "Id of a run, agent or conversation, or name of an agent"
    ordering = ("-created_at",)
    inlines = (StepInline, AttemptInline, MessageInline)
    actions = ("cancel_runs", "retry_runs")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("state", "outcome"),
                    "error_message",
                    ("agent", "conversation", "transcript"),
                    "asked",
                )
            },
        ),
        (
            "Time",
            {
                "fields": (
                    ("created_at", "started_at", "completed_at"),
                    ("queued_for", "running_for", "llm_time", "tool_time"),
                )
            },
        ),
        (
            "Work",
            {
                "fields": (
                    ("steps_done", "tokens", "claims"),
                    ("not_before", "deadline_at", "cancel_requested_at"),
                    ("asked_by", "for_replies"),
                )
            },
        ),
        (
            "Row",
            {
                "classes": ("collapse",),
                "fields": (
                    ("organization", "id", "seq"),
                    ("kind", "in_background", "final_event_seq"),
                    ("key_id", "idempotency_key"),
                    "choices",
                ),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        rows = super().get_queryset(request)
        return rows.annotate(
            llm_ns=_of_run("llm_ns"),
            tool_ns=_of_run("tool_ns"),
            all_prompt_tokens=_of_run("prompt_tokens", "summary_prompt_tokens"),
            cached_tokens=_of_run("cached_tokens"),
            all_completion_tokens=_of_run("completion_tokens", "summary_completion_tokens"),
        )

    @admin.display(description="queued / ran for")
    def waited_and_ran(self, run: Run) -> str:
        return " / ".join(part for part in (self.queued_for(run), self.running_for(run)) if part)

    @admin.display(description="run", ordering="id")
    def short_id(self, run: Run) -> str:
        return short(run.id)

    @admin.display(description="status", ordering="status")
    def state(self, run: Run) -> SafeString:
        asked = run.cancel_requested_at and not run.is_terminal
        return badge(run.status, "running, to be cancelled" if asked else run.status)

    @admin.display(description="queued for")
    def queued_for(self, run: Run) -> str:
        return between(run.created_at, run.started_at or run.completed_at or timezone.now())

    @admin.display(description="running for")
    def running_for(self, run: Run) -> str:
        return between(run.started_at, run.completed_at or timezone.now())

    @admin.display(description="waits for replies")
    def for_replies(self, run: Run) -> str:
        return "yes" if run.waits else "no"

    @admin.display(description="in the background")
    def in_background(self, run: Run) -> str:
        return "yes" if run.background else "no"

    @admin.display(description="outcome")
    def outcome(self, run: Run) -> str:
        return ": ".join(part for part in (run.stop_reason, run.error_code) if part)

    @admin.display(description="input")
    def asked(self, run: Run) -> SafeString:
        return block_of(pretty(run.input))

    @admin.display(description="options")
    def choices(self, run: Run) -> SafeString:
        return block_of(pretty(run.options))

    @admin.display(description="transcript")
    def transcript(self, run: Run) -> SafeString:
        return transcript_link(run.conversation_id, "Read what was said", {"run": run.id})

    @admin.action(description="Cancel selected runs", permissions=["operate"])
    def cancel_runs(self, request: HttpRequest, rows: QuerySet[Run]) -> None:
        wires = Wires(settings.REDIS_URL, settings.STREAM_RETENTION_SECONDS)
        open_ids = [run.id for run in rows if not run.is_terminal]
        ended = [run.is_terminal for run in (cancel(id, wires) for id in open_ids)]
        self._tell(request, ended.count(True), "cancelled.")
        self._tell(request, ended.count(False), "at work: the worker has been told to stop.")
        self._tell(request, len(rows) - len(open_ids), "left alone: already ended.", messages.WARNING)

    @admin.action(description="Retry selected runs", permissions=["operate"])
    def retry_runs(self, request: HttpRequest, rows: QuerySet[Run]) -> None:
        chosen = list(rows.select_related("conversation"))
        wrong = [run for run in chosen if run.status in RETRYABLE]
        for run in sorted(wrong, key=lambda run: (run.conversation_id, run.seq)):
            again = retry(run)
            page = reverse("admin:agents_run_change", args=[again.id])
            self.message_user(request, format_html('{} is asked again as <a href="{}">{}</a>.', run.id, page, again.id))
        left = len(chosen) - len(wrong)
        self._tell(request, left, "left alone: only failed and cancelled runs can be retried.", messages.WARNING)

    def _tell(self, request: HttpRequest, count: int, what: str, level: int = messages.SUCCESS) -> None:
        if count:
            self.message_user(request, f"{count} run{'' if count == 1 else 's'} {what}", level)


@admin.register(Step)
class StepAdmin(Spent, LedgerAdmin):
    list_display = ("short_id", "no", "state", "of_run", "model", "created", "tokens", "model_and_tools", "outcome")
    list_filter = ("status", "error_code", "created_at", "organization")
    search_fields = ("id__exact", "run__id__exact")
    search_help_text = "Id of a step or run"
    ordering = ("-created_at",)
    inlines = (AttemptInline, MessageInline)
    list_select_related = ("agent",)
    fieldsets = (
        (None, {"fields": (("no", "state", "outcome"), "error_message", ("run", "agent"), ("model", "finish"))}),
        ("Time", {"fields": (("created_at", "completed_at"), ("first_token", "llm_time", "tool_time"))}),
        (
            "Tokens",
            {
                "fields": (
                    ("prompt_tokens", "cached_tokens", "cache_write_tokens"),
                    ("completion_tokens", "reasoning_tokens", "context_window"),
                    ("summary_prompt_tokens", "summary_completion_tokens"),
                )
            },
        ),
        ("Row", {"classes": ("collapse",), "fields": (("organization", "id"), ("epoch", "claims", "llm_failures"))}),
    )

    @admin.display(description="step", ordering="id")
    def short_id(self, step: Step) -> str:
        return short(step.id)

    @admin.display(description="status", ordering="status")
    def state(self, step: Step) -> SafeString:
        return badge(step.status)

    @admin.display(description="run")
    def of_run(self, step: Step) -> SafeString | str:
        return link("run", step.run_id, short(step.run_id))

    @admin.display(description="first token after")
    def first_token(self, step: Step) -> str:
        return nanoseconds(step.first_token_ns)

    @admin.display(description="outcome")
    def outcome(self, step: Step) -> str:
        return ": ".join(part for part in (step.stop_reason, step.error_code) if part)


@admin.register(ToolAttempt)
class ToolAttemptAdmin(LedgerAdmin):
    list_display = ("name", "attempt", "state", "of_run", "given", "started", "ran_for")
    list_filter = ("status", "started_at", "organization")
    search_fields = ("name", "call_id__exact", "run__id__exact", "step__id__exact")
    search_help_text = "Name of a tool, or id of a call, step or run"
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": (("name", "state", "attempt"), "arguments_shown", ("run", "step"))}),
        ("Time", {"fields": (("started_at", "finished_at", "ran_for"),)}),
        ("Row", {"fields": (("organization", "epoch"), ("call_id", "call_index"), "effect_key")}),
    )

    @admin.display(description="status", ordering="status")
    def state(self, attempt: ToolAttempt) -> SafeString:
        return badge(attempt.status)

    @admin.display(description="run")
    def of_run(self, attempt: ToolAttempt) -> SafeString | str:
        return link("run", attempt.run_id, short(attempt.run_id))

    @admin.display(description="arguments")
    def given(self, attempt: ToolAttempt) -> str:
        return shortened(attempt.arguments, 80)

    @admin.display(description="started at", ordering="started_at")
    def started(self, attempt: ToolAttempt) -> SafeString | str:
        return when(attempt.started_at)

    @admin.display(description="arguments")
    def arguments_shown(self, attempt: ToolAttempt) -> SafeString:
        return block_of(pretty(attempt.arguments))

    @admin.display(description="ran for")
    def ran_for(self, attempt: ToolAttempt) -> str:
        return between(attempt.started_at, attempt.finished_at)


@admin.register(Message)
class MessageAdmin(LedgerAdmin):
    list_display = ("said", "role", "agent", "seq", "of_run", "created")
    list_filter = ("role", "created_at", "organization")
    list_select_related = ("agent",)
    search_fields = ("text",)
    search_help_text = "Words of the text (any of them; the best matches come first), or the id of a message"
    ordering = ("-created_at", "-seq")
    fieldsets = (
        (None, {"fields": (("role", "name", "seq", "transcript"), "body")}),
        (
            "Row",
            {
                "fields": (
                    "agent",
                    "conversation",
                    "run",
                    "step",
                    "created_at",
                    "otid",
                    "event_seq",
                    "organization",
                    "id",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        return super().get_queryset(request).defer("terms")

    def get_search_results(self, request: HttpRequest, rows: QuerySet[Any], term: str) -> tuple[QuerySet[Any], bool]:
        return found(rows, term), False

    @admin.display(description="message")
    def said(self, message: Message) -> str:
        return _said(message)

    @admin.display(description="run")
    def of_run(self, message: Message) -> SafeString | str:
        return link("run", message.run_id, short(message.run_id or ""))

    @admin.display(description="content")
    def body(self, message: Message) -> SafeString:
        return block_of(pretty(message.content))

    @admin.display(description="transcript")
    def transcript(self, message: Message) -> SafeString:
        return transcript_link(message.conversation_id, "See it there", {"before": message.seq + 21}, f"m{message.seq}")


def _said(message: Message) -> str:
    """The beginning of a message's text; of one without, the tools that it calls."""
    if message.text:
        return shortened(message.text)
    calls = message.content.get("calls") or []
    return f"calls {', '.join(call['name'] for call in calls)}" if calls else f"({message.role})"


def _tokens(prompt: int, completion: int, cached: int) -> str:
    """In and out, and how much of what went in the provider had in its cache."""
    if not (prompt or completion):
        return ""
    share = f" ({100 * cached / prompt:.0f} % cached)" if cached and prompt else ""
    return f"{prompt:,}{share} / {completion:,}"
