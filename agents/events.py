"""The numbered events of a run.

Every event has a number, strictly increasing within its run, with gaps: the high part counts the claims of the run,
the low part the events of one claim. Durable events (everything but token deltas) are made again from the rows at any
time, with the same numbers.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Max

from agents.models import Message, Run
from agents.wire import View, Wire, parts, stop_event, usage_event

CLAIM = 1 << 20

FAILURES: dict[str, tuple[str, str]] = {
    # code of the run -> (error_type on the wire, what a client is told)
    "rate_limit": ("llm_rate_limit", "The model's provider is limiting our rate. Wait before the next request."),
    "quota": ("llm_insufficient_credits", "The account at the model's provider has no credit left."),
    "provider_quota": ("llm_insufficient_credits", "The account at the model's provider has no credit left."),
    "authentication": ("llm_authentication", "The model's provider refused the API key of this server."),
    "timeout": ("llm_timeout", "The model's provider did not answer in time."),
    "empty_response": ("llm_empty_response", "The model gave an empty answer, several times."),
    "bad_request": ("llm_bad_request", "The model's provider refused the request."),
    "context_overflow": ("context_window_overflow", "The conversation does not fit the model's context window."),
}
UNKNOWN_LLM_FAILURE = ("llm_error", "The request to the model failed.")
INTERNAL_FAILURE = ("internal_error", "The run failed.")


def durable_events(run: Run, after: int = 0) -> Iterator[Wire]:
    """The durable events with a number above `after`, in order. A run that has ended gives its last ones too."""
    view = View.of(run.options)
    rows = Message.objects.filter(run_id=run.id, event_seq__isnull=False).order_by("seq")
    if after:
        # A message's first number may lie before `after` and its last behind it.
        rows = rows.filter(event_seq__gt=after - 64)
    for message in rows:
        for item in parts(message, view):
            if item["seq_id"] > after and view.wants(item["message_type"]):
                yield item
    if run.is_terminal:
        yield from (event for event in final_events(run) if event["seq_id"] > after)


def final_events(run: Run, usage: dict[str, Any] | None = None) -> list[Wire]:
    """How every run ends: the stop reason, the error if there was one, the usage unless it was cancelled."""
    seq = run.final_event_seq or 0
    events = [stop_event(run.stop_reason or "error", seq)]
    if run.status == Run.Status.FAILED:
        events.append(error_event(run, seq + 1))
    elif run.status == Run.Status.COMPLETED:
        events.append(usage_event(usage or usage_of(run), seq + 1))
    return events


def closing_entries(run: Run) -> list[Wire]:
    """The last entries of a run's stream."""
    usage, shown = _totals(run)
    events: list[Wire] = [{"kind": "event", "data": event} for event in final_events(run, usage)]
    last = {"run_id": run.id, "seq_id": events[-1]["data"]["seq_id"]}
    return [*events, {"kind": "done", "data": last, "count": shown}]


def error_event(run: Run, seq: int | None = None) -> Wire:
    error_type, message = failure_of(run)
    return {
        "message_type": "error_message",
        "run_id": run.id,
        "error_type": error_type,
        "message": message,
        "detail": run.error_message,
        "seq_id": seq,
    }


def failure_of(run: Run) -> tuple[str, str]:
    if run.error_code in FAILURES:
        return FAILURES[run.error_code]
    return UNKNOWN_LLM_FAILURE if run.stop_reason == "llm_api_error" else INTERNAL_FAILURE


_TOTALS = """
SELECT (SELECT count(*) FROM agents_message WHERE run_id = %s AND event_seq IS NOT NULL),
       COALESCE(sum(prompt_tokens), 0), COALESCE(sum(completion_tokens), 0), COALESCE(sum(cached_tokens), 0),
       COALESCE(sum(cache_write_tokens), 0), COALESCE(sum(reasoning_tokens), 0), count(*),
       COALESCE((array_agg(prompt_tokens + completion_tokens ORDER BY no DESC))[1], 0)
  FROM agents_step WHERE run_id = %s AND status IN ('committed', 'responded')
"""


def usage_of(run: Run) -> dict[str, Any]:
    """Tokens summed over the recorded answers of a run; `context_tokens` is the size of the last."""
    return _totals(run)[0]


def _totals(run: Run) -> tuple[dict[str, Any], int]:
    """The usage of a run, and how many messages its durable events show."""
    with connection.cursor() as cursor:
        cursor.execute(_TOTALS, [run.id, run.id])
        shown, prompt, completion, cached, cache_write, reasoning, count, last = cursor.fetchone()
    usage = {
        "completion_tokens": completion,
        "prompt_tokens": prompt,
        "total_tokens": prompt + completion,
        "step_count": count,
        "run_ids": None,
        "cached_input_tokens": cached,
        "cache_write_tokens": cache_write,
        "reasoning_tokens": reasoning,
        "context_tokens": last,
    }
    return usage, shown


class Progress(NamedTuple):
    """How far a run has come: the number of its newest durable event, and whether that is the last."""

    number: int
    over: bool


def progress_of(run_ids: list[str]) -> dict[str, Progress]:
    """Of the runs that have any durable event; what a reader asks who hears nothing from Redis."""
    if not run_ids:
        return {}
    told = Message.objects.filter(run_id__in=run_ids, event_seq__isnull=False).values_list("run_id")
    found = {run_id: Progress(last, False) for run_id, last in told.annotate(last=Max("event_seq"))}
    ended = Run.objects.filter(id__in=run_ids, final_event_seq__isnull=False).values_list("id", "final_event_seq")
    return found | {run_id: Progress(last or 0, True) for run_id, last in ended}
