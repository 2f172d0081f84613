"""Exports and erasures of identities: started, looked at and fetched. Workers do them."""

from django.http import HttpResponse
from rest_framework.request import Request

from agents.api.pages import page
from agents.api.requests import checked_id, integer
from agents.api.scope import one, owned
from agents.api.shapes.values import Shape, moment
from agents.api.views import ApiView, answer
from agents.errors import NotFound
from agents.hints import want_upkeep
from agents.models import ExportPiece, Identity, IdentityJob
from agents.privacy.jobs import start


class Start(ApiView):
    kind: IdentityJob.Kind

    def post(self, request: Request, identity_id: str) -> HttpResponse:
        """One that is under way is told again, and not started twice."""
        principal = self.principal(request)
        job = start(one(principal, Identity, identity_id), self.kind, principal.user_id or principal.key_id)
        want_upkeep()
        return answer(job_shape(job))


class Export(Start):
    kind = IdentityJob.Kind.EXPORT


class Erase(Start):
    kind = IdentityJob.Kind.ERASE


class Jobs(ApiView):
    def get(self, request: Request, identity_id: str) -> HttpResponse:
        """Also of an identity that has been erased."""
        principal = self.principal(request)
        checked_id("identity", identity_id)
        found = page(owned(principal, IdentityJob).filter(identity_id=identity_id), request.query_params)
        if not found:
            one(principal, Identity, identity_id)
        return answer([job_shape(job) for job in found])


class OneJob(ApiView):
    def get(self, request: Request, identity_id: str, job_id: str) -> HttpResponse:
        return answer(job_shape(self.job(request, identity_id, job_id)))

    def job(self, request: Request, identity_id: str, job_id: str) -> IdentityJob:
        principal = self.principal(request)
        checked_id("identity", identity_id)
        job: IdentityJob = one(
            principal, IdentityJob, job_id, owned(principal, IdentityJob).filter(identity_id=identity_id)
        )
        return job


class Archive(OneJob):
    """A piece of an export, by its number from 1 on."""

    def get(self, request: Request, identity_id: str, job_id: str) -> HttpResponse:
        job, number = self.job(request, identity_id, job_id), integer(request.query_params, "piece", 1, minimum=1)
        piece = ExportPiece.objects.filter(job=job, number=number).first()
        if piece is None or job.status != IdentityJob.Status.COMPLETED:
            raise NotFound(f"Piece {number} of the archive of the job ({job.kind}, {job.status})", job_id)
        return answer({"piece": number, "pieces": job.report["pieces"], "rows": piece.rows})


def job_shape(job: IdentityJob) -> Shape:
    return {
        "id": job.id,
        "identity_id": job.identity_id,
        "kind": job.kind,
        "status": job.status,
        "stage": job.stage or None,
        "report": job.report,
        "error": job.error,
        "created_by_id": job.created_by_id,
        "created_at": moment(job.created_at),
        "started_at": moment(job.started_at),
        "completed_at": moment(job.completed_at),
        "expires_at": moment(job.expires_at),
    }
