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
    publish = hints._publish

    def counted(*given):
        sent.append(given)
        publish(*given)

    monkeypatch.setattr(hints, "_publish", counted)
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


def test_a_hint_is_a_task_as_celery_has_it(monkeypatch):
    app = Celery("own", broker=settings.REDIS_URL, set_as_current=False)
    app.conf.update(broker_transport=settings.CELERY_BROKER_TRANSPORT, task_default_queue="hints of a test")
    monkeypatch.setattr(hints, "current_app", app)
    hints.PAUSE.end()
    hints.hint("conv-1")
    with app.connection_for_read() as connection:
        message = connection.SimpleQueue("hints of a test").get(timeout=5)
    ours = app.amqp.as_task_v2(message.headers["id"], hints.ADVANCE, ("conv-1",), {})
    assert message.payload == [list(ours.body[0]), *ours.body[1:]]
    assert message.headers == {name: ours.headers[name] for name in message.headers}
