"""How long filing and searching take in one archive of 1,000, 10,000 ... passages.

    .venv/bin/python -m benchmarks.search [--sizes 1000 10000] [--vectors] [--searches 50] [--others 1000000]

The words are drawn as in real text, a few often and most seldom. `--vectors` gives every passage 384 random numbers,
and from 20,000 on the index that such an archive gets; then searches by words, by vectors and by both are told apart.
`--others` puts so many passages of other archives into the same table first. Nothing here asks an embedder.
"""

import argparse
import itertools
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.embedded import django_on
from benchmarks.step import machine

WORDS = [f"w{number:x}{number * 7919 % 97:x}" for number in range(20_000)]
WEIGHTS = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(WORDS))))
SIZE = 384
BATCH = 1_000
TEXTS = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--searches", type=int, default=50)
    parser.add_argument("--vectors", action="store_true")
    parser.add_argument("--others", type=int, default=0)
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder, django_on(Path(folder)):
        if options.others:
            seconds = timed(lambda: surrounded(options.others))
            print(f"{options.others} passages of other archives, filed in {seconds:.0f} s", flush=True)
        for size in options.sizes:
            measure(size, options.searches, options.vectors)


def measure(size: int, searches: int, with_vectors: bool) -> None:
    from accounts.models import Organization
    from memory.archival import Archival
    from memory.models import Archive

    rng = random.Random(size)
    organization = Organization.objects.create(name=f"{size}")
    archive = Archive.objects.create(organization=organization, name="notes")
    rate = filed(Archival(organization.id, [archive.id], lambda: archive), size, rng)
    if with_vectors:
        given_vectors(archive)
    vacuumed()
    print(f"{size:7} passages: filed {rate:,.0f}/s", flush=True)
    shelf = Archival(organization.id, [archive.id], lambda: archive, lambda handle, text: numbers(rng))
    for mode in ("words", "vectors", "both") if with_vectors else ("words",):
        told(mode, [searched(shelf, mode, text(rng, 8)) for _ in range(searches)])


def searched(shelf: Any, mode: str, query: str) -> float:
    from unittest.mock import patch

    from memory import search

    with (
        patch.object(search, "by_terms", search.by_terms if mode != "vectors" else lambda *_: []),
        patch.object(shelf, "spaces", shelf.spaces if mode != "words" else lambda: []),
    ):
        return timed(lambda: shelf.search(query))


def told(mode: str, times: list[float]) -> None:
    p50, p95 = statistics.median(times), sorted(times)[int(len(times) * 0.95)]
    load, *_ = os.getloadavg()
    print(f"        {mode:7} p50 {p50 * 1e3:.1f} ms, p95 {p95 * 1e3:.1f} ms (load {load:.1f})", flush=True)


def numbers(rng: random.Random) -> list[float]:
    return [rng.gauss(0, 1) for _ in range(SIZE)]


def filed(shelf: Any, size: int, rng: random.Random) -> float:
    """Passages a second, in batches."""
    from memory.archival import Draft

    taken = 0.0
    for _ in range(0, size, BATCH):
        drafts = [Draft(text(rng, 25)) for _ in range(min(BATCH, size))]
        taken += timed(lambda drafts=drafts: shelf.insert_many(drafts))
    return size / taken


def text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(WORDS, cum_weights=WEIGHTS, k=words))


def surrounded(count: int) -> None:
    """`count` passages in archives of a thousand each, made of TEXTS different texts."""
    from django.db import connection

    from accounts.models import Organization
    from memory.models import Archive

    rng = random.Random(count)
    organization = Organization.objects.create(name="others")
    Archive.objects.bulk_create(
        [Archive(organization=organization, name=str(number)) for number in range(-(-count // BATCH))]
    )
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET maintenance_work_mem = '512MB'")
        cursor.execute("CREATE TEMP TABLE texts (number serial, text text)")
        with cursor.copy("COPY texts (text) FROM STDIN") as copy:
            for _ in range(TEXTS):
                copy.write_row([text(rng, 25)])
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'passage_terms'")
        (index,) = cursor.fetchone()
        cursor.execute("DROP INDEX passage_terms")
        cursor.execute(
            """INSERT INTO memory_passage (id, organization_id, archive_id, text, tags, metadata, created_at, digest)
               SELECT 'passage-' || gen_random_uuid(), %s, shelves.ids[1 + place.number / %s], text, '{}', '{}',
                      now() + place.number * interval '1 second', ''
                 FROM (SELECT array_agg(id) AS ids FROM memory_archive WHERE organization_id = %s) AS shelves,
                      generate_series(0, %s) AS place(number) JOIN texts ON texts.number = 1 + place.number %% %s""",
            [organization.id, BATCH, organization.id, count - 1, TEXTS],
        )
        cursor.execute(index)
        cursor.execute("RESET statement_timeout; RESET maintenance_work_mem")


def given_vectors(archive: Any) -> None:
    from django.db import connection

    from memory.vectors import change, tend_indexes

    change(archive.id, "benchmark/random", SIZE)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(
            f"""INSERT INTO memory_vector (passage_id, archive_id, generation, value)
                SELECT passage_id, archive_id, generation,
                       (SELECT array_agg(random() - 0.5)
                          FROM generate_series(1, {SIZE} + 0 * missing.id))::real[]::halfvec
                  FROM memory_missingvector AS missing WHERE archive_id = %s""",
            [archive.id],
        )
        cursor.execute("DELETE FROM memory_missingvector")
        cursor.execute("RESET statement_timeout")
    seconds = timed(tend_indexes)
    print(f"        indexes tended in {seconds:.1f} s")


def vacuumed() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE memory_passage")
        cursor.execute("VACUUM ANALYZE memory_vector")


def timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    os.environ.setdefault("PERDURE_LOG_LEVEL", "ERROR")
    main()
