"""Calls that wait: for a person to approve them, or for the client that is to run them."""

from django.db import models
from django.db.models import Q

from accounts.fields import IdField, SafeJSONField
from accounts.models import Organization
from agents.models.agent import Agent
from agents.models.conversation import Conversation


class Approval(models.Model):
    """The calls of one answer that must be answered before the conversation goes on. At most one of it is open.

    message      the assistant message that has the calls
    calls        those that wait: [{"tool_call_id", "name", "arguments", "by_client"}]
    deadline_at  when they count as denied
    answers      what was answered: [{"type": "approval", "tool_call_id", "approve", "reason"} or
                 {"type": "tool", "tool_call_id", "tool_return", "status", "stdout", "stderr"}]; null with `answered_at`
                 set: the conversation was reset before anybody answered
    """

    id = IdField("approval")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="approvals")
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="approvals")
    message = models.OneToOneField("agents.Message", models.CASCADE, related_name="approval")
    asked_by = models.ForeignKey("agents.Run", models.SET_NULL, null=True, related_name="+", help_text="the run")
    calls = SafeJSONField()
    answers = SafeJSONField(null=True, blank=True)
    answered_by_id = models.CharField(max_length=56, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    deadline_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"], condition=Q(answered_at__isnull=True), name="one_open_approval"
            )
        ]
        indexes = [
            models.Index(fields=["deadline_at"], condition=Q(answered_at__isnull=True), name="approval_deadline"),
            models.Index(fields=["organization", "-created_at", "id"], name="approval_newest"),
        ]

    def __str__(self) -> str:
        return ", ".join(call["name"] for call in self.calls)
