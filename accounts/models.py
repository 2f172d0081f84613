"""Who may do what: organizations own every row, users sign in to the admin, API keys speak for an organization."""

from django.contrib.auth.models import AbstractUser
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from accounts.fields import IdField, SafeJSONField, SafeTextField


class Organization(models.Model):
    """A tenant. Nothing of one organization is ever visible to another."""

    id = IdField("org")
    name = SafeTextField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """A person of one organization. Staff may use the admin."""

    id = IdField("user")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="users", null=True, blank=True)


class ApiKey(models.Model):
    """`pdr_<prefix>_<secret>`. Only the prefix, the last four characters and an HMAC of the whole are kept."""

    id = IdField("key")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="api_keys")
    user = models.ForeignKey(User, models.CASCADE, related_name="api_keys", null=True, blank=True)
    name = SafeTextField(default="")
    prefix = models.CharField(max_length=8, unique=True, editable=False)
    last4 = models.CharField(max_length=4, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name or 'key'} (pdr_{self.prefix}_…{self.last4})"


def _days(what: str) -> models.PositiveIntegerField:
    return models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text=f"Days since {what}"
    )


class Retention(models.Model):
    """After how many days rows of an organization are deleted. Without it, or without a number, never.

    due_at  when they are looked through again
    """

    organization = models.OneToOneField(Organization, models.CASCADE, primary_key=True, related_name="retention")
    runs_days = _days("the end of a run; its steps and attempts go with it, what was said stays")
    messages_days = _days("a message was said that is not in context any more")
    block_versions_days = _days("a version of a block was made that is not the newest")
    due_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "retention"
        indexes = [models.Index(fields=["due_at"], name="retention_due")]

    def __str__(self) -> str:
        return f"retention of {self.organization}"


class Purge(models.Model):
    """One pass over an organization's rows of a kind, and what it has deleted. Those that deleted nothing are not kept.

    before    what is older; read anew from the rule with every batch
    position  how far it has come, where its batches follow ids
    """

    class Kind(models.TextChoices):
        RUNS = "runs"
        MESSAGES = "messages"
        BLOCK_VERSIONS = "block_versions"

    id = IdField("purge")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind)
    before = models.DateTimeField(null=True)
    deleted = SafeJSONField(default=dict)
    position = models.CharField(max_length=56, default="")
    began_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["organization", "-began_at", "id"], name="purge_newest")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.began_at:%Y-%m-%d %H:%M}"
