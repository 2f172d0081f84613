"""What keeps a worker's holds: renewals, cancels, and letting go of what was lost."""

import pytest
from django.utils import timezone

from agents.loop.ports import Abort
from agents.models import Conversation, Run
from tests.agents import given
from workers.claims import Held, Holds
from workers.heartbeat import Heartbeat
from workers.models import Worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def held():
    """A turn in the book of a process."""
    agent = given.agent()
    given.said(agent)
    return Held(given.claimed(agent, lease=5), Abort())


@pytest.fixture
def heart(held):
    holds = Holds("worker-1", 30)
    holds._held[held.turn.conversation.id] = held
    heart = Heartbeat(holds)
    heart.sandbox = "T2 No namespaces."
    yield heart
    if heart._connection:
        heart._connection.close()


def seconds_left():
    return (Conversation.objects.get().lease_until - timezone.now()).total_seconds()


def test_a_beat_renews_the_lease_and_shows_the_worker(heart, held):
    assert seconds_left() <= 5
    heart._beat()
    assert 25 < seconds_left() <= 30
    assert Worker.objects.get().sandbox == "T2 No namespaces."
    assert (Worker.objects.get().name, Worker.objects.get().turns) == ("worker-1", 1)


def test_the_lease_of_another_is_not_renewed(heart, held):
    Conversation.objects.update(epoch=99)
    before = held.renewed
    heart._beat()
    assert seconds_left() <= 5
    assert held.renewed == before


def test_a_beat_hears_of_a_cancel(heart, held):
    heart._beat()
    assert held.abort.reason is None
    Run.objects.update(cancel_requested_at=timezone.now())
    heart._beat()
    assert held.abort.reason == "cancelled"


@pytest.mark.parametrize(
    ("change", "reason"), [({"renewed": float("-inf")}, "lost_lease"), ({"deadline": 0.0}, "deadline"), ({}, None)]
)
def test_a_turn_that_must_not_go_on_is_stopped(heart, held, change, reason):
    for name, value in change.items():
        setattr(held, name, value)
    heart._watch()
    assert held.abort.reason == reason


def test_a_beat_without_a_database_is_survived_and_made_good(heart, held):
    heart._beat()
    heart._connection.close()
    heart._beat()
    assert heart._connection is None
    heart._beat()
    assert 25 < seconds_left() <= 30
