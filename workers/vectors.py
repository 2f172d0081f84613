"""Makes the vectors that passages lack: a thread in every worker, woken by a hint or by its own clock.

A worker that dies leaves its claim to run out, and another one makes those vectors. An embedder that is down costs
nothing but time: what waits for it is looked at again, later and later.
"""

import logging
import time
from collections.abc import Iterable
from itertools import groupby

from django.db import connection

from memory import files, vectors
from memory.embeddings import Embedders, EmbeddingFailed
from memory.vectors import Claimed, WrongDimension
from workers.wakeful import Wakeful

log = logging.getLogger(__name__)

BATCH_SECONDS = 90.0
TEND_SECONDS = 600.0


class VectorMaker(Wakeful):
    def __init__(self, interval: float, embedders: Embedders):
        super().__init__("vectors", interval)
        self._embedders = embedders
        self._paused: dict[str, float] = {}  # embedding -> monotonic time until which it is left alone
        self._tended = -TEND_SECONDS

    def _work(self) -> None:
        made = 0
        while not self._ended and (claimed := vectors.claim(self._resting())):
            connection.close()  # none is held while an embedder is waited for
            for one_kind in _by_kind(claimed):
                made += self._make(one_kind)
        vectors.complete_changes()
        files.complete()
        vectors.discard_old()
        if made >= vectors.INDEX_FROM or time.monotonic() - self._tended > TEND_SECONDS:
            self._tended = time.monotonic()
            for name in vectors.tend_indexes():
                log.info("Built the index %s", name)

    def _resting(self) -> list[str]:
        now = time.monotonic()
        self._paused = {handle: until for handle, until in self._paused.items() if until > now}
        return list(self._paused)

    def _make(self, claimed: list[Claimed]) -> int:
        """How many were made; claimed passages of one archive and generation."""
        handle = claimed[0].embedding
        try:
            made = self._embedders.of(handle).embed([one.text for one in claimed], BATCH_SECONDS)
            vectors.store(claimed, made)
            return len(made)
        except EmbeddingFailed as error:
            seconds = vectors.pause(claimed[0].attempts, error.retry_after)
            self._paused[handle] = time.monotonic() + min(seconds, self._interval)
            self._postpone(claimed, str(error), seconds)
        except WrongDimension as error:
            self._postpone(claimed, str(error), vectors.LONGEST_PAUSE)
        return 0

    def _postpone(self, claimed: list[Claimed], reason: str, seconds: float) -> None:
        log.warning("%d vectors of %s are put off: %s", len(claimed), claimed[0].archive_id, reason)
        vectors.postpone(claimed, reason, seconds)


def _by_kind(claimed: Iterable[Claimed]) -> list[list[Claimed]]:
    def kind(one: Claimed) -> tuple[str, int]:
        return one.archive_id, one.generation

    return [list(group) for _, group in groupby(sorted(claimed, key=kind), kind)]
