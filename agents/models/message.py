"""Recall memory: every message that was ever said, in order."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models.functions import Length
from django.utils import timezone

from accounts.fields import IdField, SafeJSONField, SafeTextField
from accounts.models import Organization
from agents.models.agent import Agent
from agents.models.conversation import Conversation
from agents.models.run import Run, Step


class Message(models.Model):
    """One entry of a conversation. Immutable, but for the system message, which is compiled anew when memory changes,
    and for `retrieved`, which is added before the message is answered.

    content, by role:
      system     {"text"}            the compiled prompt; {"inputs"} is the fingerprint of what it was made from
      user       {"content"}         text, or a list of content parts; {"nudge": true}: the loop's own word
                 {"retrieved": {"text", "ids"}}: what the agent's memory had on it, told to the model alone
      assistant  {"text", "reasoning": [...], "calls": [{"id", "name", "arguments"}]}
                 {"waiting": [call id, ...]} when some of them wait to be answered
      tool       {"call_id", "name", "status", "text", "stdout", "stderr"}
      summary    {"summary", "stats"}: of what has left the context; the newest stands in it, after the system message
      approval   {"approval_request_id", "approvals"}: what was answered to calls of that assistant message
    What came from outside may have {"sender_id"}: the identity or agent that it comes from, as its client says.
    `text` is what recall memory searches. `event_seq` is the number of the first stream event that shows the message.
    """

    class Role(models.TextChoices):
        SYSTEM = "system"
        USER = "user"
        ASSISTANT = "assistant"
        TOOL = "tool"
        APPROVAL = "approval"
        SUMMARY = "summary"

    id = IdField("message")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    agent = models.ForeignKey(Agent, models.CASCADE, db_index=False, related_name="messages")
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
    seq = models.BigIntegerField()
    run = models.ForeignKey(Run, models.SET_NULL, null=True, related_name="messages")
    step = models.ForeignKey(Step, models.SET_NULL, null=True, related_name="messages")
    role = models.CharField(max_length=16, choices=Role)
    call_index = models.PositiveIntegerField(default=0)
    name = SafeTextField(null=True)
    otid = SafeTextField(null=True)
    content = SafeJSONField()
    text = SafeTextField(default="")
    event_seq = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    terms = models.GeneratedField(
        expression=SearchVector("text", config="english"), output_field=SearchVectorField(), db_persist=True
    )
    size = models.GeneratedField(expression=Length("text"), output_field=models.IntegerField(), db_persist=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["conversation", "seq"], name="message_seq_once"),
            models.UniqueConstraint(fields=["step", "role", "call_index"], name="message_of_step_once"),
        ]
        indexes = [
            models.Index(fields=["agent", "created_at", "id"], name="message_of_agent_in_order"),
            # Ids are random, so the first ones are the sample that tells how common words are.
            models.Index(fields=["agent", "id"], name="message_sample"),
            models.Index(fields=["run", "seq"], name="message_of_run_in_order"),
            GinIndex(fields=["terms"], name="message_terms"),
        ]

    def __str__(self) -> str:
        return f"{self.role}: {self.text[:60]}"
