"""T0: a run comes into being, with its input and its place in the conversation's queue."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.fields import clean_json, new_id
from agents.approvals import CANCELLED, OVERDUE, Answers, message_of, pending, run_of_same, take
from agents.errors import BadRequest, PendingApproval
from agents.faultpoints import faultpoint
from agents.hints import hint
from agents.intake import take_number
from agents.models import Approval, Callback, Conversation, Run
from agents.retry import settled
from agents.statements import insert

CLIENT_RETRY_WINDOW = timedelta(minutes=10)


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
        # Of this conversation alone: a client may send each of its users the same message, with the same otid.
        runs = Run.objects.filter(conversation_id=conversation.id, idempotency_key=offer.idempotency_key)
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
