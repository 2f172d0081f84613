"""Exports and erasures of identities: asked for here, and worked off by whichever worker has time.

The lock of the job's row is the claim. A batch is one transaction, which also writes how far the job has come: a worker
that is killed has done nothing of it, and another does it again.
"""

import logging
from datetime import timedelta

from django.db import Error, IntegrityError, InterfaceError, transaction
from django.db.models import Q
from django.utils import timezone

from agents.errors import Conflict
from agents.faultpoints import faultpoint
from agents.models import ExportPiece, Identity, IdentityJob
from agents.privacy.erasing import erase_some
from agents.privacy.exporting import export_some

log = logging.getLogger(__name__)

KEPT = timedelta(days=7)
"""How long an export can be fetched."""

MOST_FAILURES = 8
OPEN = (IdentityJob.Status.QUEUED, IdentityJob.Status.RUNNING)

_BATCHES = {IdentityJob.Kind.EXPORT: export_some, IdentityJob.Kind.ERASE: erase_some}


def start(identity: Identity, kind: str, by: str | None) -> IdentityJob:
    """The job, or the one of this kind that is under way. Raises Conflict while there is another."""
    job = IdentityJob(organization_id=identity.organization_id, identity_id=identity.id, kind=kind, created_by_id=by)
    try:
        with transaction.atomic():
            job.save(force_insert=True)
        return job
    except IntegrityError:
        open_one = IdentityJob.objects.filter(identity_id=identity.id, status__in=OPEN).first()
    if open_one is None:
        return start(identity, kind, by)  # it has just ended
    if open_one.kind != kind:
        raise Conflict(f"Job {open_one.id} ({open_one.kind}) of this identity is under way. Wait for its end.")
    return open_one


def advance_job() -> bool:
    """One batch of the job that has waited longest; False when there is nothing to do now."""
    job = None
    try:
        with transaction.atomic():
            ready = Q(not_before=None) | Q(not_before__lte=timezone.now())
            waiting = IdentityJob.objects.select_for_update(skip_locked=True).filter(ready, status__in=OPEN)
            job = waiting.order_by("created_at").first()
            if job is None:
                return False
            _advance(job)
            faultpoint("job", job.stage)
    except Exception as error:
        if job is None or isinstance(error, InterfaceError):
            raise
        log.exception("%s failed in %s and will try again", job, job.stage)
        _note_failure(job.id, error)
    return True


def _advance(job: IdentityJob) -> None:
    now = timezone.now()
    job.status, job.started_at, job.failures = IdentityJob.Status.RUNNING, job.started_at or now, 0
    if not _BATCHES[IdentityJob.Kind(job.kind)](job):
        job.status, job.completed_at, job.error, job.position = IdentityJob.Status.COMPLETED, now, None, {}
        job.expires_at = now + KEPT if job.kind == IdentityJob.Kind.EXPORT else None
    job.save()


def _note_failure(job_id: str, error: Exception) -> None:
    """A row that is locked, or a database that was away, may be there next time; after eight times it is given up."""
    job = IdentityJob.objects.get(id=job_id)
    job.failures += 1
    what = "The database was busy or away" if isinstance(error, Error) else type(error).__name__
    job.error = f"{what}, in the stage {job.stage or 'begin'}. The log of the worker has more."
    job.not_before = timezone.now() + timedelta(seconds=2**job.failures)
    if job.failures >= MOST_FAILURES:
        job.status, job.completed_at = IdentityJob.Status.FAILED, timezone.now()
    job.save(update_fields=["failures", "error", "not_before", "status", "completed_at"])


def discard_exports() -> bool:
    """Of exports that nobody can fetch any more, some pieces; False when there are none."""
    with transaction.atomic():
        over = IdentityJob.objects.filter(status=IdentityJob.Status.COMPLETED, expires_at__lt=timezone.now())
        job = over.select_for_update(skip_locked=True).order_by("expires_at").first()
        if job is None:
            return False
        if ids := list(ExportPiece.objects.filter(job=job).values_list("id", flat=True)[:20]):
            ExportPiece.objects.filter(id__in=ids).delete()
        else:
            job.status = IdentityJob.Status.EXPIRED
            job.save(update_fields=["status"])
        return True
