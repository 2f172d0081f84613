"""The readers' end of the wire: follow a run's events from any number, in the event loop of a web process.

One connection to Redis serves all readers of a process. What does not come through it comes from Postgres: once a
second one query asks whether any followed run has gone further than its readers have heard.
"""

import asyncio
import json
import logging
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import redis.asyncio as redis
from django.conf import settings
from django.db import connection

from agents.events import Progress, durable_events, progress_of
from agents.models import Run
from agents.streaming import channel, piece
from agents.wire import CALLS, Wire

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
MAX_WAITING = 256
"""Entries that a reader may be behind. Then it is told to look at the rows, which hold all that has to be told."""
LOOK_AGAIN: list[Wire] = []
"""Put into a reader's queue: Postgres has more than you have heard."""
REDIS_SECONDS = 2.0

Entries = asyncio.Queue[list[Wire]]

T = TypeVar("T")

_threads = ThreadPoolExecutor(16, thread_name_prefix="rows")


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Run `work`, which uses the database, outside of the event loop. It keeps no connection afterwards."""

    def closing() -> T:
        try:
            return work(*arguments)
        finally:
            connection.close()

    return await asyncio.get_running_loop().run_in_executor(_threads, closing)


class Reader:
    """Pure: which of the entries that arrive, from Redis or Postgres, late or twice, a client is sent.

    seen    the last number that the client has
    tokens  whether it wants the pieces of an answer, or only whole messages
    """

    def __init__(self, seen: int = 0, tokens: bool = False):
        self.seen = seen
        self.tokens = tokens
        self.done = False
        self._shown: dict[tuple[str, str], str] = {}

    def take(self, entry: Wire) -> list[Wire]:
        match entry:
            case {"kind": "delta", "data": data, "at": at}:
                return self._delta(data, at) if self.tokens else []
            case {"kind": "event", "data": data}:
                return self._event(data)
            case {"kind": "restart", "data": data}:
                self._shown.clear()
                return self._new(data) if self.tokens else []
            case {"kind": "done", "data": data}:
                self.done = self.seen >= data["seq_id"]
        return []

    def _new(self, data: Wire) -> list[Wire]:
        if data["seq_id"] <= self.seen:
            return []
        self.seen = data["seq_id"]
        return [data]

    def _delta(self, data: Wire, at: int) -> list[Wire]:
        key, text = piece(data)
        shown = self._shown.get(key, "")
        if len(shown) != at:
            return []  # it came before, or one before it was lost: then the whole message makes up for it
        self._shown[key] = shown + text
        return self._new(data)

    def _event(self, data: Wire) -> list[Wire]:
        if not self._new(data):
            return []
        if data["message_type"] in CALLS:
            return [] if self._has_calls(data) else [data]
        key, full = piece(data)
        shown = self._shown.pop(key, None)
        if shown is None:
            return [data]
        if len(shown) > len(full) and shown.startswith(full):
            self._shown[key] = shown[len(full) :]  # of the next thought of the same answer
        rest = full.removeprefix(shown) if full.startswith(shown) else "" if shown.startswith(full) else full
        name = "content" if "content" in data else "reasoning"
        return [data | {name: rest}] if rest else []

    def _has_calls(self, data: Wire) -> bool:
        """Whether the client was sent every call of this message, piece by piece."""
        keys = [(call["tool_call_id"], data["message_type"]) for call in data["tool_calls"]]
        return all(
            self._shown.get(key) == call["name"] + call["arguments"]
            for key, call in zip(keys, data["tool_calls"], strict=True)
        )


@dataclass(eq=False)
class Listener:
    """One who follows a run. `seen` tells the last number that it has; without, it cares for the end alone."""

    seen: Callable[[], int] | None = None
    queue: Entries = field(default_factory=asyncio.Queue)

    def put(self, entries: list[Wire]) -> None:
        if self.queue.qsize() >= MAX_WAITING:
            while not self.queue.empty():
                self.queue.get_nowait()
            entries = LOOK_AGAIN
        self.queue.put_nowait(entries)

    def lacks(self, progress: Progress) -> bool:
        return progress.over or (self.seen is not None and self.seen() < progress.number)


class Hub:
    """The listeners of this event loop, by run, and the one task that keeps Redis' subscriptions the same as theirs.

    That is one task's work because listeners come, leave and are cancelled at any moment, also half-way through a
    command to Redis.
    """

    def __init__(self) -> None:
        self._redis = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=None, socket_connect_timeout=1)
        self._pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
        self._listeners: dict[str, set[Listener]] = {}
        self._subscribed: dict[str, asyncio.Event] = {}
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def listen(self, run_id: str, seen: Callable[[], int] | None = None) -> AsyncIterator[Entries]:
        """A queue of what is published of the run from now on."""
        listener = Listener(seen)
        self._listeners.setdefault(run_id, set()).add(listener)
        try:
            await self._hears(run_id)
            yield listener.queue
        finally:
            self._listeners[run_id].discard(listener)
            if not self._listeners[run_id]:
                del self._listeners[run_id]

    async def history(self, run_id: str) -> list[Wire]:
        """What the run's stream still holds; nothing, without Redis."""
        try:
            rows: Any = await asyncio.wait_for(self._redis.xrange(channel(run_id)), REDIS_SECONDS)
        except (redis.RedisError, OSError, TimeoutError):
            return []
        return [entry for _, fields in rows or () for entry in json.loads(fields[b"e"])]

    async def _hears(self, run_id: str) -> None:
        """Wait until the run is subscribed to; but not for long, because without Redis it goes on too."""
        if run_id not in self._subscribed:
            self._subscribed[run_id] = asyncio.Event()
            self._changed.set()
        if not self._tasks:
            self._tasks = [asyncio.create_task(_for_ever(work)) for work in (self._subscribe, self._read, self._poll)]
        with suppress(TimeoutError):
            await asyncio.wait_for(self._subscribed[run_id].wait(), REDIS_SECONDS)

    async def _subscribe(self) -> None:
        await self._changed.wait()
        self._changed.clear()
        try:
            if gone := [run_id for run_id in self._subscribed if run_id not in self._listeners]:
                for run_id in gone:
                    del self._subscribed[run_id]
                await self._pubsub.unsubscribe(*map(channel, gone))
            if new := [run_id for run_id, event in self._subscribed.items() if not event.is_set()]:
                await self._pubsub.subscribe(*map(channel, new))
                for run_id in new:
                    self._subscribed[run_id].set()
        except Exception:
            self._changed.set()  # to try again
            raise

    async def _read(self) -> None:
        await asyncio.sleep(0.01)  # nothing is subscribed to yet
        async for message in self._pubsub.listen():
            run_id = message["channel"].decode().removeprefix("perdure:")
            entries = json.loads(message["data"])
            for listener in self._listeners.get(run_id, ()):
                listener.put(entries)

    async def _poll(self) -> None:
        await asyncio.sleep(POLL_SECONDS)
        if any(run_id not in self._listeners for run_id in self._subscribed):
            self._changed.set()  # whoever has gone is forgotten with all others of this second, in one command
        for run_id, progress in (await in_thread(progress_of, list(self._listeners))).items():
            for listener in self._listeners.get(run_id, ()):
                if listener.lacks(progress):
                    listener.put(LOOK_AGAIN)


async def _for_ever(work: Callable[[], Awaitable[None]]) -> None:
    """Whatever befalls it: every reader of this process needs it."""
    while True:
        try:
            await work()
        except Exception as error:
            log.warning("Live events are delayed: %s", error)
            await asyncio.sleep(0.5)


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


def hub() -> Hub:
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]


async def follow(run_id: str, after: int = 0, tokens: bool = False) -> AsyncIterator[Wire]:
    """The events of a run with numbers above `after`, until its last. Nothing is missed and nothing comes twice."""
    reader = Reader(after, tokens)
    async with hub().listen(run_id, lambda: reader.seen) as queue:
        for entry in await hub().history(run_id) if tokens else []:
            for event in reader.take(entry):
                yield event
        for event in await _from_rows(run_id, reader):
            yield event
        while not reader.done:
            entries = await queue.get()
            for event in await _from_rows(run_id, reader) if entries is LOOK_AGAIN else ():
                yield event
            for entry in entries:
                for event in reader.take(entry):
                    yield event


async def ended(run_id: str, queue: Entries) -> list[Wire] | None:
    """Wait until the run has ended. `queue` was listening before the run began.

    Returns all its durable events, if they were all heard; None if Postgres must be asked for them.
    """
    events: list[Wire] = []
    rows = 0
    while True:
        entries = await queue.get()
        for entry in entries:
            if entry["kind"] == "event":
                events.append(entry["data"])
            elif entry["kind"] == "rows":
                rows += entry["count"]
            elif entry["kind"] == "done":
                return events if rows == entry["count"] else None
        if entries is LOOK_AGAIN and await in_thread(is_over, run_id):
            return None


async def _from_rows(run_id: str, reader: Reader) -> list[Wire]:
    events, over = await in_thread(_durable, run_id, reader.seen)
    shown = [event for data in events for event in reader.take({"kind": "event", "data": data})]
    reader.done = reader.done or over
    return shown


def _durable(run_id: str, after: int) -> tuple[list[Wire], bool]:
    run = Run.objects.filter(id=run_id).first()
    if run is None:
        return [], True
    return list(durable_events(run, after)), run.is_terminal


def is_over(run_id: str) -> bool:
    run = Run.objects.filter(id=run_id).only("status").first()
    return run is None or run.is_terminal
