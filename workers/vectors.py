"""Makes the vectors that passages and messages lack: a thread in every worker, woken by a hint or by its own clock.

A worker that dies leaves its claim to run out, and another one makes those vectors. An embedder that is down costs
nothing but time: what waits for it is looked at again, later and later.
"""

import logging
import time
from collections.abc import Iterable
from itertools import groupby
from typing import Any, Protocol

from django.db import connection

from agents import history
from memory import files, vectors
from memory.embeddings import Embedders, EmbeddingFailed
from memory.vectors import WrongDimension
from workers.wakeful import Wakeful

log = logging.getLogger(__name__)

BATCH_SECONDS = 90.0
LOOK_SECONDS = 60.0
"""So often all conversations are gone through: this process has not heard of every message."""
TEND_SECONDS = 600.0


class Claimed(Protocol):
    """A text whose vector is to be made. Those of one `place` are stored together."""

    @property
    def place(self) -> Any: ...
    @property
    def embedding(self) -> str: ...
    @property
    def attempts(self) -> int: ...
    @property
    def text(self) -> str: ...


class Source(Protocol):
    """Where texts lack vectors: the modules memory.vectors and agents.history."""

    def claim(self, paused: Iterable[str]) -> list[Any]: ...

    def store(self, claimed: Any, vectors: Any) -> None: ...

    def postpone(self, claimed: Any, reason: str, seconds: float) -> None: ...


class VectorMaker(Wakeful):
    """Makes vectors until none is missing."""

    def __init__(self, interval: float, embedders: Embedders):
        super().__init__("vectors", interval)
        self._embedders = embedders
        self._paused: dict[str, float] = {}  # embedding -> monotonic time until which it is left alone
        self._tended = -TEND_SECONDS
        self._looked = -LOOK_SECONDS
        self._heard: set[str] = set()

    def hear(self, conversation_id: str) -> None:
        """Something was said there. It is looked at when the thread wakes next."""
        self._heard.add(conversation_id)

    def _work(self) -> None:
        self._note()
        made = 0
        while not self._ended and (batch := self._batch(vectors) + self._batch(history)):
            made += batch
        vectors.complete_changes()
        files.complete()
        vectors.discard_old()
        if made >= vectors.INDEX_FROM or time.monotonic() - self._tended > TEND_SECONDS:
            self._tended = time.monotonic()
            for name in vectors.tend_indexes():
                log.info("Built the index %s", name)

    def _note(self) -> None:
        heard, self._heard = self._heard, set()
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            history.note()
            history.discard()
        elif heard:
            history.note(heard)

    def _batch(self, source: Source) -> int:
        """How many were tried. Of each source in turn, so that a long list of one holds up none of the other."""
        claimed = source.claim(self._resting())
        connection.close()  # none is held while an embedder is waited for
        for of_one_place in _by_place(claimed):
            self._make(source, of_one_place)
        return len(claimed)

    def _resting(self) -> list[str]:
        now = time.monotonic()
        self._paused = {handle: until for handle, until in self._paused.items() if until > now}
        return list(self._paused)

    def _make(self, source: Source, claimed: list[Claimed]) -> None:
        """Of texts of one place."""
        handle = claimed[0].embedding
        try:
            made = self._embedders.of(handle).embed([one.text for one in claimed], BATCH_SECONDS)
            source.store(claimed, made)
        except EmbeddingFailed as error:
            seconds = vectors.pause(claimed[0].attempts, error.retry_after)
            self._paused[handle] = time.monotonic() + min(seconds, self._interval)
            self._postpone(source, claimed, str(error), seconds)
        except WrongDimension as error:
            self._postpone(source, claimed, str(error), vectors.LONGEST_PAUSE)

    def _postpone(self, source: Source, claimed: list[Claimed], reason: str, seconds: float) -> None:
        log.warning("%d vectors of %s are put off: %s", len(claimed), claimed[0].place, reason)
        source.postpone(claimed, reason, seconds)


def _by_place(claimed: Iterable[Claimed]) -> list[list[Claimed]]:
    def place(one: Claimed) -> Any:
        return one.place

    return [list(group) for _, group in groupby(sorted(claimed, key=place), place)]
