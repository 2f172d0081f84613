"""The model of an agent whose maker named none."""

from collections.abc import Sequence

from django.conf import settings

from agents.llm.provider import DEMO, Provider
from agents.llm.registry import converses, preferred_handle
from agents.models import ModelListing

DEMO_MODEL = f"{DEMO.name}/scripted"


def default_model(providers: Sequence[Provider]) -> str:
    """The one that is set, or a well-known one of a well-known provider, or the first that a provider has told of.

    Without any of them it is the demo.
    """
    return settings.DEFAULT_MODEL or preferred_handle(providers) or _first_listed(providers) or DEMO_MODEL


def _first_listed(providers: Sequence[Provider]) -> str | None:
    names = dict(ModelListing.objects.values_list("provider", "names"))
    told = (f"{one.name}/{name}" for one in providers for name in names.get(one.name, ()) if converses(name))
    return next(told, None)
