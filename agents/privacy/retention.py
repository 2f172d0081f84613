"""Old rows are deleted where an organization wants it: a few at a time, each time in one transaction.

Whoever works on an organization holds the lock of its rule, so a worker that dies gives it back, and the next goes on
where the last commit was. Never touched: a run that has not ended and all that belongs to it, calls that wait for an
answer, what is in context, and the newest version of a block.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.models import Purge, Retention
from agents.faultpoints import faultpoint
from agents.models import TERMINAL, Approval, Callback, Conversation, Message, Run
from memory.models import Block, BlockVersion

BATCH = 500
RUNS_AT_ONCE = 100  # a run may have fifty steps
PLACES_AT_ONCE = 20
EVERY = timedelta(hours=1)

Counts = dict[str, int]


def purge_some() -> bool:
    """One batch for the organization that has waited longest; False when there is nothing to do now."""
    with transaction.atomic():
        due = Retention.objects.select_for_update(skip_locked=True).filter(due_at__lte=timezone.now())
        rule = due.order_by("due_at").first()
        if rule is None:
            return False
        purge = _open_purge(rule)
        if purge is None:
            rule.due_at = timezone.now() + EVERY
            rule.save(update_fields=["due_at"])
            return True
        _advance(purge, _days_of(rule, purge.kind))
        faultpoint("purge")
        return True


def _open_purge(rule: Retention) -> Purge | None:
    """The one that is under way, or the first of a new round; None when a round is over."""
    mine = Purge.objects.filter(organization_id=rule.organization_id)
    if purge := mine.filter(ended_at=None).order_by("began_at", "id").first():
        return purge
    if mine.filter(began_at__gte=rule.due_at).exists() or not any(_days_of(rule, kind) for kind in _KINDS):
        mine.filter(deleted={}).delete()
        return None
    wanted = [kind for kind in _KINDS if _days_of(rule, kind)]
    return Purge.objects.bulk_create([Purge(organization_id=rule.organization_id, kind=kind) for kind in wanted])[0]


def _days_of(rule: Retention, kind: str) -> int | None:
    days: int | None = getattr(rule, f"{kind}_days")
    return days


def _advance(purge: Purge, days: int | None) -> None:
    more = False
    if days:
        purge.before = timezone.now() - timedelta(days=days)
        counts, more = _KINDS[purge.kind](purge, purge.before)
        purge.deleted = summed(purge.deleted, counts)
    purge.ended_at = None if more else timezone.now()
    purge.save(update_fields=["before", "deleted", "position", "ended_at"])


def _runs(purge: Purge, before: datetime) -> tuple[Counts, bool]:
    ended = Run.objects.filter(
        organization_id=purge.organization_id, status__in=TERMINAL, completed_at__lt=before, created_at__lt=before
    )
    asking = Approval.objects.filter(asked_by=OuterRef("pk"), answered_at=None)
    untold = Callback.objects.filter(run=OuterRef("pk"), next_at__isnull=False, sent_at=None)
    waited_for = Q(is_awaited=True, asked_by__isnull=False) & ~Q(asked_by__status__in=TERMINAL)
    old = ended.exclude(waited_for).exclude(Exists(asking)).exclude(Exists(untold)).order_by("created_at", "id")
    ids = list(old.values_list("id", flat=True)[:RUNS_AT_ONCE])
    return deleted(Run.objects.filter(id__in=ids)), len(ids) == RUNS_AT_ONCE


def _messages(purge: Purge, before: datetime) -> tuple[Counts, bool]:
    """Conversation by conversation. One that is being written to is left for the next round."""
    mine = Conversation.objects.filter(organization_id=purge.organization_id, context_from__gt=2)
    further = mine.filter(id__gt=purge.position).order_by("id")
    places = list(further.select_for_update(skip_locked=True, no_key=True)[:PLACES_AT_ONCE])
    counts: Counts = {}
    for place in places:
        ids = list(_forgettable(place, before).values_list("id", flat=True)[:BATCH])
        counts = summed(counts, deleted(Message.objects.filter(id__in=ids)))
        if len(ids) == BATCH:
            return counts, True  # more of this one
        purge.position = place.id
    return counts, bool(places)


def _forgettable(place: Conversation, before: datetime) -> QuerySet[Message]:
    out = Message.objects.filter(conversation=place, seq__gt=1, seq__lt=place.context_from, created_at__lt=before)
    waits = Approval.objects.filter(message=OuterRef("pk"), answered_at=None)
    over = Q(run=None) | Q(run__status__in=TERMINAL)
    return out.exclude(seq=place.summary_seq or 0).filter(over).exclude(Exists(waits)).order_by("seq")


def _block_versions(purge: Purge, before: datetime) -> tuple[Counts, bool]:
    further = Block.objects.filter(organization_id=purge.organization_id, id__gt=purge.position, version__gt=1)
    blocks = list(further.order_by("id").values_list("id", flat=True)[:PLACES_AT_ONCE])
    versions = BlockVersion.objects.filter(organization_id=purge.organization_id, block_id__in=blocks)
    current = Block.objects.filter(id=OuterRef("block_id"), version=OuterRef("number"))
    old = versions.filter(created_at__lt=before).exclude(Exists(current))
    ids = list(old.values_list("id", flat=True)[:BATCH])
    counts = deleted(BlockVersion.objects.filter(id__in=ids))
    if len(ids) == BATCH:
        return counts, True
    purge.position = blocks[-1] if blocks else purge.position
    return counts, bool(blocks)


_KINDS: dict[str, Callable[[Purge, datetime], tuple[Counts, bool]]] = {
    Purge.Kind.RUNS: _runs,
    Purge.Kind.MESSAGES: _messages,
    Purge.Kind.BLOCK_VERSIONS: _block_versions,
}


def deleted(rows: QuerySet) -> Counts:
    """Delete them, with what belongs to them; how many of each kind these were."""
    _, counts = rows.delete()
    return {label.rpartition(".")[2].lower(): count for label, count in counts.items() if count}


def summed(before: Counts, more: Counts) -> Counts:
    return before | {name: before.get(name, 0) + count for name, count in more.items()}
