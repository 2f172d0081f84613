"""A run answers one input; a step is one model call and its tools; an attempt is one try at one tool call."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.fields import IdField, SafeJSONField, SafeTextField
from accounts.models import Organization
from agents.models.agent import Agent
from agents.models.conversation import Conversation

TERMINAL = ("completed", "failed", "cancelled")


class Run(models.Model):
    """The input lives here first, and becomes messages when the run is claimed.

    Runs of a conversation are worked off in the order of `seq`; only the first that is not terminal may be claimed.
    A terminal status never changes (a trigger in the database sees to it).
    """

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        COMPLETED = "completed"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = IdField("run")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="runs")
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="runs")
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=32, default="send_message")
    background = models.BooleanField(default=False)
    status = models.CharField(max_length=16, choices=Status, default=Status.QUEUED)
    input = SafeJSONField(help_text="the accepted messages: [{id, role, content, name, otid}]")
    options = SafeJSONField(default=dict)
    key_id = models.CharField(max_length=56, null=True)
    idempotency_key = SafeTextField(null=True)
    fingerprint = models.CharField(max_length=64)
    steps_done = models.PositiveIntegerField(default=0)
    claims = models.PositiveIntegerField(
        default=0, help_text="how often a worker took it; the high part of event numbers"
    )
    not_before = models.DateTimeField(null=True)
    approval = models.OneToOneField(
        "agents.Approval",
        models.SET_NULL,
        null=True,
        related_name="answered_by_run",
        help_text="what its input answers: such a run goes before all others",
    )
    asked_by = models.ForeignKey(
        "agents.Run",
        models.SET_NULL,
        null=True,
        related_name="asked",
        db_index=False,  # run_asked serves
        help_text="whose call has sent its message, where that was another agent's",
    )
    asked_by_call = models.CharField(max_length=64, null=True)
    is_awaited = models.BooleanField(default=False, db_default=False, help_text="`asked_by` waits for its end")
    waits = models.BooleanField(default=False, db_default=False, help_text="for the end of runs that it has asked for")
    depth = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="how many askers stand before it")
    deadline_at = models.DateTimeField()
    cancel_requested_at = models.DateTimeField(null=True)
    stop_reason = models.CharField(max_length=48, null=True)
    error_code = models.CharField(max_length=48, null=True)
    error_message = SafeTextField(null=True)
    final_event_seq = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["conversation", "seq"], name="run_seq_once"),
            models.UniqueConstraint(fields=["conversation", "idempotency_key"], name="run_key_once_there"),
            models.CheckConstraint(
                condition=Q(status__in=["queued", "running", "completed", "failed", "cancelled"]),
                name="run_status_known",
            ),
        ]
        indexes = [
            models.Index(fields=["conversation", "seq"], condition=~Q(status__in=TERMINAL), name="run_head"),
            models.Index(fields=["organization", "-created_at", "id"], name="run_newest"),
            models.Index(fields=["agent", "-created_at", "id"], name="run_of_agent_newest"),
            models.Index(fields=["deadline_at"], condition=~Q(status__in=TERMINAL), name="run_deadline"),
            models.Index(fields=["asked_by"], condition=Q(asked_by__isnull=False), name="run_asked"),
            models.Index(fields=["conversation"], condition=Q(waits=True), name="run_waits"),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL


class Step(models.Model):
    """open: the model is being asked. responded: its answer is recorded, tools remain. committed, aborted: closed.

    `claims` counts workers that took this step since it last got further: a step that kills each of them is given up.
    Token counts are those of the recorded answer; times are nanoseconds.
    """

    class Status(models.TextChoices):
        OPEN = "open"
        RESPONDED = "responded"
        COMMITTED = "committed"
        ABORTED = "aborted"

    class Feedback(models.TextChoices):
        POSITIVE = "positive"
        NEGATIVE = "negative"

    id = IdField("step")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="+", db_index=False)  # step_of_agent_newest serves
    run = models.ForeignKey(Run, models.CASCADE, related_name="steps")
    no = models.PositiveIntegerField()
    status = models.CharField(max_length=16, choices=Status, default=Status.OPEN, db_default=Status.OPEN)
    epoch = models.BigIntegerField()
    claims = models.PositiveIntegerField(default=1, db_default=1)
    llm_failures = models.PositiveIntegerField(default=0, db_default=0)
    overflows = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="answers that it is too long")
    model = SafeTextField(default="", db_default="")
    context_window = models.PositiveIntegerField(null=True)
    finish = models.CharField(max_length=16, null=True)
    prompt_tokens = models.PositiveIntegerField(default=0, db_default=0)
    estimated_tokens = models.PositiveIntegerField(
        default=0, db_default=0, help_text="what was thought of the prompt before the provider counted it"
    )
    completion_tokens = models.PositiveIntegerField(default=0, db_default=0)
    summary_prompt_tokens = models.PositiveIntegerField(
        default=0, db_default=0, help_text="of the calls that summarised the context"
    )
    summary_completion_tokens = models.PositiveIntegerField(default=0, db_default=0)
    cached_tokens = models.PositiveIntegerField(default=0, db_default=0)
    cache_write_tokens = models.PositiveIntegerField(default=0, db_default=0)
    reasoning_tokens = models.PositiveIntegerField(default=0, db_default=0)
    llm_ns = models.BigIntegerField(null=True)
    first_token_ns = models.BigIntegerField(null=True)
    tool_ns = models.BigIntegerField(null=True)
    stop_reason = models.CharField(max_length=48, null=True)
    error_code = models.CharField(max_length=48, null=True)
    error_message = SafeTextField(null=True)
    feedback = models.CharField(max_length=8, choices=Feedback, null=True)
    tags = ArrayField(SafeTextField(), default=list, db_default=models.Value([], ArrayField(SafeTextField())))
    created_at = models.DateTimeField(auto_now_add=True)
    completed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "no"], name="step_no_once")]
        indexes = [
            models.Index(fields=["organization", "-created_at", "id"], name="step_newest"),
            models.Index(fields=["agent", "-created_at", "id"], name="step_of_agent_newest"),
        ]

    def __str__(self) -> str:
        return f"step {self.no}"

    @property
    def all_prompt_tokens(self) -> int:
        """With those of summaries, as the provider will charge for them."""
        return self.prompt_tokens + self.summary_prompt_tokens

    @property
    def all_completion_tokens(self) -> int:
        return self.completion_tokens + self.summary_completion_tokens


class ToolAttempt(models.Model):
    """One try at one tool call. `started` is committed before the tool runs; everything else when it has run."""

    class Status(models.TextChoices):
        PLANNED = "planned"
        STARTED = "started"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        TIMEOUT = "timeout"
        INTERRUPTED = "interrupted"
        DENIED = "denied"
        CANCELLED = "cancelled"

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    run = models.ForeignKey(Run, models.CASCADE, related_name="attempts")
    step = models.ForeignKey(Step, models.CASCADE, related_name="attempts")
    call_index = models.PositiveIntegerField()
    call_id = models.CharField(max_length=64)
    attempt = models.PositiveIntegerField(default=1)
    name = SafeTextField()
    arguments = SafeTextField()
    status = models.CharField(max_length=16, choices=Status)
    epoch = models.BigIntegerField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["step", "call_index", "attempt"], name="attempt_once")]
        indexes = [models.Index(fields=["organization", "name", "-id"], name="attempt_of_tool")]

    def __str__(self) -> str:
        return f"{self.name} #{self.attempt}"

    @property
    def effect_key(self) -> str:
        return effect_key(self.run_id, self.step_id, self.call_id)


def effect_key(run_id: str, step_id: str, call_id: str) -> str:
    """The same for every attempt at this call: what a tool can hand on as an idempotency key."""
    return f"{run_id}:{step_id}:{call_id}"
