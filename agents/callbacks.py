"""Who is to be told that a run has ended, and how that went. workers/callbacks.py makes the calls."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from agents.models import TERMINAL, Callback, Run

PAUSES = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 7200, 21_600, 43_200))
"""Between one try and the next. After the last of them it is given up."""


def due(limit: int = 100) -> list[str]:
    """The ids of ended runs whose callback can be tried now."""
    return list(_due().order_by("next_at").values_list("run_id", flat=True)[:limit])


def take(run_id: str) -> Callback | None:
    """The callback, with its run, for one try, which is counted before it is made; None: it is not to be tried now."""
    with transaction.atomic():
        found = _due().filter(run_id=run_id).select_related("run").select_for_update(skip_locked=True, of=("self",))
        callback = found.first()
        if callback is None:
            return None
        pause = PAUSES[callback.attempts] if callback.attempts < len(PAUSES) else None
        callback.attempts += 1
        callback.next_at = timezone.now() + pause if pause else None
        callback.save(update_fields=["attempts", "next_at"])
    return callback


def note(callback: Callback, status_code: int | None, error: str | None) -> None:
    """How the try went. Without an error it was the last."""
    callback.status_code, callback.error = status_code, error
    callback.sent_at = None if error else timezone.now()
    callback.save(update_fields=["status_code", "error", "sent_at"])


def body_of(run: Run) -> dict[str, Any]:
    """What is posted."""
    return {
        "run_id": run.id,
        "status": run.status,
        "stop_reason": run.stop_reason,
        "completed_at": run.completed_at.isoformat() if run.completed_at else None,
        "metadata": {"run_type": run.kind},
    }


def _due() -> QuerySet[Callback]:
    return Callback.objects.filter(sent_at=None, next_at__lte=Now(), run__status__in=TERMINAL)
