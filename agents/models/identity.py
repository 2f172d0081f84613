"""An identity: someone or something outside, by the client's own key, and the agents and blocks that belong to it."""

from django.db import models

from accounts.fields import IdField, SafeJSONField, SafeTextField
from accounts.models import Organization
from agents.models.agent import Agent
from memory.models import Block


class Identity(models.Model):
    """`properties` is the API's list of {key, value, type}. A key is given once in an organization."""

    class Type(models.TextChoices):
        ORG = "org"
        USER = "user"
        OTHER = "other"

    id = IdField("identity")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    identifier_key = SafeTextField()
    name = SafeTextField()
    identity_type = models.CharField(max_length=8, choices=Type)
    properties = SafeJSONField(default=list, blank=True)
    project_id = SafeTextField(null=True, blank=True)
    agents = models.ManyToManyField(Agent, through="AgentIdentity", related_name="identities")
    blocks = models.ManyToManyField(Block, through="BlockIdentity", related_name="identities")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "identities"
        constraints = [
            models.UniqueConstraint(fields=["organization", "identifier_key"], name="identity_key_once"),
        ]
        indexes = [models.Index(fields=["organization", "-created_at", "id"], name="identity_newest")]

    def __str__(self) -> str:
        return self.name


class AgentIdentity(models.Model):
    agent = models.ForeignKey(Agent, models.CASCADE)
    identity = models.ForeignKey(Identity, models.CASCADE)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "identity"], name="agent_of_identity_once")]


class BlockIdentity(models.Model):
    block = models.ForeignKey(Block, models.CASCADE)
    identity = models.ForeignKey(Identity, models.CASCADE)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["block", "identity"], name="block_of_identity_once")]
