"""Which models there are to talk to, and to embed with. Answered from rows: it is workers that ask the providers."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponseBase, JsonResponse

from accounts.authentication import principal_of
from agents.api.agents import providers
from agents.api.async_views import only
from agents.api.shapes.models import embedding_config_shape, endpoint_type, llm_config_shape
from agents.api.shapes.values import Shape
from agents.errors import invalid
from agents.following import in_thread
from agents.hints import want_models
from agents.llm.provider import DEMO
from agents.llm.registry import context_window, converses, dimensions
from agents.models import Agent, ModelListing
from memory.embeddings import LOCAL

FRESH = timedelta(minutes=10)
AFTER_A_FAILURE = timedelta(seconds=30)
WAIT_SECONDS = 5.0
LOOK_SECONDS = 0.1

CATEGORIES = ("base", "byok")
_TYPES = {"local": "hugging-face", "demo": "openai", "lmstudio": "lmstudio_openai"}


@dataclass(frozen=True, slots=True)
class Listed:
    """What is known of a configured provider's models.

    is_known   it has answered, or failed to, at least once
    is_fresh   there is no need to ask it again
    """

    provider: str
    names: tuple[str, ...] = ()
    is_known: bool = False
    is_fresh: bool = False


@only("GET")
async def models(request: HttpRequest) -> HttpResponseBase:
    """A plain list. Every provider is the server's own, `base`: nobody has brought a key of theirs."""
    query, categories = request.GET, request.GET.getlist("provider_category")
    for category in categories:
        if category not in CATEGORIES:
            raise invalid(["query", "provider_category"], f"Should be of {', '.join(CATEGORIES)}", "enum")
    items = [model_shape(*item) for item in _items(await _listings(request)) if converses(item[1])]
    if categories and "base" not in categories:
        items = []
    asked = {name: query[name] for name in ("provider_name", "provider_type") if query.get(name)}
    return _answer([item for item in items if asked.items() <= item.items()])


@only("GET")
async def embedding_models(request: HttpRequest) -> HttpResponseBase:
    remote = [embedding_shape(*item) for item in _items(await _listings(request)) if dimensions(item[1])]
    local = [embedding_shape(*LOCAL.split("/"))] if settings.LOCAL_EMBEDDINGS else []
    return _answer([*remote, *local])


def model_shape(provider: str, name: str) -> Shape:
    """The llm_config that an agent of this model has, and what says of whom it is."""
    handle = f"{provider}/{name}"
    return llm_config_shape(Agent(model=handle)) | {
        "name": name,
        "display_name": name,
        "max_context_window": context_window(handle),
        "provider_type": _TYPES.get(provider, provider),
        "model_type": "llm",
    }


def embedding_shape(provider: str, name: str) -> Shape:
    handle = f"{provider}/{name}"
    return (embedding_config_shape(handle) or {}) | {
        "name": name,
        "display_name": name,
        "embedding_endpoint_type": endpoint_type(provider),
        "provider_name": provider,
        "provider_type": _TYPES.get(provider, provider),
        "model_type": "embedding",
    }


async def _listings(request: HttpRequest) -> list[Listed]:
    """Waits a little for providers of whom nothing is known yet; of all others it tells what it has."""
    await in_thread(principal_of, request.headers.get("Authorization"))
    found = await in_thread(_look)
    if not all(listed.is_fresh for listed in found):
        await in_thread(want_models)
    for _ in range(round(WAIT_SECONDS / LOOK_SECONDS)):
        if all(listed.is_known for listed in found):
            break
        await asyncio.sleep(LOOK_SECONDS)
        found = await in_thread(_look)
    return found


def _look() -> list[Listed]:
    """Of the providers that are configured, in their order; the demo has no row, and needs none."""
    age = ExpressionWrapper(Now() - F("asked_at"), DurationField())
    rows = {row.provider: row for row in ModelListing.objects.annotate(age=age)}
    return [
        Listed("demo", ("scripted",), True, True)
        if provider == DEMO
        else _listed(rows[provider.name])
        if provider.name in rows
        else Listed(provider.name)
        for provider in providers().providers
    ]


def _listed(row: Any) -> Listed:
    """`row` is a ModelListing with its `age`."""
    is_known = row.seen_at is not None or row.reason is not None
    fresh_for = FRESH if is_known and row.reason is None else AFTER_A_FAILURE
    return Listed(row.provider, tuple(row.names), is_known, row.age < fresh_for)


def _items(found: list[Listed]) -> Iterator[tuple[str, str]]:
    return ((listed.provider, name) for listed in found for name in listed.names)


def _answer(items: list[Shape]) -> JsonResponse:
    return JsonResponse(items, safe=False)
