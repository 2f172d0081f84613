"""What has time: old rows are deleted. A thread in every worker."""

import threading
from collections.abc import Callable

from agents.retention import purge_some
from workers.wakeful import Wakeful

BREATH = 0.02
"""Seconds between two batches, so that steps come first."""

JOBS: tuple[Callable[[], bool], ...] = (purge_some,)
"""Each does one batch, in one transaction, and says whether there may be more."""


class Upkeep(Wakeful):
    def __init__(self, interval: float):
        super().__init__("upkeep", interval)

    def _work(self) -> None:
        busy = list(JOBS)
        while busy and not self._ended:
            busy = [job for job in busy if job()]
            threading.Event().wait(BREATH)
