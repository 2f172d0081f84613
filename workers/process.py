"""One worker process: its holds, its slots, and the threads that keep them."""

import logging
import os
import socket
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from django.conf import settings
from django.db import connection

from agents import hints
from agents.advancing import advance
from agents.loop.ports import Abort
from agents.turns import Turn
from workers.claims import Holds
from workers.heartbeat import CancelListener, Heartbeat
from workers.reading import FileReader
from workers.sweep import Sweeper
from workers.upkeep import Upkeep
from workers.vectors import VectorMaker
from workers.wiring import Outfit

log = logging.getLogger(__name__)


class WorkerProcess:
    def __init__(self) -> None:
        owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.holds = Holds(owner, settings.LEASE_SECONDS)
        self._heartbeat = Heartbeat(self.holds)
        self._sweeper = Sweeper(settings.SWEEP_SECONDS, self.take_up)
        self.upkeep = Upkeep(settings.SWEEP_SECONDS)
        self._pool = ThreadPoolExecutor(settings.WORKER_SLOTS, thread_name_prefix="swept")

    @cached_property
    def outfit(self) -> Outfit:
        return Outfit()

    @cached_property
    def vector_maker(self) -> VectorMaker:
        return VectorMaker(settings.SWEEP_SECONDS, self.outfit.embedders)

    @cached_property
    def file_reader(self) -> FileReader:
        wake = self.vector_maker.wake
        return FileReader(settings.SWEEP_SECONDS, settings.LEASE_SECONDS, settings.FILE_SECONDS, wake)

    def start(self) -> None:
        hints.on_failure = self.take_up
        self._heartbeat.sandbox = str(self.outfit.sandbox.tier)
        log.info("Tools are locked in at %s", self._heartbeat.sandbox)
        self._heartbeat.start()
        self._sweeper.start()
        self.vector_maker.start()
        self.upkeep.start()
        self.file_reader.start()
        CancelListener(self.holds).start()
        threading.Thread(target=self.outfit.make_ready, name="make ready", daemon=True).start()

    def advance(self, conversation_id: str) -> None:
        """Take one step of the conversation, if it has one to take and nobody else does."""
        try:
            self.holds.run(conversation_id, self._work)
        except Exception:
            log.exception("%s could not be advanced; the sweep will come back to it", conversation_id)
        finally:
            connection.close()

    def take_up(self, conversation_id: str) -> None:
        """Advance it in a thread of our own: what the sweep found, or what the broker could not be told."""
        if not self.holds.stopping and len(self.holds) < settings.WORKER_SLOTS:
            self._pool.submit(self.advance, conversation_id)

    def stop(self) -> None:
        """Give every hold back in good order, for at most the grace that the settings allow."""
        self._sweeper.end()
        self.vector_maker.end()
        self.upkeep.end()
        self.file_reader.end()
        self.holds.stop()
        waited = threading.Event()
        for _ in range(int(settings.STOP_GRACE_SECONDS * 20)):
            if not len(self.holds):
                break
            waited.wait(0.05)
        self._heartbeat.end()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, turn: Turn, abort: Abort) -> None:
        advance(turn, self.outfit, abort)
        self.vector_maker.hear(turn.conversation.id)
