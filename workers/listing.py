"""Asks the providers which models they have, and keeps what they say. One that is down keeps its models of before."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from celery import shared_task
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from agents.hints import LIST_MODELS
from agents.llm.registry import Provider, list_models, providers_from
from agents.models import ModelListing

# Several web processes may want the list at once: a provider is asked by one worker, and not again so soon.
_TAKE = """
INSERT INTO agents_modellisting (provider, names, asked_at) SELECT unnest(%s::text[]), '{}', clock_timestamp()
    ON CONFLICT (provider) DO UPDATE SET asked_at = clock_timestamp()
 WHERE agents_modellisting.asked_at < clock_timestamp() - make_interval(secs => %s) RETURNING provider
"""
PAUSE_SECONDS = 20.0


@shared_task(name=LIST_MODELS)
def refresh() -> None:
    """All at once, so that a slow provider keeps nobody waiting for the others."""
    try:
        wanted = _taken([provider for provider in providers_from(settings.PROVIDER_SETTINGS) if provider.base_url])
    finally:
        connection.close()
    if wanted:
        with ThreadPoolExecutor(len(wanted), thread_name_prefix="models") as pool:
            list(pool.map(_ask, wanted))


def _taken(providers: Sequence[Provider]) -> list[Provider]:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [[provider.name for provider in providers], PAUSE_SECONDS])
        names = {name for (name,) in cursor}
    return [provider for provider in providers if provider.name in names]


def _ask(provider: Provider) -> None:
    listing = list_models(provider)
    row = ModelListing.objects.filter(provider=provider.name)
    try:
        if listing.reason is None:
            row.update(names=list(listing.models), reason=None, seen_at=Now())
        else:
            row.update(reason=listing.reason)
    finally:
        connection.close()
