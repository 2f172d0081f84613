"""Who may do what: organizations own every row, users sign in to the admin, API keys speak for an organization."""

from django.contrib.auth.models import AbstractUser
from django.db import models

from accounts.fields import IdField, SafeTextField


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
