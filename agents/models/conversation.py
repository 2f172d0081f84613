"""A conversation is the lane of the run machine: at any time one worker writes to it."""

from django.db import models

from accounts.fields import IdField, SafeJSONField, SafeTextField
from accounts.models import Organization
from agents.models.agent import Agent


class Conversation(models.Model):
    """One thread of messages with an agent. Every agent has a default one.

    epoch, owner, lease_until   the hold of a worker: the lease says who may steal, the epoch who may write
    next_seq                    the number of the next message; numbers are never given twice
    context_from                what is in context: the system message (number 1), and all from this number on;
    summary_seq                 and between them the summary with this number, if what was there has been summarised
    isolated_blocks             by the id of the agent's block, the block that stands in its place in this conversation
    """

    id = IdField("conv")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="conversations")
    is_default = models.BooleanField(default=False, editable=False)
    summary = SafeTextField(null=True, blank=True)
    description = SafeTextField(null=True, blank=True)
    model = SafeTextField(null=True, blank=True, help_text="Handle; none: the agent's")
    model_settings = SafeJSONField(null=True, blank=True)
    context_window_limit = models.PositiveIntegerField(null=True, blank=True)
    isolated_blocks = SafeJSONField(default=dict, db_default={}, blank=True, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True)
    hidden = models.BooleanField(default=False, db_default=False, help_text="left out of lists")
    last_message_at = models.DateTimeField(null=True, blank=True)
    created_by_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    last_updated_by_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    epoch = models.BigIntegerField(default=0, editable=False)
    owner = models.TextField(default="", blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    next_seq = models.BigIntegerField(default=1, editable=False)
    context_from = models.BigIntegerField(default=1, editable=False)
    summary_seq = models.BigIntegerField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agent"], condition=models.Q(is_default=True), name="one_default_conversation"
            )
        ]
        indexes = [
            models.Index(fields=["agent", "-created_at", "id"], name="conversation_newest"),
            models.Index(
                fields=["organization", "-created_at", "id"],
                condition=models.Q(is_default=False),
                name="conversation_made_newest",
            ),
        ]

    def __str__(self) -> str:
        return "default" if self.is_default else self.id


class Inbox(models.Model):
    """Where runs for a conversation are taken in.

    A row of its own, so that a worker that stands still inside a commit to the conversation never blocks an accept.
    Lock order: conversation, then inbox. `ready_at` is null when there is nothing to do.
    """

    conversation = models.OneToOneField(Conversation, models.CASCADE, primary_key=True, related_name="inbox")
    next_run_seq = models.BigIntegerField(default=1)
    ready_at = models.DateTimeField(null=True)
    hinted_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["ready_at"], condition=models.Q(ready_at__isnull=False), name="inbox_ready")]
