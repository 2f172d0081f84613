"""A thread that works until nothing is left, then sleeps until it is woken or its clock rings."""

import logging
import threading

from django.db import Error, connection

log = logging.getLogger(__name__)


class Wakeful(threading.Thread):
    """`_work` is asked again after whatever went wrong in it."""

    def __init__(self, name: str, interval: float):
        super().__init__(name=name, daemon=True)
        self._interval = interval
        self._woken = threading.Event()
        self._ended = False

    def run(self) -> None:
        while not self._ended:
            try:
                self._work()
            except Error as error:
                log.warning("The thread %s failed and will try again: %s", self.name, error)
            except Exception:
                log.exception("The thread %s failed and will try again", self.name)
            finally:
                connection.close()
            self._woken.wait(self._interval)
            self._woken.clear()

    def wake(self) -> None:
        self._woken.set()

    def end(self) -> None:
        self._ended = True
        self._woken.set()

    def _work(self) -> None:
        raise NotImplementedError
