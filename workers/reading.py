"""Reads the files that were uploaded: a thread in every worker, woken by a hint or by its own clock.

A worker that dies leaves its lease to run out, and another one reads the file from its beginning: nothing is stored
before all of it is. Vectors are made by workers/vectors.py, which this wakes.
"""

import logging
import time
from collections.abc import Callable

from django.db import connection

from agents.faultpoints import faultpoint
from memory import files
from memory.files import Claimed
from tools.reading import Unreadable, read
from workers.wakeful import Wakeful

log = logging.getLogger(__name__)


class FileReader(Wakeful):
    """Works until nothing is left to read, then sleeps.

    seconds      how long the reading of one file may take
    on_passages  is told that there are new passages
    """

    def __init__(self, interval: float, lease: float, seconds: float, on_passages: Callable[[], None]):
        super().__init__("files", interval)
        self._lease = lease
        self._seconds = seconds
        self._on_passages = on_passages

    def _work(self) -> None:
        while not self._ended and (claimed := files.claim(self._lease)):
            faultpoint("f1")
            self._read(claimed)
            faultpoint("f3")
            self._on_passages()
        files.complete()

    def _read(self, claimed: Claimed) -> None:
        data = files.bytes_of(claimed)
        connection.close()  # none is held while a process reads the file
        try:
            text = read(claimed.kind, data, self._seconds, self._renewal(claimed))
        except Unreadable as error:
            if self._ended:
                files.give_back(claimed)
            else:
                log.info("%s cannot be read: %s", claimed.id, error)
                files.fail(claimed, str(error))
            return
        faultpoint("f2")
        if not files.store(claimed, text):
            log.info("%s was taken by another worker, or deleted", claimed.id)

    def _renewal(self, claimed: Claimed) -> Callable[[], bool]:
        """Renews the lease every third of its length, and says whether to go on."""
        renewed = time.monotonic()

        def goes_on() -> bool:
            nonlocal renewed
            if self._ended:
                return False
            if time.monotonic() - renewed < self._lease / 3:
                return True
            renewed = time.monotonic()
            try:
                return files.renew(claimed, self._lease)
            finally:
                connection.close()

        return goes_on
