"""What a step is given: settings become objects here and only here."""

import logging
import os
import socket
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from django.conf import settings
from django.db import connection

from agents import hints
from agents.advancing import advance
from agents.default_model import default_model
from agents.errors import LLMError
from agents.llm.registry import InvalidHandle, Providers, UnknownProvider, context_window, providers_from
from agents.loop.ports import LLM, Abort
from agents.streaming import Wires
from agents.turns import Turn
from memory.embeddings import Embedders, EmbeddingFailed, Endpoint, UnknownEmbedding, Vector
from tools.sandbox import Limits, Sandbox
from workers.claims import Holds
from workers.heartbeat import CancelListener, Heartbeat
from workers.reading import FileReader
from workers.sweep import Sweeper
from workers.upkeep import Upkeep
from workers.vectors import VectorMaker

QUERY_SECONDS = 5.0
"""A search does not wait longer for its query's vector; then it goes by words."""

log = logging.getLogger(__name__)


def package_store() -> Path | None:
    """The folder of tools' packages, which is made here; None where an admin has not allowed packages."""
    if not settings.ALLOW_TOOL_PACKAGES:
        return None
    store = Path(settings.TOOL_PACKAGE_STORE)
    store.mkdir(parents=True, exist_ok=True)
    return store


class Outfit:
    """agents.advancing.Outfit, from the settings."""

    def __init__(self) -> None:
        self.wires = Wires(settings.REDIS_URL, settings.STREAM_RETENTION_SECONDS)
        read, total = settings.LLM_READ_TIMEOUT_SECONDS, settings.LLM_TOTAL_TIMEOUT_SECONDS
        configured = providers_from(settings.PROVIDER_SETTINGS)
        seconds = settings.TOOL_SECONDS
        limits = Limits(wall_seconds=seconds, cpu_seconds=int(seconds) + 1)
        store = package_store()
        self.sandbox = Sandbox(limits=limits, package_store=store, allow_unsafe=settings.ALLOW_UNSAFE_TOOLS)
        self._providers = Providers(tuple(replace(provider, read=read, total=total) for provider in configured))
        self.embedders = Embedders(self._endpoint, settings.LOCAL_EMBEDDINGS)

    def llm(self, handle: str) -> LLM:
        try:
            return self._providers.llm(handle)
        except (InvalidHandle, UnknownProvider) as error:
            raise LLMError("configuration", str(error)) from None

    def make_ready(self) -> None:
        """The SDK of the default model's provider: it takes a second to import, which the first turn need not wait
        for. Those of the others come with the first turn that wants them."""
        try:
            self._providers.llm(default_model(self._providers.providers))
        except Exception as error:  # the turn that wants it will tell its user
            log.warning("The default model is not ready: %s", error)
        finally:
            connection.close()

    def context_window(self, handle: str) -> int:
        return context_window(handle)

    def embed(self, handle: str, text: str) -> Vector | None:
        try:
            return self.embedders.of(handle).embed([text], QUERY_SECONDS)[0]
        except EmbeddingFailed as error:
            log.warning("A search goes by words only: %s", error)
            return None

    def _endpoint(self, name: str) -> Endpoint:
        try:
            provider, _ = self._providers.resolve(f"{name}/model")
        except UnknownProvider as error:
            raise UnknownEmbedding(str(error)) from None
        if provider.kind != "openai":
            raise UnknownEmbedding(f"{name} has no embedding models that are known here. Choose another provider's.")
        return Endpoint(provider.base_url, provider.api_key)


class WorkerProcess:
    """One worker process: its holds, its slots, and the threads that keep them."""

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
