"""All that belongs to an identity and to nobody else is deleted: agent by agent, a few rows at a time."""

from collections.abc import Callable

from django.db.models import Exists, OuterRef
from django.utils import timezone

from agents.models import (
    TERMINAL,
    Agent,
    AgentArchive,
    AgentBlock,
    AgentFolder,
    AgentIdentity,
    BlockIdentity,
    ExportPiece,
    Identity,
    IdentityJob,
    Message,
    Run,
)
from agents.privacy.belongings import agents_of, archives_of, blocks_of, folders_of
from agents.privacy.retention import BATCH, RUNS_AT_ONCE, Counts, deleted, summed
from memory import files
from memory.models import Archive, Block, File, Folder, Passage

FILES_AT_ONCE = 5
"""A file may have thousands of passages."""


def erase_some(job: IdentityJob) -> bool:
    """One batch more; whether there may be another. Inside the transaction that has locked the job."""
    names = list(_STAGES)
    job.stage = job.stage or names[0]
    if _STAGES[job.stage](job):
        return True
    later = names[names.index(job.stage) + 1 :]
    if later:
        job.stage = later[0]
    return bool(later)


def _count(job: IdentityJob, counts: Counts) -> None:
    job.report = summed(job.report, counts)


def _begin(job: IdentityJob) -> bool:
    """Note what is to go, while it still can be told whose it is; and have what is under way cancelled."""
    mine = list(agents_of(job.identity_id))
    others = AgentIdentity.objects.filter(agent_id__in=mine).exclude(identity_id=job.identity_id)
    shared = set(others.values_list("agent_id", flat=True))
    agents = [agent for agent in mine if agent not in shared]
    job.position = {
        "agents": agents,
        "archives": archives_of(agents),
        "folders": folders_of(agents),
        "blocks": blocks_of(job.identity_id, agents),
    }
    if shared:
        job.report["agents_kept"] = len(shared)
    open_runs = Run.objects.filter(agent_id__in=agents).exclude(status__in=TERMINAL)
    open_runs.filter(cancel_requested_at=None).update(cancel_requested_at=timezone.now())
    return False


def _agents(job: IdentityJob) -> bool:
    """Messages and runs first: an agent may have more of them than one transaction should delete."""
    if not job.position["agents"]:
        return False
    agent_id = job.position["agents"][0]
    for model, most in ((Message, BATCH), (Run, RUNS_AT_ONCE)):
        ids = list(model.objects.filter(agent_id=agent_id).order_by("created_at").values_list("id", flat=True)[:most])
        if ids:
            _count(job, deleted(model.objects.filter(id__in=ids)))
            return True
    _count(job, deleted(Agent.objects.filter(id=agent_id, organization_id=job.organization_id)))
    return _goes_on(job, "agents")


def _archives(job: IdentityJob) -> bool:
    if not job.position["archives"]:
        return False
    archive_id = job.position["archives"][0]
    if AgentArchive.objects.filter(archive_id=archive_id).exists():
        _count(job, {"archives_kept": 1})
    else:
        passages = Passage.objects.filter(archive_id=archive_id).order_by("created_at", "id")
        if ids := list(passages.values_list("id", flat=True)[:BATCH]):
            _count(job, deleted(Passage.objects.filter(id__in=ids)))
            return True
        _count(job, deleted(Archive.objects.filter(id=archive_id, organization_id=job.organization_id)))
    return _goes_on(job, "archives")


def _folders(job: IdentityJob) -> bool:
    left = job.position.get("folders")
    if not left:
        return False
    folder = Folder.objects.filter(id=left[0], organization_id=job.organization_id).first()
    if folder and AgentFolder.objects.filter(folder=folder).exists():
        _count(job, {"folders_kept": 1})
    elif folder:
        if some := list(File.objects.filter(folder=folder).order_by("id")[:FILES_AT_ONCE]):
            files.delete(some)
            _count(job, {"file": len(some)})
            return True
        files.delete_folder(folder)
        _count(job, {"folder": 1})
    return _goes_on(job, "folders")


def _goes_on(job: IdentityJob, kind: str) -> bool:
    """The first of this kind is done."""
    job.position = job.position | {kind: job.position[kind][1:]}
    return True


def _blocks(job: IdentityJob) -> bool:
    """What another agent or identity holds is theirs, too."""
    now, later = job.position["blocks"][:BATCH], job.position["blocks"][BATCH:]
    if not now:
        return False
    held = AgentBlock.objects.filter(block=OuterRef("pk"))
    others = BlockIdentity.objects.filter(block=OuterRef("pk")).exclude(identity_id=job.identity_id)
    there = Block.objects.filter(id__in=now, organization_id=job.organization_id)
    free = list(there.exclude(Exists(held)).exclude(Exists(others)).values_list("id", flat=True))
    if kept := there.exclude(id__in=free).count():
        _count(job, {"blocks_kept": kept})
    _count(job, deleted(Block.objects.filter(id__in=free)))
    job.position = job.position | {"blocks": later}
    return True


def _exports(job: IdentityJob) -> bool:
    pieces = ExportPiece.objects.filter(job__identity_id=job.identity_id, job__organization_id=job.organization_id)
    if ids := list(pieces.values_list("id", flat=True)[:20]):
        _count(job, deleted(ExportPiece.objects.filter(id__in=ids)))
        return True
    exports = IdentityJob.objects.filter(identity_id=job.identity_id, organization_id=job.organization_id)
    exports.filter(kind=IdentityJob.Kind.EXPORT).update(status=IdentityJob.Status.EXPIRED)
    return False


def _identity(job: IdentityJob) -> bool:
    _count(job, deleted(Identity.objects.filter(id=job.identity_id, organization_id=job.organization_id)))
    job.position = {}
    return False


_STAGES: dict[str, Callable[[IdentityJob], bool]] = {
    "begin": _begin,
    "agents": _agents,
    "archives": _archives,
    "folders": _folders,
    "blocks": _blocks,
    "exports": _exports,
    "identity": _identity,
}
