"""The vectors of passages: which are missing, which are near, and the change from one embedding to another.

A passage that is filed without its vector has a row in MissingVector. Workers claim such rows, ask an embedder while no
connection is held, and store what they got. Nothing here knows how a vector is made.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from math import hypot
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from memory.embeddings import Vector
from memory.models import Archive, MissingVector
from memory.ranking import Collection

CLAIM_SECONDS = 180
"""How long a worker has a claimed passage to itself."""
BATCH = 64
LONGEST_PAUSE = 600.0
INDEX_FROM = 20_000
"""So many vectors of one archive are searched faster through an index of their own than one by one."""
INDEX_DIMENSIONS = 4_000
EF_SEARCH = 200
DISCARDED_AT_ONCE = 5_000

_CLAIM = """
UPDATE memory_missingvector AS missing
   SET due_at = clock_timestamp() + make_interval(secs => %s), attempts = attempts + 1
  FROM memory_archive AS archive, memory_passage AS passage
 WHERE missing.id = ANY(ARRAY(
       SELECT due.id FROM memory_missingvector AS due JOIN memory_archive AS shelf ON shelf.id = due.archive_id
        WHERE due.due_at <= clock_timestamp()
          AND NOT CASE WHEN due.generation = shelf.generation THEN shelf.embedding ELSE shelf.coming_embedding END
                  = ANY(%s::text[])
        ORDER BY due.due_at, due.id LIMIT %s FOR UPDATE OF due SKIP LOCKED))
   AND archive.id = missing.archive_id AND passage.id = missing.passage_id
RETURNING missing.id, missing.due_at, missing.attempts, missing.passage_id, missing.archive_id, missing.generation,
          CASE WHEN missing.generation = archive.generation THEN archive.embedding ELSE archive.coming_embedding END,
          passage.text
"""

# Passages first, and in order: who deletes one holds it before its rows here.
_HOLD = "SELECT id FROM memory_passage WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE SKIP LOCKED"

# What was changed or claimed again meanwhile has another due_at, and is left to whoever has it now.
_STORE = """
WITH made AS (
    DELETE FROM memory_missingvector AS missing
     USING unnest(%s::bigint[], %s::timestamptz[], %s::text[]) AS given(id, due_at, value)
     WHERE missing.id = given.id AND missing.due_at = given.due_at AND missing.passage_id = ANY(%s)
    RETURNING missing.passage_id, missing.archive_id, missing.generation, given.value
)
INSERT INTO memory_vector (passage_id, archive_id, generation, value)
SELECT passage_id, archive_id, generation, value::halfvec FROM made
    ON CONFLICT (passage_id, generation) DO UPDATE SET value = EXCLUDED.value
"""

_DIMENSION = """
UPDATE memory_archive
   SET dimension = CASE WHEN generation = %(generation)s THEN COALESCE(dimension, %(size)s) ELSE dimension END,
       coming_dimension = CASE WHEN generation = %(generation)s THEN coming_dimension
                               ELSE COALESCE(coming_dimension, %(size)s) END
 WHERE id = %(archive)s AND generation IN (%(generation)s, %(generation)s - 1)
RETURNING CASE WHEN generation = %(generation)s THEN dimension ELSE coming_dimension END
"""

_WANT_ALL = """
INSERT INTO memory_missingvector (passage_id, archive_id, generation, due_at, attempts, error)
SELECT id, archive_id, %s, clock_timestamp(), 0, '' FROM memory_passage WHERE archive_id = %s
    ON CONFLICT DO NOTHING
"""

_CHANGED = """
SELECT archive.id FROM memory_archive AS archive
 WHERE archive.coming_embedding IS NOT NULL AND NOT EXISTS (
       SELECT 1 FROM memory_missingvector AS missing
        WHERE missing.archive_id = archive.id AND missing.generation = archive.generation + 1)
"""

_DISCARD = """
DELETE FROM memory_vector WHERE id = ANY(ARRAY(
    SELECT vector.id FROM memory_archive AS archive JOIN memory_vector AS vector ON vector.archive_id = archive.id
     WHERE archive.generation > 1 AND vector.generation < archive.generation LIMIT %s))
"""

_NEAREST = """
(SELECT vector.{key}, 1 - (vector.value::halfvec({size}) <=> %s::halfvec({size}))
   FROM {table} AS vector {wanted} WHERE {where}
  ORDER BY vector.value::halfvec({size}) <=> %s::halfvec({size}) LIMIT %s)
 UNION
 SELECT vector.{key}, 1 - (vector.value::halfvec({size}) <=> %s::halfvec({size}))
   FROM {table} AS vector WHERE vector.{key} = ANY(%s) AND {where}
"""

_LARGE = "SELECT archive_id, generation FROM memory_vector GROUP BY archive_id, generation HAVING count(*) >= %s"
_INDEXES = """
SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relname LIKE 'vectors\\_%%'
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A passage whose vector this worker is to make."""

    id: int
    due_at: datetime
    attempts: int
    passage_id: str
    archive_id: str
    generation: int
    embedding: str
    text: str

    @property
    def place(self) -> tuple[str, int]:
        return self.archive_id, self.generation


@dataclass(frozen=True, slots=True)
class Space:
    """The vectors of one archive that serve searches."""

    archive_id: str
    generation: int
    embedding: str
    dimension: int | None


class WrongDimension(Exception):
    """The vectors do not fit to those that the archive has."""


# Making them ---------------------------------------------------------------------------------------------------------


def claim(paused: Iterable[str] = (), size: int = BATCH) -> list[Claimed]:
    """Passages that wait for their vectors, but not those of the `paused` embeddings."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [CLAIM_SECONDS, list(paused), size])
        return [Claimed(*row) for row in cursor.fetchall()]


def store(claimed: Sequence[Claimed], vectors: Sequence[Vector]) -> None:
    """Keep the vectors of claimed passages of one archive and generation. Raises WrongDimension."""
    first, size = claimed[0], len(vectors[0])
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_DIMENSION, {"archive": first.archive_id, "generation": first.generation, "size": size})
        known = cursor.fetchone()
        if known is None:
            return  # the archive has gone on to another embedding, or is gone itself
        if known[0] != size:
            raise WrongDimension(
                f"{first.embedding} makes vectors of {size} numbers, and the archive has such of {known[0]}. "
                "Give the archive its embedding anew, and all of them are made again."
            )
        cursor.execute(_HOLD, [[one.passage_id for one in claimed]])
        held = [id for (id,) in cursor.fetchall()]
        values = [literal(vector) for vector in vectors]
        cursor.execute(_STORE, [[one.id for one in claimed], [one.due_at for one in claimed], values, held])


def postpone(claimed: Sequence[Claimed], reason: str, seconds: float) -> None:
    """They could not be made; the reason is shown in the admin."""
    MissingVector.objects.filter(id__in=[one.id for one in claimed]).update(
        error=reason[:1_000], due_at=in_seconds(seconds)
    )


def pause(attempts: int, retry_after: float | None = None) -> float:
    """Seconds until another attempt: 2, 4, 8 ... up to ten minutes, or what the server asks for."""
    return max(min(2.0**attempts, LONGEST_PAUSE), min(retry_after or 0, LONGEST_PAUSE))


# Changing the embedding ----------------------------------------------------------------------------------------------


@transaction.atomic
def change(archive_id: str, embedding: str | None, dimension: int | None) -> Archive:
    """Give the archive another embedding. Where it has one, that serves until the vectors of the new one are there."""
    archive = Archive.objects.select_for_update(no_key=True).get(id=archive_id)
    MissingVector.objects.filter(archive_id=archive_id, generation__gt=archive.generation).delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM memory_vector WHERE archive_id = %s AND generation > %s", [archive_id, archive.generation]
        )
        archive.coming_embedding = archive.coming_dimension = None
        if embedding is None or archive.embedding is None:
            MissingVector.objects.filter(archive_id=archive_id).delete()
            archive.embedding, archive.dimension = embedding, dimension
            archive.generation += 1
        else:
            archive.coming_embedding, archive.coming_dimension = embedding, dimension
        archive.save()
        if embedding is not None:
            coming = archive.coming_embedding is not None
            cursor.execute(_WANT_ALL, [archive.generation + coming, archive_id])
    return archive


def complete_changes() -> int:
    """Have each new embedding serve whose vectors are all there; how many that were."""
    with connection.cursor() as cursor:
        cursor.execute(_CHANGED)
        return sum(_complete(id) for (id,) in cursor.fetchall())


@transaction.atomic
def _complete(archive_id: str) -> bool:
    """The lock keeps out what is being filed: it has noted its missing vector before, or sees the new embedding."""
    archive = Archive.objects.select_for_update(no_key=True).filter(id=archive_id).first()
    if archive is None or archive.coming_embedding is None:
        return False
    missing = MissingVector.objects.filter(archive_id=archive_id)
    if missing.filter(generation=archive.generation + 1).exists():
        return False
    missing.delete()
    archive.generation += 1
    archive.embedding, archive.dimension = archive.coming_embedding, archive.coming_dimension
    archive.coming_embedding = archive.coming_dimension = None
    archive.save()
    return True


def discard_old() -> int:
    """Delete some of the vectors that serve no search any more; how many."""
    with connection.cursor() as cursor:
        cursor.execute(_DISCARD, [DISCARDED_AT_ONCE])
        return cursor.rowcount


# Searching -----------------------------------------------------------------------------------------------------------


def spaces(organization_id: str, archive_ids: Sequence[str]) -> list[Space]:
    return _spaces(Archive.objects.filter(organization_id=organization_id, id__in=list(archive_ids)))


def _spaces(archives: QuerySet[Archive]) -> list[Space]:
    rows = archives.values_list("id", "generation", "embedding", "dimension")
    return [Space(id, generation, handle, dimension) for id, generation, handle, dimension in rows if handle]


def nearest(
    among: Sequence[Space], vector: Vector, collection: Collection, ids: Sequence[str], limit: int
) -> dict[str, float]:
    """How near (1 is the same direction) the nearest wanted passages are, and those of `ids`, if they have vectors.

    `among` are spaces of one embedding. One archive alone is searched through its own index, if it has one.
    """
    fitting = [space for space in among if space.dimension == len(vector)]
    if not fitting:
        return {}
    where, parameters = _where(fitting)
    wanted = collection.filtered() if collection.wanted else None
    return nearest_in("memory_vector", "passage_id", where, parameters, wanted, vector, ids, limit)


def nearest_in(
    table: str,
    key: str,
    where: str,
    parameters: Sequence[Any],
    wanted: QuerySet[Any] | None,
    vector: Vector,
    ids: Sequence[str],
    limit: int,
) -> dict[str, float]:
    """The same for any table of vectors, by `key`: of those that fit `where`, the nearest whose rows are `wanted`."""
    join, join_parameters = "", ()
    if wanted is not None:
        sql, join_parameters = wanted.order_by().values_list("id").query.sql_with_params()
        join = f"JOIN ({sql}) AS wanted ON wanted.id = vector.{key}"
    statement = _NEAREST.format(table=table, key=key, size=len(vector), wanted=join, where=where)
    given = literal(vector)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)",
            [str(EF_SEARCH)],
        )
        cursor.execute(statement, [given, *join_parameters, *parameters, given, limit, given, list(ids), *parameters])
        return dict(cursor.fetchall())


def _where(among: Sequence[Space]) -> tuple[str, list[Any]]:
    if len(among) == 1:
        return "vector.archive_id = %s AND vector.generation = %s", [among[0].archive_id, among[0].generation]
    pairs = ", ".join(["(%s, %s)"] * len(among))
    parameters = [part for space in among for part in (space.archive_id, space.generation)]
    return f"(vector.archive_id, vector.generation) IN ({pairs})", parameters


# Indexes -------------------------------------------------------------------------------------------------------------


def tend_indexes() -> list[str]:
    """Give every large archive an index of its own, and drop those that serve none; the names of the new ones.

    Takes minutes for a hundred thousand vectors. Nobody has to wait for it: searches and writes go on.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LARGE, [INDEX_FROM])
        large = set(cursor.fetchall())
        cursor.execute(_INDEXES)
        there = dict(cursor.fetchall())
        current = {
            _index(space.archive_id, space.generation): space
            for space in _indexable(archive_id for archive_id, _ in large)
            if (space.archive_id, space.generation) in large
        }
        for name, is_valid in there.items():
            if name not in current or not is_valid:
                cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        wanted = [name for name in current if not there.get(name)]
        for name in wanted:
            _build(cursor, name, current[name])
    return wanted


def _indexable(archive_ids: Iterable[str]) -> list[Space]:
    return _spaces(Archive.objects.filter(id__in=list(archive_ids), dimension__lte=INDEX_DIMENSIONS))


def _build(cursor: Any, name: str, space: Space) -> None:
    cursor.execute("SET statement_timeout = 0")
    try:
        cursor.execute(
            f"""CREATE INDEX CONCURRENTLY {name} ON memory_vector
                USING hnsw ((value::halfvec({space.dimension})) halfvec_cosine_ops)
                WHERE archive_id = %s AND generation = %s""",
            [space.archive_id, space.generation],
        )
    finally:
        cursor.execute("RESET statement_timeout")


def _index(archive_id: str, generation: int) -> str:
    return f"vectors_{sha256(archive_id.encode()).hexdigest()[:20]}_{generation}"


def literal(vector: Vector) -> str:
    """As pgvector reads it, at length 1: half precision has no room for large numbers, and only directions count."""
    length = hypot(*vector) or 1.0
    return f"[{','.join(f'{number / length:.6g}' for number in vector)}]"


def in_seconds(seconds: float) -> Any:
    return Now() + timedelta(seconds=seconds)
