"""A URL that wants to be told how a run has ended."""

from django.db import models
from django.db.models import Q

from accounts.fields import SafeTextField
from accounts.models import Organization
from agents.models.run import Run


class Callback(models.Model):
    """Stored with the run's acceptance, so that the run's end is all it takes for the call to be due.

    next_at      when it may be tried (again), if the run has ended by then; null when it was given up
    sent_at      when the other side took it; status_code and error are of the last try
    """

    run = models.OneToOneField(Run, models.CASCADE, primary_key=True, related_name="callback")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    url = SafeTextField()
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    status_code = models.PositiveIntegerField(null=True)
    error = SafeTextField(null=True)

    class Meta:
        indexes = [models.Index(fields=["next_at"], condition=Q(sent_at=None), name="callback_due")]

    def __str__(self) -> str:
        return self.url
