"""Celery's way through Redis: lists of hints, and nothing else. Why: docs/decisions/0024."""

import json
import time

import redis
from kombu import Connection
from kombu.transport import virtual
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError
from redis.retry import Retry

WAIT = 1.0
"""Seconds for which a worker waits at a time. Between two waits it looks whether it should stop."""

NO_ROOM = 0.01
ANSWER_SECONDS = 1.5
CONNECT_SECONDS = 1.0


class Channel(virtual.Channel):
    """A queue is a list of the same name: pushed at its head, taken from its tail."""

    do_restore = False

    def _put(self, queue: str, message: dict, **options: object) -> None:
        self.connection.redis.lpush(queue, json.dumps(message))

    def _size(self, queue: str) -> int:
        return self.connection.redis.llen(queue)

    def _purge(self, queue: str) -> int:
        size = self._size(queue)
        self.connection.redis.delete(queue)
        return size


class Transport(virtual.Transport):
    """Blocks in Redis for the next message, where kombu's own polls with an event loop around it."""

    Channel = Channel
    driver_type = driver_name = "redis"
    can_parse_url = True
    # A Redis that is full refuses every write. To Celery that would be the worker's end; like this it is a lost
    # connection, and the sweep does the work until there is a new one.
    connection_errors = (redis.ConnectionError, redis.TimeoutError, OutOfMemoryError, OSError)  # type: ignore[assignment]
    channel_errors = (redis.ResponseError,)

    def __init__(self, client: Connection, **options: object):
        super().__init__(client, **options)
        # One more try for a connection that was cut while it lay idle; none for a Redis that hangs.
        self.redis = redis.Redis.from_url(
            str(client.hostname),
            decode_responses=True,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )

    def establish_connection(self) -> "Transport":
        self.redis.ping()
        return super().establish_connection()

    def close_connection(self, connection: object) -> None:
        super().close_connection(connection)
        self.redis.close()

    def driver_version(self) -> str:
        return redis.__version__

    def drain_events(self, connection: object, timeout: float | None = None, **options: object) -> None:
        """Deliver one message. Raises TimeoutError when there is none, or no room for one."""
        queues = [queue for channel in self.channels if channel.qos.can_consume() for queue in channel._active_queues]
        if not queues:
            time.sleep(NO_ROOM)
            raise TimeoutError("no room for another message")
        found = self.redis.brpop(queues, timeout=min(WAIT, timeout or WAIT))
        if found is None:
            raise TimeoutError("no message")
        queue, text = found
        self._deliver(json.loads(text), queue)
