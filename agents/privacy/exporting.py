"""All that belongs to an identity, as rows of JSON: a piece at a time, in an order that does not change."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Model

from agents.models import (
    Agent,
    Conversation,
    ExportPiece,
    Identity,
    IdentityJob,
    Message,
    Run,
    Step,
    ToolAttempt,
)
from agents.privacy.belongings import agents_of, archives_of, blocks_of, folders_of
from memory.models import Archive, Block, BlockVersion, File, FileContent, Folder, Passage

ROWS = 200
"""In a piece; a run comes with its steps, a block with its versions, a file with its text."""

NOT_TOLD = frozenset({"sealed_secrets", "organization_id", "digest"})
"""Columns that are not the identity's: secrets, whose server it is, and what a search keeps."""

Told = dict[str, Any]


class Stage(NamedTuple):
    """The rows of `model` whose `column` is one of `parents`: parent by parent, ordered by `key`.

    most  how many of them a piece may hold, when they are large
    """

    model: Any
    column: str
    key: str
    parents: Callable[[str], list[str]]
    also: Callable[[Any], Told] = lambda row: {}
    most: int | None = None


def _conversations(identity_id: str) -> list[str]:
    mine = Conversation.objects.filter(agent_id__in=agents_of(identity_id))
    return sorted(mine.values_list("id", flat=True))


def _agents(identity_id: str) -> list[str]:
    return sorted(agents_of(identity_id))


def _blocks(identity_id: str) -> list[str]:
    return blocks_of(identity_id, _agents(identity_id))


def _archives(identity_id: str) -> list[str]:
    return archives_of(_agents(identity_id))


def _folders(identity_id: str) -> list[str]:
    return folders_of(_agents(identity_id))


def _with_text(file: File) -> Told:
    return {"text": FileContent.objects.filter(file=file).values_list("text", flat=True).first()}


def _with_steps(run: Run) -> Told:
    steps = Step.objects.filter(run=run).order_by("no")
    attempts = ToolAttempt.objects.filter(run=run).order_by("id")
    return {"steps": [told(step) for step in steps], "attempts": [told(attempt) for attempt in attempts]}


def _with_versions(block: Block) -> Told:
    versions = BlockVersion.objects.filter(block_id=block.id).order_by("number")
    return {"versions": [told(version) for version in versions]}


STAGES = {
    "identity": Stage(Identity, "id", "id", lambda identity_id: [identity_id]),
    "agent": Stage(Agent, "id", "id", _agents),
    "block": Stage(Block, "id", "id", _blocks, _with_versions),
    "conversation": Stage(Conversation, "agent_id", "id", _agents),
    "message": Stage(Message, "conversation_id", "seq", _conversations),
    "run": Stage(Run, "conversation_id", "seq", _conversations, _with_steps),
    "archive": Stage(Archive, "id", "id", _archives),
    "passage": Stage(Passage, "archive_id", "id", _archives),
    "folder": Stage(Folder, "id", "id", _folders),
    "file": Stage(File, "folder_id", "id", _folders, _with_text, most=1),
}


def export_some(job: IdentityJob) -> bool:
    """One piece more; whether there may be another. Inside the transaction that has locked the job."""
    names = list(STAGES)
    job.stage = job.stage or names[0]
    rows = _next_rows(job)
    if rows:
        number = job.report.get("pieces", 0) + 1
        ExportPiece.objects.create(job=job, number=number, rows=rows)
        counted = job.report.get(job.stage, 0) + len(rows)
        job.report |= {"pieces": number, job.stage: counted}
        return True
    later = names[names.index(job.stage) + 1 :]
    if later:
        job.stage, job.position = later[0], {}
    return bool(later)


def _next_rows(job: IdentityJob) -> list[Told]:
    """Those behind the position, which is moved behind them."""
    stage, found = STAGES[job.stage], list[Told]()
    most = stage.most or ROWS
    after = job.position.get("after")
    for parent in stage.parents(job.identity_id):
        if parent < job.position.get("parent", ""):
            continue
        rows = stage.model.objects.filter(**{stage.column: parent, "organization_id": job.organization_id})
        if after is not None and parent == job.position["parent"]:
            rows = rows.filter(**{f"{stage.key}__gt": after})
        for row in rows.order_by(stage.key)[: most - len(found)]:
            found.append({"kind": job.stage, "data": told(row)} | stage.also(row))
            after = getattr(row, stage.key)
            job.position = {"parent": parent, "after": after}
        if len(found) == most:
            break
    return found


def told(row: Model) -> Told:
    columns: list[Any] = [column for column in row._meta.concrete_fields if not column.generated]
    values = {column.attname: getattr(row, column.attname) for column in columns if column.attname not in NOT_TOLD}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
