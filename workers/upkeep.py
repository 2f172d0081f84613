"""What has time: old rows are deleted, and identities' data exported and erased. A thread in every worker."""

import threading
from collections.abc import Callable

from agents.privacy.jobs import advance_job, discard_exports
from agents.privacy.retention import purge_some
from workers.wakeful import Wakeful

BREATH = 0.02
"""Seconds between two batches, so that steps come first."""

JOBS: tuple[Callable[[], bool], ...] = (advance_job, purge_some, discard_exports)
"""Each does one batch, in one transaction, and says whether there may be more."""


class Upkeep(Wakeful):
    def __init__(self, interval: float):
        super().__init__("upkeep", interval)

    def _work(self) -> None:
        busy = list(JOBS)
        while busy and not self._ended:
            busy = [job for job in busy if job()]
            threading.Event().wait(BREATH)
