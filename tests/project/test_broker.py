"""Celery's way through Redis, with the real one behind it."""

import socket
import threading
import time

import pytest
import redis
from celery import Celery
from django.conf import settings
from kombu import Connection, Consumer, Queue

from project import broker
from tests.live.processes import free_port


@pytest.fixture
def queue(request):
    return Queue(request.node.name)


@pytest.fixture
def connection(queue):
    with Connection(settings.REDIS_URL, transport=settings.CELERY_BROKER_TRANSPORT) as connection:
        yield connection
        connection.channel().queue_purge(queue.name)


def send(connection, queue, *bodies):
    producer = connection.Producer()
    for body in bodies:
        producer.publish(body, routing_key=queue.name, declare=[queue])


def taken(connection, queue, count, room=10):
    """What the next waits bring, `count` of them."""
    found = []
    consumer = Consumer(connection, [queue], callbacks=[lambda body, message: found.append((body, message))])
    consumer.qos(prefetch_count=room)
    with consumer:
        for _ in range(count):
            connection.drain_events(timeout=1)
    return found


def test_messages_come_in_order(connection, queue):
    send(connection, queue, {"no": 1}, {"no": 2, "text": "é\N{SNOWMAN}"})
    assert [body for body, _ in taken(connection, queue, 2)] == [{"no": 1}, {"no": 2, "text": "é\N{SNOWMAN}"}]


def test_one_that_comes_later_ends_the_wait(connection, queue):
    threading.Timer(0.1, send, [connection.clone(), queue, "late"]).start()
    assert [body for body, _ in taken(connection, queue, 1)] == ["late"]


def test_a_wait_for_nothing_is_short(connection, queue):
    started = time.monotonic()
    with pytest.raises(socket.timeout):
        taken(connection, queue, 1)
    assert time.monotonic() - started < 2 * broker.WAIT


def test_no_more_is_taken_than_there_is_room_for(connection, queue):
    send(connection, queue, "one", "two")
    with pytest.raises(socket.timeout, match="room"):
        taken(connection, queue, 2, room=1)
    assert connection.channel().queue_declare(queue.name).message_count == 1


def test_what_is_done_makes_room(connection, queue):
    send(connection, queue, "one", "two")
    found = []

    def done(body, message):
        found.append(body)
        message.ack()

    with Consumer(connection, [queue], callbacks=[done]) as consumer:
        consumer.qos(prefetch_count=1)
        for _ in range(2):
            connection.drain_events(timeout=1)
    assert found == ["one", "two"]


def connect(port):
    with Connection(f"redis://127.0.0.1:{port}/0", transport=settings.CELERY_BROKER_TRANSPORT) as connection:
        with pytest.raises(connection.connection_errors) as lost:
            connection.transport.establish_connection()
        return lost.type


def test_a_redis_that_hangs_is_a_lost_connection():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        assert issubclass(connect(deaf.getsockname()[1]), redis.TimeoutError)


def test_a_redis_that_is_not_there_is_a_lost_connection():
    assert issubclass(connect(free_port()), redis.ConnectionError)


def test_the_password_of_the_url_is_not_shown():
    app = Celery("secret", broker="redis://:hidden@127.0.0.1:1/0", set_as_current=False)
    app.conf.broker_transport = settings.CELERY_BROKER_TRANSPORT
    assert "hidden" not in app.connection_for_read().as_uri()
