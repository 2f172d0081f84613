"""A claimed step is taken, and what comes of it: the next one, another try, or the end of its run."""

import logging
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from django.db import InterfaceError, OperationalError

from accounts.fields import clean_text
from agents import endings
from agents.compacting import KIND as COMPACT
from agents.compacting import compact
from agents.errors import Cancelled, Fenced, LLMError
from agents.faultpoints import faultpoint
from agents.hints import call_back, hint
from agents.ledger import StepLedger
from agents.loading import OVERFLOW, load
from agents.loop.decision import Finished
from agents.loop.events import CallDelta, CallStart, LLMEvent, ReasoningDelta, TextDelta
from agents.loop.ports import LLM, Abort, LLMRequest
from agents.loop.step import take_step
from agents.retrieval import with_memories
from agents.streaming import Publisher, Wires, announce_end
from agents.toolbox import CommitTools, OutsideTools
from agents.turns import Turn
from memory.embeddings import Vector
from tools.sandbox import Runner

log = logging.getLogger(__name__)

MAX_LLM_FAILURES = 6
MAX_EMPTY = 3
MAX_RETRY_AFTER = 900.0
MAX_BACKOFF = 60.0
NO_ROOM = (
    "What every request begins with (instructions, core memory, tools: about {tokens:,} tokens) leaves too little room "
    "in the model's context window. Shorten the instructions or blocks, detach tools, or choose a model with a larger "
    "window. The provider said: {told}"
)


class Outfit(Protocol):
    """What a worker gives a step: built from the settings in workers/wiring.py."""

    wires: Wires

    @property
    def sandbox(self) -> Runner: ...

    def embed(self, handle: str, text: str) -> Vector | None: ...

    def llm(self, handle: str) -> LLM: ...

    def context_window(self, handle: str) -> int: ...


def advance(turn: Turn, outfit: Outfit, abort: Abort) -> None:
    """Take the claimed step, and see to whatever comes of it. A worker that lost its hold writes nothing more."""
    try:
        _advance(turn, outfit, abort)
    except Fenced as fenced:
        log.warning("Fenced: %s", fenced)
        return
    except (OperationalError, InterfaceError):
        # The database is away for longer than was waited: nothing is lost, the sweep comes back to it.
        log.exception("%s could not go on", turn.run.id)
        return
    if turn.run.is_terminal:
        log.info("%s %s (%s)", turn.run.id, turn.run.status, turn.run.stop_reason)
    for place in [*turn.also_ready, *([turn.conversation.id] if turn.ready else [])]:
        hint(place)
    if turn.run.is_terminal and turn.run.options.get("callback_url"):
        call_back(turn.run.id)


def _advance(turn: Turn, outfit: Outfit, abort: Abort) -> None:
    if turn.run.is_terminal:
        faultpoint("c15")
        announce_end(outfit.wires, turn.run)
        return
    publisher = Publisher(outfit.wires, turn)
    turn.committed = publisher.committed
    try:
        _step(turn, outfit, publisher, abort)
    except Cancelled as stopped:
        publisher.flush()
        _stopped(turn, stopped.reason)
    except LLMError as error:
        publisher.flush()
        _llm_failed(turn, error)
    except (Fenced, OperationalError, InterfaceError):
        raise
    except Exception as error:
        log.exception("Step %s of %s failed", turn.step.no, turn.run.id)
        text = f"{type(error).__name__} in step {turn.step.no}. The log has more."
        endings.fail(turn, Finished("error", "internal_error", text))


def _step(turn: Turn, outfit: Outfit, publisher: Publisher, abort: Abort) -> None:
    faultpoint("load", turn.run.input)
    loaded = load(turn, outfit.context_window)
    loaded = with_memories(turn, loaded, outfit.embed, outfit.context_window)
    loaded = compact(turn, loaded, outfit.llm, outfit.context_window, abort)
    book = StepLedger(turn, lambda: CommitTools(turn, loaded.equipped))
    if turn.run.kind == COMPACT:
        book.close(None, [], lambda returns: Finished("end_turn"))
        return
    llm = Timed(outfit.llm(loaded.state.handle), turn)
    tools = OutsideTools(turn, loaded.equipped, outfit.sandbox, outfit.embed)
    take_step(loaded.state, llm, tools, book, publisher.emit, abort)


class Timed:
    """A model whose call is timed into the turn."""

    def __init__(self, llm: LLM, turn: Turn):
        self._llm = llm
        self._turn = turn

    def stream(self, request: LLMRequest, abort: Abort) -> Iterator[LLMEvent]:
        started = time.monotonic_ns()
        faultpoint("c5")
        for event in self._llm.stream(request, abort):
            if self._turn.first_token_ns is None:
                self._turn.first_token_ns = time.monotonic_ns() - started
            yield _storable(event)
            faultpoint("c6", event)
        self._turn.llm_ns = time.monotonic_ns() - started
        faultpoint("c7")


def _storable(event: LLMEvent) -> LLMEvent:
    """Without what Postgres refuses: what is shown as it comes has to be what is stored."""
    match event:
        case TextDelta(text) | ReasoningDelta(text):
            return replace(event, text=clean_text(text))
        case CallStart(name=name):
            return replace(event, name=clean_text(name))
        case CallDelta(arguments=arguments):
            return replace(event, arguments=clean_text(arguments))
    return event


def _stopped(turn: Turn, reason: str) -> None:
    if reason == "cancelled":
        endings.cancel(turn)
    elif reason == "deadline":
        endings.fail(turn, endings.TOO_LATE)
    elif reason == "shutdown":
        endings.release(turn)
        turn.ready = True


def _llm_failed(turn: Turn, error: LLMError) -> None:
    failures = turn.step.llm_failures + 1
    if error.code == OVERFLOW and turn.can_shrink:
        log.warning("%s: the context is too long for the model; trying with less of it", turn.run.id)
        endings.postpone(turn, 0, error)
        turn.ready = True
        return
    limit = MAX_EMPTY if error.code == "empty_response" else MAX_LLM_FAILURES
    if error.retryable and failures < limit:
        delay = backoff(failures, error.retry_after)
        log.warning("%s: %s (%s); next try in %.1f s", turn.run.id, error.code, error.message, delay)
        endings.postpone(turn, delay, error)
        return
    code = "provider_quota" if error.code == "quota" else error.code
    if code == OVERFLOW:
        text = NO_ROOM.format(tokens=turn.always_tokens, told=error.message)
        endings.fail(turn, Finished("context_window_overflow_in_system_prompt", code, text))
        return
    endings.fail(turn, Finished("llm_api_error", code, error.message))


def backoff(failures: int, retry_after: float | None) -> float:
    """Seconds until the next try: what the provider asked for and a little, or full jitter over 1, 2, 4 ... 60."""
    if retry_after is not None:
        return min(retry_after, MAX_RETRY_AFTER) + random.uniform(0, 1)
    return random.uniform(0, min(MAX_BACKOFF, 2.0 ** (failures - 1)))
