"""What a fresh server needs before anybody can use it. On later starts it makes what is missing, and nothing else."""

import json
import os
import secrets
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.keys import issue_key
from accounts.models import Organization, User
from agents.creation import create_agent
from agents.default_model import DEMO_MODEL, default_model
from agents.llm.provider import DEMO, Provider, providers_from
from agents.llm.registry import Providers, UnknownProvider
from agents.models import Agent, ModelListing
from tools import catalog
from workers.listing import refresh

ARCHIVAL_TOOLS = ("archival_memory_insert", "archival_memory_search")

PERSONA = "I am the first agent of this server: friendly, brief, and careful to keep what I am told."


class Command(BaseCommand):
    help = "Create the first organization, admin, API key and agent, if there are none. Prints a JSON object."

    def handle(self, *args: object, **options: object) -> None:
        model = self._model()
        with transaction.atomic():
            organization = Organization.objects.order_by("created_at").first()
            created = organization is None
            if organization is None:
                organization = Organization.objects.create(name="Default")
                self._first_rows(organization, model)
        catalog.ensure(organization.id)
        # Whoever tried the demo and then gave the server a provider expects the first agent to use it.
        Agent.objects.filter(organization=organization, name="first", model=DEMO_MODEL).update(model=model)
        agent = Agent.objects.filter(organization=organization).order_by("created_at").first()
        self.stdout.write(
            json.dumps(
                {
                    "created": created,
                    "model": agent.model if agent else model,
                    "default_model": model,
                    "without_models": self._without_models() if model == DEMO_MODEL else {},
                    "agent_id": agent.id if agent else None,
                }
            )
        )

    def _model(self) -> str:
        """Providers whose models nobody knows by heart are asked, once they are needed."""
        model = default_model(configured())
        try:
            Providers(tuple(configured())).resolve(model)
        except UnknownProvider as error:
            raise CommandError(f"PERDURE_DEFAULT_MODEL is {model!r}. {error}") from None
        if model == DEMO_MODEL and configured():
            refresh()
            model = default_model(configured())
        return model

    def _without_models(self) -> dict[str, str]:
        """The configured providers, and why none has a model to talk to."""
        reasons = dict(ModelListing.objects.values_list("provider", "reason"))
        return {one.name: reasons.get(one.name) or "it has no model to talk to" for one in configured()}

    def _first_rows(self, organization: Organization, model: str) -> None:
        password = os.environ.get("PERDURE_ADMIN_PASSWORD") or secrets.token_urlsafe(15)
        admin = User(username="admin", organization=organization, is_staff=True, is_superuser=True)
        admin.set_password(password)
        admin.save()
        _, key = issue_key(organization, name="first", user=admin)
        create_agent(
            organization.id,
            actor_id=admin.id,
            name="first",
            model=model,
            blocks=[{"label": "human", "value": ""}, {"label": "persona", "value": PERSONA}],
            tool_names=ARCHIVAL_TOOLS,
        )
        keep(settings.HOME / "admin-password", password)
        keep(settings.HOME / "api-key", key)


def configured() -> list[Provider]:
    """Without the demo, which always is."""
    return [provider for provider in providers_from(settings.PROVIDER_SETTINGS) if provider != DEMO]


def keep(path: Path, text: str) -> None:
    """Write a secret that only its owner may read. It is never in a file that others could, not even for a moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
