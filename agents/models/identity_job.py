"""Jobs over all that belongs to one identity: its export, and its erasure."""

from django.db import models
from django.db.models import Q

from accounts.fields import IdField, SafeJSONField, SafeTextField
from accounts.models import Organization

_OPEN = Q(status__in=["queued", "running"])


class IdentityJob(models.Model):
    """Worked off in batches, each of them one transaction that also says how far it has come.

    identity_id  no foreign key: the report of an erasure outlives the identity
    stage        what is being done, and `position` how far that has come
    report       how many rows of each kind were exported or deleted
    not_before   after a failure: when it is tried again
    expires_at   when an export is deleted
    """

    class Kind(models.TextChoices):
        EXPORT = "export"
        ERASE = "erase"

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        COMPLETED = "completed"
        FAILED = "failed"
        EXPIRED = "expired"

    id = IdField("job")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    identity_id = models.CharField(max_length=56)
    kind = models.CharField(max_length=8, choices=Kind)
    status = models.CharField(max_length=16, choices=Status, default=Status.QUEUED)
    stage = models.CharField(max_length=16, default="")
    position = SafeJSONField(default=dict)
    report = SafeJSONField(default=dict)
    failures = models.PositiveIntegerField(default=0)
    error = SafeTextField(null=True)
    not_before = models.DateTimeField(null=True)
    created_by_id = models.CharField(max_length=56, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["identity_id"], condition=_OPEN, name="one_open_identity_job")]
        indexes = [
            models.Index(fields=["created_at"], condition=_OPEN, name="identity_job_open"),
            models.Index(fields=["expires_at"], condition=Q(status="completed"), name="identity_job_expires"),
            models.Index(fields=["organization", "-created_at", "id"], name="identity_job_newest"),
            models.Index(fields=["identity_id", "-created_at"], name="identity_job_of"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.identity_id}"

    @property
    def is_open(self) -> bool:
        return self.status in (self.Status.QUEUED, self.Status.RUNNING)


class ExportPiece(models.Model):
    """`rows`: [{"kind", "data", ...}]"""

    job = models.ForeignKey(IdentityJob, models.CASCADE, related_name="pieces")
    number = models.PositiveIntegerField()
    rows = SafeJSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="export_piece_once")]
