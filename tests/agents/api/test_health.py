"""What anybody may know of the server."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from agents.api import health
from workers.models import Worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "known", health.Known())


def worker(name: str, sandbox: str, seconds_ago: int = 0) -> None:
    Worker.objects.create(name=name, host="here", pid=1, sandbox=sandbox)
    Worker.objects.filter(name=name).update(heartbeat_at=timezone.now() - timedelta(seconds=seconds_ago))


def told() -> str | None:
    return Client().get("/v1/health/").json()["sandbox"]


def test_without_a_worker_nothing_is_known() -> None:
    worker("silent", "T1", seconds_ago=60)
    worker("older", "")
    assert told() is None


def test_the_weakest_that_is_alive() -> None:
    worker("gone", "T1", seconds_ago=60)
    worker("good", "T3")
    worker("fair", "T2 The kernel has no user namespaces.")
    assert told() == "T2"


def test_it_is_remembered_for_a_while() -> None:
    worker("good", "T3")
    assert told() == "T3"
    Worker.objects.all().delete()
    assert told() == "T3"
