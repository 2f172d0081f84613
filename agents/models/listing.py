"""Which models each provider has, as it last told a worker."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.fields import SafeTextField


class ModelListing(models.Model):
    """One row a provider. Providers are configured for the whole server, so the row is nobody's.

    names     of its models, without the provider; those of the last time that it answered
    reason    why there was no answer the last time, or None
    asked_at  when a worker last set about asking
    seen_at   when the provider last answered
    """

    provider = models.CharField(max_length=64, primary_key=True)
    names = ArrayField(SafeTextField(), default=list)
    reason = SafeTextField(null=True)
    asked_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.provider
