"""A hint may be lost; it may never fail or hold up the request that gives it."""

import pytest
from celery import Celery
from django.conf import settings

from agents import hints
from tests.live.processes import free_port


@pytest.fixture
def broken(monkeypatch):
    """A broker that nobody answers for."""
    app = Celery("broken", broker=f"redis://127.0.0.1:{free_port()}/0", set_as_current=False)
    app.conf.broker_transport = settings.CELERY_BROKER_TRANSPORT
    sent = []
    send = app.send_task

    def counted(*args, **kwargs):
        sent.append(args)
        return send(*args, **kwargs)

    monkeypatch.setattr(app, "send_task", counted)
    monkeypatch.setattr(hints, "current_app", app)
    return sent


def test_a_broken_broker_does_not_fail_the_request(broken):
    hints.hint("conv-1")
    assert len(broken) == 1


def test_a_broken_broker_is_left_alone_for_a_while(broken):
    for _ in range(5):
        hints.hint("conv-1")
    assert len(broken) == 1


def test_a_worker_takes_up_what_the_broker_could_not_be_told(broken):
    taken = []
    hints.on_failure = taken.append
    hints.hint("conv-1")
    hints.hint("conv-2")
    assert taken == ["conv-1", "conv-2"]


def test_nobody_fails_for_want_of_a_list_of_models(broken):
    hints.on_failure = pytest.fail
    for _ in range(2):
        hints.want_models()
    assert [task for task, *_ in broken] == ["workers.list_models"]
