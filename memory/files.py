"""The files of folders: kept as they were uploaded, read, and filed as passages of the folder's archive.

    pending    uploaded; its bytes are kept
    parsing    a worker reads it, and renews its lease; when the lease ends, another takes it
    embedding  its text and its passages are there, the bytes are gone; vectors are still missing
    completed  nothing is missing
    error      it cannot be read; the bytes are kept for another try

Every change is one commit. Who reads a file holds the number of its claim, without which nothing is written.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

from django.db import connection, transaction
from django.db.models import Count, Max, Q, QuerySet
from django.utils import timezone
from psycopg import Cursor

from memory.archival import digest
from memory.chunking import pieces
from memory.models import Archive, File, FileContent, Folder, MissingVector, Passage
from memory.vectors import change

CHARS_OF_TOKEN = 4
MAX_CLAIMS = 3
LONGEST_NAME = 255

_KILLS = "Workers have stopped in the middle of its reading, {} times in a row. Save it in a simpler form."

Duplicates = Literal["skip", "error", "suffix", "replace"]
"""What becomes of a file whose name the folder has already."""

_CLAIM = """
UPDATE memory_file SET status = 'parsing', claims = claims + 1, updated_at = clock_timestamp(),
       lease_until = clock_timestamp() + make_interval(secs => %s)
 WHERE id = (SELECT id FROM memory_file
              WHERE status IN ('pending', 'parsing') AND (status = 'pending' OR lease_until < clock_timestamp())
              ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, claims, kind
"""

_RENEW = """
UPDATE memory_file SET lease_until = clock_timestamp() + make_interval(secs => %s)
 WHERE id = %s AND claims = %s AND status = 'parsing'
"""

# Vectors of the embedding that serves now: those for a coming one keep no file waiting.
_COMPLETE = """
UPDATE memory_file AS file SET status = 'completed', updated_at = clock_timestamp()
 WHERE file.status = 'embedding' AND NOT EXISTS (
       SELECT 1 FROM memory_passage AS passage
         JOIN memory_missingvector AS missing ON missing.passage_id = passage.id
         JOIN memory_archive AS archive ON archive.id = missing.archive_id AND archive.generation = missing.generation
        WHERE passage.file_id = file.id)
"""


class NameTaken(ValueError):
    """The folder has a file of this name, or the organization a folder; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What somebody has sent. `kind`: as tools/reading reads it."""

    name: str
    original_name: str
    media_type: str
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Claimed:
    """A file that this worker is to read."""

    id: str
    claims: int
    kind: Any


@dataclass(frozen=True, slots=True)
class Missing:
    """How many passages of a file have no vector yet, and why, if that is known."""

    count: int = 0
    error: str | None = None


# Folders and uploads --------------------------------------------------------------------------------------------------


@transaction.atomic
def make_folder(organization_id: str, name: str, embedding: dict[str, Any], **fields: Any) -> Folder:
    """`embedding`: columns of its archive. Raises NameTaken."""
    check_folder_name(organization_id, name)
    folder = Folder.objects.create(organization_id=organization_id, name=name, **fields)
    Archive.objects.create(organization_id=organization_id, folder=folder, name=name, **embedding)
    return folder


def check_folder_name(organization_id: str, name: str, but: str | None = None) -> None:
    """Raises NameTaken. The database has the last word."""
    if Folder.objects.filter(organization_id=organization_id, name=name).exclude(id=but or "").exists():
        raise NameTaken(f"There is another folder called {name!r}. Choose another name, or use that folder.")


@transaction.atomic
def change_embedding(folder: Folder, embedding: str | None, dimension: int | None) -> bool:
    """Whether it is another. Where the folder had one, that serves until all vectors of the new one are there."""
    archive = folder.archive
    if (embedding, dimension) == (archive.embedding, archive.dimension) and archive.coming_embedding is None:
        return False
    folder.archive = change(archive.id, embedding, dimension)
    if embedding and folder.archive.coming_embedding is None:
        # There were no vectors: now the files wait for theirs.
        folder.files.filter(status=File.Status.COMPLETED).update(status=File.Status.EMBEDDING)
    return True


@transaction.atomic
def keep(folder: Folder, upload: Upload, duplicates: Duplicates, actor_id: str | None) -> tuple[File, bool]:
    """The file, which a worker will read, and whether it is new. Raises NameTaken.

    Whoever attaches the folder meanwhile waits: what is kept here is seen by them, or they by us.
    """
    file = File(
        organization_id=folder.organization_id,
        folder=folder,
        original_name=upload.original_name,
        media_type=upload.media_type,
        kind=upload.kind,
        size=len(upload.data),
        created_by_id=actor_id,
    )
    # Before the folder is held, because large ones take a second; that there is a file is checked at the commit.
    _write(file.id, upload.data)
    hold(folder)
    there = File.objects.filter(folder=folder, name=upload.name).first()
    if there and duplicates == "skip":
        FileContent.objects.filter(file_id=file.id).delete()
        return there, False
    if there and duplicates == "error":
        raise NameTaken(
            f"The folder has a file called {upload.name!r} already. Give it another name, or let duplicate_handling be "
            "suffix, replace or skip."
        )
    if there and duplicates == "replace":
        delete([there])
    file.name = _free_name(folder, upload.name) if there and duplicates == "suffix" else upload.name
    file.save(force_insert=True)
    return file, True


def _write(file_id: str, data: bytes) -> None:
    """As they are: Django would make a literal of them, twice as long."""
    connection.ensure_connection()
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:
        cursor.execute("INSERT INTO memory_filecontent (file_id, data) VALUES (%s, %b)", [file_id, data])


def hold(folder: Folder) -> None:
    """Until the transaction ends, nobody else adds files to the folder, or attaches it."""
    Folder.objects.select_for_update(no_key=True).only("id").get(id=folder.id)


def _free_name(folder: Folder, name: str) -> str:
    """notes.md, notes_(1).md, notes_(2).md ..."""
    path = PurePosixPath(name)
    stem, ending = name.removesuffix(path.suffix), path.suffix
    taken = set(File.objects.filter(folder=folder, name__startswith=f"{stem}_(").values_list("name", flat=True))
    number = 1
    while (free := f"{stem}_({number}){ending}") in taken:
        number += 1
    return free


@transaction.atomic
def delete(files: Sequence[File]) -> None:
    """With their passages. Locked first: a worker that is filing passages is waited for."""
    ids = [file.id for file in files]
    list(File.objects.select_for_update().filter(id__in=ids).order_by("id").only("id"))
    File.objects.filter(id__in=ids).delete()


@transaction.atomic
def delete_folder(folder: Folder) -> None:
    """With its files, their passages, and its archive."""
    hold(folder)
    delete(list(folder.files.only("id")))
    folder.delete()


# Reading --------------------------------------------------------------------------------------------------------------


def claim(lease: float) -> Claimed | None:
    """The file that waits longest; one that has broken too many workers becomes an error instead."""
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_CLAIM, [lease])
            row = cursor.fetchone()
        if row is None:
            return None
        claimed = Claimed(*row)
        if claimed.claims <= MAX_CLAIMS:
            return claimed
        fail(claimed, _KILLS.format(MAX_CLAIMS))


def bytes_of(claimed: Claimed) -> bytes:
    """Empty, when the file was deleted."""
    data = FileContent.objects.filter(file_id=claimed.id).values_list("data", flat=True).first()
    return bytes(data or b"")


def renew(claimed: Claimed, lease: float) -> bool:
    """Whether it is still ours to read."""
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, [lease, claimed.id, claimed.claims])
        return bool(cursor.rowcount)


def give_back(claimed: Claimed) -> None:
    """Somebody else may read it at once, and this claim counts for nothing."""
    _held(claimed).update(status=File.Status.PENDING, claims=claimed.claims - 1, lease_until=None)


def fail(claimed: Claimed, error: str) -> None:
    _held(claimed).update(status=File.Status.ERROR, error=error, lease_until=None, updated_at=timezone.now())


@transaction.atomic
def store(claimed: Claimed, text: str) -> bool:
    """The text, and its passages; False if the file is gone, or another worker's by now."""
    rows = _held(claimed).select_related("folder__archive").select_for_update(no_key=True, of=("self",))
    file = rows.first()
    if file is None:
        return False
    FileContent.objects.filter(file=file).update(text=text, data=None)
    Passage.objects.filter(file=file).delete()
    passages = _passages(file, text)
    Passage.objects.bulk_create(passages, batch_size=500)
    file.status, file.error, file.lease_until, file.claims = File.Status.EMBEDDING, None, None, 0
    file.chunks, file.lines = len(passages), text.count("\n") + 1
    file.save(update_fields=["status", "error", "lease_until", "claims", "chunks", "lines", "updated_at"])
    return True


def complete() -> int:
    """Files whose vectors are all there, or that need none; how many."""
    with connection.cursor() as cursor:
        cursor.execute(_COMPLETE)
        return cursor.rowcount


def read_again(files: Iterable[File]) -> int:
    """Those that could not be read wait for another try; how many."""
    ids = [file.id for file in files]
    failed = File.objects.filter(id__in=ids, status=File.Status.ERROR, content__data__isnull=False)
    return failed.update(status=File.Status.PENDING, error=None, claims=0, updated_at=timezone.now())


def missing_of(files: Iterable[File]) -> dict[str, Missing]:
    """By the ids of those files that wait for vectors."""
    ids = [file.id for file in files if file.status == File.Status.EMBEDDING]
    if not ids:
        return {}
    rows = MissingVector.objects.filter(passage__file_id__in=ids).order_by().values("passage__file_id")
    counted = rows.annotate(count=Count("pk"), why=Max("error", filter=~Q(error="")))
    return {row["passage__file_id"]: Missing(row["count"], row["why"]) for row in counted}


def _held(claimed: Claimed) -> QuerySet[File]:
    return File.objects.filter(id=claimed.id, claims=claimed.claims, status=File.Status.PARSING)


def _passages(file: File, text: str) -> list[Passage]:
    now, size = timezone.now(), file.folder.chunk_size * CHARS_OF_TOKEN
    return [
        Passage(
            organization_id=file.organization_id,
            archive_id=file.folder.archive.id,
            file=file,
            text=piece.text,
            digest=digest(piece.text),
            metadata={"first_line": piece.first, "last_line": piece.last},
            created_at=now,
        )
        for piece in pieces(text, size)
    ]
