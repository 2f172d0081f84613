"""The threads that keep a worker's holds: one renews the leases on a connection of its own, one listens for cancels."""

import logging
import os
import socket
import threading
import time

import psycopg
import redis
from django.conf import settings
from django.db import connections

from agents.streaming import CANCELS
from workers.claims import RENEW, WANTED, Holds

log = logging.getLogger(__name__)

TICK = 0.5

_SHOW = """
INSERT INTO workers_worker (name, host, pid, version, slots, sandbox, turns, started_at, heartbeat_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, clock_timestamp(), clock_timestamp())
    ON CONFLICT (name) DO UPDATE SET turns = EXCLUDED.turns, heartbeat_at = EXCLUDED.heartbeat_at
"""


class Heartbeat(threading.Thread):
    """Renews every lease each third of its length, in one statement, and presses the abort button of a turn that was
    cancelled, is past its deadline, or whose lease could not be renewed for two thirds of its length."""

    def __init__(self, holds: Holds):
        super().__init__(name="heartbeat", daemon=True)
        self._holds = holds
        self.sandbox = ""  # told with the worker's row
        self._connection: psycopg.Connection | None = None
        self._ended = threading.Event()

    def run(self) -> None:
        renew_at = 0.0
        while not self._ended.wait(min(TICK, self._holds.lease / 6)):
            now = time.monotonic()
            if now >= renew_at:
                renew_at = now + self._holds.lease / 3
                self._beat()
            self._watch()

    def end(self) -> None:
        self._ended.set()

    def _beat(self) -> None:
        try:
            self._renew()
            self._show()
        except psycopg.Error as error:
            log.warning("Leases could not be renewed: %s", error)
            if self._connection:
                self._connection.close()
            self._connection = None

    def _renew(self) -> None:
        held = self._holds.all()
        if not held:
            return
        sent = time.monotonic()
        ids = [one.turn.hold.conversation_id for one in held]
        epochs = [one.turn.hold.epoch for one in held]
        renewed = {row[0] for row in self._execute(RENEW, [self._holds.lease, ids, epochs])}
        cancelled = {row[0] for row in self._execute(WANTED, [ids])}
        for one in held:
            if one.turn.hold.conversation_id in renewed:
                one.renewed = sent
            if one.turn.hold.conversation_id in cancelled:
                one.abort.press("cancelled")

    def _show(self) -> None:
        name = self._holds.owner
        slots, turns = settings.WORKER_SLOTS, len(self._holds)
        self._execute(_SHOW, [name, socket.gethostname(), os.getpid(), settings.VERSION, slots, self.sandbox, turns])

    def _watch(self) -> None:
        now = time.monotonic()
        for one in self._holds.all():
            if now >= one.deadline:
                one.abort.press("deadline")
            elif now - one.renewed > self._holds.lease * 2 / 3:
                one.abort.press("lost_lease")

    def _execute(self, statement: str, parameters: list) -> list[tuple]:
        """On a connection outside of the pool: a busy pool must never cost a lease."""
        if self._connection is None:
            known = connections["default"].get_connection_params()
            wanted = {name: value for name, value in known.items() if name not in ("pool", "cursor_factory", "context")}
            self._connection = psycopg.connect(**wanted, autocommit=True, connect_timeout=5)
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []


class CancelListener(threading.Thread):
    """Hears at once of a cancelled run. Without Redis, the heartbeat hears of it a little later."""

    def __init__(self, holds: Holds):
        super().__init__(name="cancels", daemon=True)
        self._holds = holds

    def run(self) -> None:
        while True:
            try:
                self._listen()
            except redis.RedisError as error:
                log.info("No cancels from Redis for now: %s", error)
                time.sleep(2)

    def _listen(self) -> None:
        client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=30, socket_connect_timeout=2)
        pubsub = client.pubsub(ignore_subscribe_messages=True)
        pubsub.subscribe(CANCELS)
        while True:
            message = pubsub.get_message(timeout=20)
            if message:
                self._holds.abort(message["data"].decode(), "cancelled")
