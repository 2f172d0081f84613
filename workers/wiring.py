"""What a step is given, made from the settings."""

import logging
from dataclasses import replace
from pathlib import Path

from django.conf import settings
from django.db import connection

from agents.default_model import default_model
from agents.errors import LLMError
from agents.llm.registry import InvalidHandle, Providers, UnknownProvider, context_window, providers_from
from agents.loop.ports import LLM
from agents.streaming import Wires
from memory.embeddings import Embedders, EmbeddingFailed, Endpoint, UnknownEmbedding, Vector
from tools.sandbox import Limits, Sandbox

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
