"""Both ends of the wire. A worker publishes the events of a run; any number of readers follow them from any number.

Events go to a Redis stream per run, for readers that come later, and out on a channel of the same name, for those
that listen. Postgres can give all but the token deltas again, so nothing here may fail a run: without Redis, readers
are fed from the rows, a second late.
"""

import json
import logging
import time
from collections.abc import Iterable

import redis

from agents.events import closing_entries, durable_events
from agents.loop.events import CallDelta, CallStart, LLMEvent, ReasoningDelta, TextDelta
from agents.loop.fragments import StringFields
from agents.loop.style import THINKING_ARGUMENT
from agents.models import Message, Run, Step
from agents.pause import Pause
from agents.turns import Turn
from agents.wire import CALLS, Wire, envelope, is_speech, parts

log = logging.getLogger(__name__)

TOKEN_SECONDS, UNHURRIED_SECONDS = 0.03, 0.5
"""How long pieces of an answer are gathered: for whoever asked for tokens, and where nobody did but some may look."""

MAX_STREAM = 10_000
CANCELS = "perdure:cancels"


def channel(run_id: str) -> str:
    """Both the stream and the channel of a run."""
    return f"perdure:{run_id}"


class Wires:
    """The Redis connection of one worker process, for publishing only. After a failure it is left alone for a while."""

    def __init__(self, url: str, retention: float, pause: float = 5.0):
        self._redis = redis.Redis.from_url(
            url, socket_timeout=1.5, socket_connect_timeout=1.0, retry_on_timeout=False, retry=None
        )
        self._retention = int(retention)
        self._pause = Pause(pause)

    def send(self, run_id: str, entries: list[Wire], kept: bool = True) -> None:
        """Tell the listeners; what is kept goes to the run's stream too, for later readers. One round trip."""
        if not entries or self._pause:
            return
        body = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        name = channel(run_id)
        try:
            if not kept:
                self._redis.publish(name, body)
                return
            pipe = self._redis.pipeline(transaction=False)
            pipe.xadd(name, {"e": body}, maxlen=MAX_STREAM, approximate=True)
            pipe.expire(name, self._retention)
            pipe.publish(name, body)
            pipe.execute()
        except redis.RedisError as error:
            self._pause.begin()
            log.warning("Live events are off for %.0f s: %s", self._pause.seconds, error)

    def tell_cancel(self, run_id: str) -> None:
        """Workers listen for this; the renewal of the lease tells them too, only later."""
        try:
            self._redis.publish(CANCELS, run_id)
        except redis.RedisError as error:
            log.warning("The worker hears of the cancellation with its next heartbeat: %s", error)


class Publisher:
    """The live events of one turn. Deltas are gathered for a moment, so that a token costs no round trip of its own.

    An entry is {"kind": "event" | "restart", "data": the API's object}, {"kind": "delta", "data", "at": how many
    characters of the same text went before it}, {"kind": "rows", "count": of the messages that the events before it
    show}, or, at the end of a run, {"kind": "done", "data", "count": of all its messages}: who has heard of that many
    has missed nothing.
    """

    def __init__(self, wires: Wires, turn: Turn):
        self._wires = wires
        self._turn = turn
        self._pending: list[Wire] = []
        # Whether anybody has asked for tokens. If not, the rows hold all that a later reader wants.
        self._hurried = bool(turn.run.background or turn.run.options.get("stream_tokens"))
        self._pause = TOKEN_SECONDS if self._hurried else UNHURRIED_SECONDS
        self._flushed_at = 0.0 if self._hurried else time.monotonic()
        self._names: dict[int, str] = {}
        self._inside: dict[int, StringFields] = {}  # the arguments of calls that speech and thoughts travel in
        self._kinds: list[str] = []
        self._lengths: dict[tuple[str, str], int] = {}
        if turn.is_again and turn.step.status == Step.Status.OPEN:
            self._restarted()

    def emit(self, event: LLMEvent) -> None:
        """A piece of the model's answer, as it comes."""
        bodies = [body for body in self._deltas(event) if self._turn.view.wants(body["message_type"])]
        for body in bodies:
            data = self._numbered(body)
            key, text = piece(data)
            at = self._lengths.get(key, 0)
            self._lengths[key] = at + len(text)
            self._pending.append({"kind": "delta", "data": data, "at": at})
        if bodies and time.monotonic() - self._flushed_at >= self._pause:
            self.flush()

    def committed(self, messages: list[Message], ended: Run | None) -> None:
        """What has become durable."""
        view = self._turn.view
        for message in messages:
            for item in parts(message, view):
                if view.wants(item["message_type"]):
                    self._pending.append({"kind": "event", "data": item})
        self._pending.append({"kind": "rows", "count": len(messages)})
        if ended is not None:
            self._pending += self._turn.closing or closing_entries(ended)
        self.flush()

    def flush(self) -> None:
        pending, self._pending = self._pending, []
        self._wires.send(self._turn.run.id, _merged(pending), kept=self._hurried)
        self._flushed_at = time.monotonic()

    def _restarted(self) -> None:
        body = {"message_type": "step_restarted", "step_id": self._turn.step.id, "run_id": self._turn.run.id}
        self._pending.append({"kind": "restart", "data": body | {"seq_id": self._turn.number()}})
        self.flush()

    def _numbered(self, body: Wire) -> Wire:
        turn = self._turn
        kind = body["message_type"]
        if not self._kinds or (self._kinds[-1] != kind and not (kind in CALLS and kind in self._kinds)):
            self._kinds.append(kind)
        place = self._kinds.index(kind) if kind in CALLS else len(self._kinds) - 1
        head = envelope(turn.answer_id, turn.step.created_at, place, step_id=turn.step.id, run_id=turn.run.id)
        return head | body | {"seq_id": turn.number()}

    def _deltas(self, event: LLMEvent) -> list[Wire]:
        match event:
            case TextDelta(text) if text:
                return [_spoken(text)]
            case ReasoningDelta(text) if text:
                return [_thought(text, "reasoner_model")]
            case CallStart(index, name):
                self._names[index] = name
                if self._is_private(name):
                    self._inside[index] = StringFields()
                    return []
                return [self._call(index, {"name": name})]
            case CallDelta(index, arguments) if index in self._inside:
                return self._within(self._names[index], self._inside[index].feed(arguments))
            case CallDelta(index, arguments) if index in self._names:
                return [self._call(index, {"arguments": arguments})]
        return []

    def _within(self, name: str, pieces: list[tuple[str, str]]) -> list[Wire]:
        """Speech and thoughts that are written as arguments. The other arguments are shown with the whole call."""
        view, shown = self._turn.view, list[Wire]()
        for argument, text in pieces:
            if argument == THINKING_ARGUMENT and self._turn.thinks_aloud:
                shown.append(_thought(text, "non_reasoner_model"))
            elif argument == view.speech_argument and is_speech(name, view):
                shown.append(_spoken(text))
        return shown

    def _call(self, index: int, piece: Wire) -> Wire:
        call = piece | {"tool_call_id": self._turn.call_id(index)}
        kind = "approval_request_message" if self._names[index] in self._turn.gated else "tool_call_message"
        return {"message_type": kind, "tool_call": call, "tool_calls": call}

    def _is_private(self, name: str) -> bool:
        return is_speech(name, self._turn.view) or self._turn.thinks_aloud


def announce_end(wires: Wires, run: Run) -> None:
    """For runs that ended without a step. What was stored with the end, nobody has heard of yet."""
    stored = [{"kind": "event", "data": event} for event in durable_events(run)]
    wires.send(run.id, [*stored, *closing_entries(run)])


def _spoken(text: str) -> Wire:
    return {"message_type": "assistant_message", "content": text}


def _thought(text: str, source: str) -> Wire:
    return {"message_type": "reasoning_message", "source": source, "reasoning": text, "signature": None}


def piece(data: Wire) -> tuple[tuple[str, str], str]:
    """What a delta belongs to, and its text; a call's text is its name and its arguments."""
    kind = data["message_type"]
    if kind in CALLS:
        call = data["tool_call"]
        return (call["tool_call_id"], kind), (call.get("name") or "") + (call.get("arguments") or "")
    text = data.get("content") if kind == "assistant_message" else data.get("reasoning")
    return (data.get("id", ""), kind), text if isinstance(text, str) else ""


def _merged(entries: Iterable[Wire]) -> list[Wire]:
    """Neighbouring deltas of the same text become one, with the number of the last."""
    merged: list[Wire] = []
    for entry in entries:
        if merged and entry["kind"] == merged[-1]["kind"] == "delta" and _join(merged[-1]["data"], entry["data"]):
            continue
        merged.append(entry)
    return merged


def _join(first: Wire, second: Wire) -> bool:
    if first["otid"] != second["otid"] or first["message_type"] != second["message_type"]:
        return False
    for name in ("content", "reasoning"):
        if name in first:
            first[name] += second[name]
            first["seq_id"] = second["seq_id"]
            return True
    one, two = first["tool_call"], second["tool_call"]
    if one["tool_call_id"] != two["tool_call_id"] or "arguments" not in one or "arguments" not in two:
        return False
    one["arguments"] += two["arguments"]
    first["seq_id"] = second["seq_id"]
    return True
