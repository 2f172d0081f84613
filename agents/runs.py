"""The life of a run: accept, advance, cancel. docs/run-lifecycle.md draws it."""

import hashlib
import json
import logging
import random
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol

from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from accounts.fields import clean_json, clean_text, new_id
from agents import endings, ledger
from agents.approvals import CANCELLED, OVERDUE, Answers, message_of, pending, run_of_same, take
from agents.compacting import KIND as COMPACT
from agents.compacting import compact
from agents.errors import BadRequest, Cancelled, Fenced, LLMError, PendingApproval
from agents.events import CLAIM, closing_entries, durable_events
from agents.faultpoints import faultpoint
from agents.hints import call_back, hint
from agents.intake import take_number
from agents.ledger import StepLedger
from agents.loading import load_state
from agents.loop.decision import Finished
from agents.loop.events import CallDelta, CallStart, LLMEvent, ReasoningDelta, TextDelta
from agents.loop.ports import LLM, Abort
from agents.loop.step import take_step
from agents.mail import wake
from agents.models import TERMINAL, Approval, Callback, Conversation, Run
from agents.retrieval import with_memories
from agents.retry import settled
from agents.statements import insert
from agents.streaming import Publisher, Wires
from agents.toolbox import CommitTools, OutsideTools
from agents.turns import Hold, Turn
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
CLIENT_RETRY_WINDOW = timedelta(minutes=10)


# Accepting ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offer:
    """An input that asks to become a run.

    messages         [{id, role, content, name, otid, sender_id}]
    idempotency_key  of the client, or made of the otids that it sent; None: it gave neither
    key_id           the API key that it came with
    is_retry         the client's library sends it again on its own, because it heard no answer
    run_id           known before, so that whoever offers can listen before anything happens
    answers          it has no messages, but answers the calls that the conversation waits with
    is_cancelled     the run is only to record its input, and to end as cancelled
    """

    messages: list[dict[str, Any]]
    options: dict[str, Any]
    kind: str = "send_message"
    background: bool = False
    idempotency_key: str | None = None
    key_id: str | None = None
    is_retry: bool = False
    run_id: str = field(default_factory=lambda: new_id("run"))
    answers: Answers | None = None
    is_cancelled: bool = False

    @property
    def fingerprint(self) -> str:
        """The same for the same question, whatever ids this try at it was given."""
        said: list[Any] = [
            {name: message.get(name) for name in ("role", "content", "name")} for message in self.messages
        ]
        if self.answers:
            said.append([self.answers.each, self.answers.verdict, self.answers.of])
        return hashlib.sha256(json.dumps([said, self.options], sort_keys=True).encode("utf-8", "replace")).hexdigest()


class KeyReused(Exception):
    """The idempotency key came with another input before."""


def accept(conversation: Conversation, offer: Offer) -> Run:
    """T0: the run exists when this returns. The same key, or a client's own retry, gives the run that there is."""
    offer = replace(offer, messages=clean_json(offer.messages), options=clean_json(offer.options))
    fingerprint = offer.fingerprint

    def work(again: bool) -> tuple[Run, bool]:
        if again and (accepted := Run.objects.filter(id=offer.run_id).first()):
            return accepted, True
        if existing := _existing(conversation, offer, fingerprint):
            return existing, False
        try:
            with transaction.atomic():
                return _insert(conversation, offer, fingerprint), True
        except IntegrityError:
            # Another request with the same key was faster.
            if existing := _existing(conversation, offer, fingerprint):
                return existing, False
            raise

    faultpoint("c1")
    run, is_new = settled(work)
    faultpoint("c2")
    if is_new:
        hint(conversation.id)
    faultpoint("c3")
    return run


def _existing(conversation: Conversation, offer: Offer, fingerprint: str) -> Run | None:
    if offer.idempotency_key:
        runs = Run.objects.filter(organization_id=conversation.organization_id, idempotency_key=offer.idempotency_key)
        found = runs.first()
        if found and found.fingerprint != fingerprint:
            raise KeyReused("This idempotency key was used with another input. Use a new one for a new message.")
        return found
    if offer.is_retry:
        since = timezone.now() - CLIENT_RETRY_WINDOW
        runs = Run.objects.filter(
            conversation_id=conversation.id, key_id=offer.key_id, fingerprint=fingerprint, created_at__gte=since
        )
        return runs.order_by("-seq").first()
    return run_of_same(conversation, offer.answers) if offer.answers else None


def _insert(conversation: Conversation, offer: Offer, fingerprint: str) -> Run:
    seq, deadline_at, asked = take_number(conversation.id)
    if asked and not offer.answers:
        raise PendingApproval(asked)
    answered = _answered(conversation, offer) if offer.answers else {"input": offer.messages, "options": offer.options}
    run = Run(
        id=offer.run_id,
        organization_id=conversation.organization_id,
        agent_id=conversation.agent_id,
        conversation_id=conversation.id,
        seq=seq,
        kind=offer.kind,
        background=offer.background,
        key_id=offer.key_id,
        idempotency_key=offer.idempotency_key,
        fingerprint=fingerprint,
        deadline_at=deadline_at,
        cancel_requested_at=timezone.now() if offer.is_cancelled else None,
        **answered,
    )
    insert([run])
    if url := offer.options.get("callback_url"):
        Callback.objects.create(run=run, organization_id=run.organization_id, url=url, next_at=timezone.now())
    return run


def _answered(conversation: Conversation, offer: Offer) -> dict[str, Any]:
    """The columns of a run that brings an answer. The client's tools stay as they were when the calls were made."""
    assert offer.answers is not None
    approval = take(conversation, offer.answers, offer.key_id)
    asked_by = approval.asked_by
    before = asked_by.options.get("client_tools") if asked_by else None
    options = offer.options | ({"client_tools": before} if before and "client_tools" not in offer.options else {})
    otid = offer.messages[0]["otid"] if offer.messages else None
    return {"approval": approval, "input": [message_of(approval, otid)], "options": options}


def answer_overdue(limit: int = 20) -> int:
    """Deny what nobody has answered in time. Returns how many."""
    late = Approval.objects.filter(answered_at=None, deadline_at__lt=timezone.now()).select_related("conversation")
    found = list(late.order_by("deadline_at")[:limit])
    for approval in found:
        _deny(approval.conversation, OVERDUE)
    return len(found)


def close_approval(conversation: Conversation) -> Run | None:
    """What waits for an answer is denied, because the user cancels it; the agent is not asked to go on."""
    return _deny(conversation, CANCELLED, is_cancelled=True) if pending(conversation) else None


def _deny(conversation: Conversation, reason: str, is_cancelled: bool = False) -> Run | None:
    verdict = Answers(verdict=(False, reason))
    try:
        return accept(conversation, Offer([], {}, "approval", answers=verdict, is_cancelled=is_cancelled))
    except BadRequest:
        return None  # somebody answered a moment ago


# Advancing ------------------------------------------------------------------------------------------------------------


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
        endings.fail(
            turn, "error", "internal_error", f"{type(error).__name__} in step {turn.step.no}. The log has more."
        )


def _step(turn: Turn, outfit: Outfit, publisher: Publisher, abort: Abort) -> None:
    faultpoint("load", turn.run.input)
    loaded = settled(lambda again: load_state(turn, outfit.context_window))
    # While the model or a tool is waited for, no connection is held: thousands of turns share a pool of twenty.
    connection.close()
    loaded = with_memories(turn, loaded, outfit.embed, outfit.context_window)
    loaded = compact(turn, loaded, outfit.llm, outfit.context_window, abort)
    book = StepLedger(turn, lambda: CommitTools(turn, loaded.agent))
    if turn.run.kind == COMPACT:
        book.close(None, [], lambda returns: Finished("end_turn"))
        return
    llm = Timed(outfit.llm(loaded.state.handle), turn)
    take_step(
        loaded.state, llm, OutsideTools(turn, loaded.agent, outfit.sandbox, outfit.embed), book, publisher.emit, abort
    )


class Timed:
    """A model whose call is timed into the turn."""

    def __init__(self, llm: LLM, turn: Turn):
        self._llm = llm
        self._turn = turn

    def stream(self, request: Any, abort: Abort) -> Any:
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
        endings.fail(turn, "error", "deadline_exceeded", "The run did not end before its deadline.")
    elif reason == "shutdown":
        endings.release(turn)
        turn.ready = True


def _llm_failed(turn: Turn, error: LLMError) -> None:
    failures = turn.step.llm_failures + 1
    if error.code == "context_overflow" and turn.can_shrink:
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
    if code == "context_overflow":
        text = NO_ROOM.format(tokens=turn.always_tokens, told=error.message)
        endings.fail(turn, "context_window_overflow_in_system_prompt", code, text)
        return
    endings.fail(turn, "llm_api_error", code, error.message)


def backoff(failures: int, retry_after: float | None) -> float:
    """Seconds until the next try: what the provider asked for and a little, or full jitter over 1, 2, 4 ... 60."""
    if retry_after is not None:
        return min(retry_after, MAX_RETRY_AFTER) + random.uniform(0, 1)
    return random.uniform(0, min(MAX_BACKOFF, 2.0 ** (failures - 1)))


# Cancelling -----------------------------------------------------------------------------------------------------------


def cancel(run_id: str, wires: Wires) -> Run:
    """Cancel a run wherever it stands; a run that has ended stays as it is.

    One that no worker holds is cancelled here and now. One that is held is asked for: its worker hears of it through
    Redis at once, or with the next renewal of its lease.
    """

    woken: list[str] = []

    def work(again: bool) -> tuple[Run, bool]:
        with transaction.atomic():
            place = Run.objects.values_list("conversation_id", flat=True).get(id=run_id)
            conversation = Conversation.objects.select_for_update(no_key=True).get(id=place)
            run = Run.objects.select_for_update().get(id=run_id)
            if run.is_terminal:
                return run, False
            run.cancel_requested_at = timezone.now()
            run.save(update_fields=["cancel_requested_at"])
            return run, _cancelled_here(run, conversation, woken)

    run, ended = settled(work)
    if ended:
        announce_end(wires, run)
        for conversation_id in (run.conversation_id, *woken):
            hint(conversation_id)
    elif not run.is_terminal:
        wires.tell_cancel(run.id)
    return run


def _cancelled_here(run: Run, conversation: Conversation, woken: list[str]) -> bool:
    """End the run, if no worker has it. Inside the transaction that has locked the conversation.

    woken  further conversations that have work now
    """
    before = Run.objects.filter(conversation_id=conversation.id, seq__lt=run.seq).exclude(status__in=TERMINAL)
    if run.approval_id is None and (before.exists() or pending(conversation)):
        _end_unstarted(run)
        if asker := wake(run):
            woken.append(asker)
        return True
    held = conversation.lease_until is not None and conversation.lease_until > timezone.now()
    if held:
        return False
    # Whoever held it before may still be alive: the new epoch keeps it from writing after us.
    conversation.epoch += 1
    conversation.save(update_fields=["epoch"])
    turn = ledger.begin(Hold(conversation.id, conversation.epoch), conversation)
    if turn is not None:
        for name in ("status", "stop_reason", "final_event_seq", "completed_at", "claims"):
            setattr(run, name, getattr(turn.run, name))
        woken += turn.also_ready
    return True


def _end_unstarted(run: Run) -> None:
    """A run that waits behind another has no messages yet, so its own row is all there is to change."""
    run.status = Run.Status.CANCELLED
    run.stop_reason = "cancelled"
    run.completed_at = timezone.now()
    run.final_event_seq = (run.claims + 1) * CLAIM
    run.save(update_fields=["status", "stop_reason", "completed_at", "final_event_seq"])


def announce_end(wires: Wires, run: Run) -> None:
    """For runs that ended without a step. What was stored with the end, nobody has heard of yet."""
    stored = [{"kind": "event", "data": event} for event in durable_events(run)]
    wires.send(run.id, [*stored, *closing_entries(run)])
