"""A run is cancelled, wherever it stands. One that has ended stays as it is."""

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from agents import ledger
from agents.approvals import pending
from agents.events import CLAIM
from agents.hints import hint
from agents.mail import wake
from agents.models import TERMINAL, Conversation, Run
from agents.retry import settled
from agents.streaming import Wires, announce_end
from agents.turns import Hold


def cancel(run_id: str, wires: Wires) -> Run:
    """The run, as it is then.

    One that no worker holds is cancelled here and now. One that is held is asked for: its worker hears of it through
    Redis at once, or with the next renewal of its lease.
    """

    def work(again: bool) -> tuple[Run, list[str] | None]:
        with transaction.atomic():
            place = Run.objects.values_list("conversation_id", flat=True).get(id=run_id)
            conversation = Conversation.objects.select_for_update(no_key=True).get(id=place)
            run = Run.objects.select_for_update().get(id=run_id)
            if run.is_terminal:
                return run, None
            run.cancel_requested_at = timezone.now()
            run.save(update_fields=["cancel_requested_at"])
            return _cancelled_here(run, conversation)

    run, ready = settled(work)
    if ready is not None:
        announce_end(wires, run)
        for conversation_id in ready:
            hint(conversation_id)
    elif not run.is_terminal:
        wires.tell_cancel(run.id)
    return run


def _cancelled_here(run: Run, conversation: Conversation) -> tuple[Run, list[str] | None]:
    """The run, ended if no worker has it, and the conversations that may have work now; None: it has not ended.

    Inside the transaction that has locked the conversation.
    """
    if run.approval_id is None and (_is_behind_another(run) or pending(conversation)):
        _end_unstarted(run)
        asker = wake(run)
        return run, [conversation.id, *([asker] if asker else [])]
    if conversation.lease_until is not None and conversation.lease_until > timezone.now():
        return run, None
    # Whoever held it before may still be alive: the new epoch keeps it from writing after us.
    conversation.epoch += 1
    conversation.save(update_fields=["epoch"])
    turn = ledger.begin(Hold(conversation.id, conversation.epoch), conversation)
    assert turn is not None  # it is the first, and the claim of one that is to be cancelled waits for nothing
    return turn.run, [conversation.id, *turn.also_ready]


def _is_behind_another(run: Run) -> bool:
    """A run that brings an answer to waiting calls goes before those that were queued earlier."""
    others = Run.objects.filter(conversation_id=run.conversation_id).exclude(status__in=TERMINAL).exclude(id=run.id)
    return others.filter(Q(seq__lt=run.seq) | Q(approval__isnull=False)).exists()


def _end_unstarted(run: Run) -> None:
    """A run that waits behind another has no messages yet, so its own row is all there is to change."""
    run.status = Run.Status.CANCELLED
    run.stop_reason = "cancelled"
    run.completed_at = timezone.now()
    run.final_event_seq = (run.claims + 1) * CLAIM
    run.save(update_fields=["status", "stop_reason", "completed_at", "final_event_seq"])
