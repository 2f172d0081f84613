"""The vectors of messages, and how far each conversation has its own. Only agents with an embedding have any."""

from django.db import models

from accounts.fields import SafeTextField
from agents.models.agent import Agent
from agents.models.conversation import Conversation
from agents.models.message import Message
from memory.models import HalfVectorField


class MessageVector(models.Model):
    """Where a message lies in the space of an embedding. The database deletes it with its message (migration 0016)."""

    message = models.OneToOneField(Message, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="+")
    agent = models.ForeignKey(Agent, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    embedding = SafeTextField(help_text="handle of the embedding model")
    dimension = models.PositiveIntegerField()
    value = HalfVectorField()

    class Meta:
        indexes = [models.Index(fields=["agent", "embedding", "dimension"], name="message_vector_of_agent")]


class EmbeddedHistory(models.Model):
    """How far the messages of a conversation have their vectors: up to number `seq`, by this embedding.

    `due_at` is when the next ones may be tried; none if there are none. A worker that makes them sets it a little
    ahead, which is its claim.
    """

    conversation = models.OneToOneField(
        Conversation, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="+"
    )
    embedding = SafeTextField(help_text="handle of the embedding model")
    seq = models.BigIntegerField(default=0)
    due_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    error = SafeTextField(blank=True, default="")

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="embedded_history_due")
        ]
        verbose_name_plural = "embedded histories"

    def __str__(self) -> str:
        return f"{self.conversation_id} up to {self.seq}"
