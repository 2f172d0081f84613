"""Which embedding an archive gets, which the messages of an agent, and what is known without asking its provider."""

from functools import cache
from typing import Any

from django.conf import settings

from agents.llm.registry import InvalidHandle, Providers, UnknownProvider, dimensions, providers_from
from memory.embeddings import LOCAL, NONE
from memory.minilm import DIMENSION


def dimension_of(handle: str) -> int | None:
    """How long its vectors are, if that is known beforehand."""
    return DIMENSION if handle == LOCAL else dimensions(handle)


def default_columns(wanted: str | None = None) -> dict[str, Any]:
    """The embedding of a new archive: what its agent wants, if that is configured, or else the server's default."""
    handle = wanted if wanted and _is_configured(wanted) else settings.DEFAULT_EMBEDDING
    return {"embedding": handle, "dimension": handle and dimension_of(handle)}


def embedding_of(wanted: str | None) -> str | None:
    """By which handle an agent's messages are embedded: what it wants, if that is configured, or the server's default.

    None for an agent that wants none.
    """
    if not wanted or wanted == NONE:
        return None
    return wanted if _is_configured(wanted) else settings.DEFAULT_EMBEDDING


def _is_configured(handle: str) -> bool:
    if handle == LOCAL:
        return settings.LOCAL_EMBEDDINGS is not None
    try:
        provider, _ = _providers().resolve(handle)
    except (InvalidHandle, UnknownProvider):
        return False
    return provider.kind == "openai"


@cache
def _providers() -> Providers:
    return Providers(providers_from(settings.PROVIDER_SETTINGS))
