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


# What is known of a run in the end; `run` stands for it.
TOTALS = """
(SELECT count(*) FROM agents_message WHERE run_id = run.id AND event_seq IS NOT NULL),
(SELECT ARRAY[sum(prompt_tokens * kept + summary_prompt_tokens),
              sum(completion_tokens * kept + summary_completion_tokens),
              sum(cached_tokens * kept), sum(cache_write_tokens * kept), sum(reasoning_tokens * kept), sum(kept),
              (array_agg((prompt_tokens + completion_tokens) * kept ORDER BY kept DESC, no DESC))[1]]::bigint[]
   FROM (SELECT *, (status IN ('committed', 'responded'))::int AS kept
           FROM agents_step WHERE run_id = run.id) AS step)
"""


class Totals(NamedTuple):
    """Of a run: how many messages its durable events show; tokens summed over its recorded answers, and the summaries
    that were made for them; how many answers; and the size of the last, with what it answered."""

    shown: int
    prompt: int
    completion: int
    cached: int
    cache_write: int
    reasoning: int
    steps: int
    context: int

    @classmethod
    def of(cls, shown: int, sums: list[int | None]) -> "Totals":
        """From the values of TOTALS."""
        return cls(shown, *(value or 0 for value in sums))

    def and_step(self, answered: dict[str, Any]) -> "Totals":
        """With a later answer, by the columns of its step."""
        prompt, completion = answered["prompt_tokens"], answered["completion_tokens"]
        return Totals(
            self.shown,
            self.prompt + prompt,
            self.completion + completion,
            self.cached + answered["cached_tokens"],
            self.cache_write + answered["cache_write_tokens"],
            self.reasoning + answered["reasoning_tokens"],
            self.steps + 1,
            prompt + completion,
        )

    def usage(self) -> dict[str, Any]:
        return {
            "completion_tokens": self.completion,
            "prompt_tokens": self.prompt,
            "total_tokens": self.prompt + self.completion,
            "step_count": self.steps,
            "run_ids": None,
            "cached_input_tokens": self.cached,
            "cache_write_tokens": self.cache_write,
            "reasoning_tokens": self.reasoning,
            "context_tokens": self.context,
        }


def totals_of(run: Run) -> Totals:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {TOTALS} FROM agents_run AS run WHERE id = %s", [run.id])
        return Totals.of(*cursor.fetchone())


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


def final_events(run: Run, totals: Totals | None = None) -> list[Wire]:
    """How every run ends: the stop reason, the error if there was one, the usage unless it was cancelled."""
    seq = run.final_event_seq or 0
    events = [stop_event(run.stop_reason or "error", seq)]
    if run.status == Run.Status.FAILED:
        events.append(error_event(run, seq + 1))
    elif run.status == Run.Status.COMPLETED:
        events.append(usage_event((totals or totals_of(run)).usage(), seq + 1))
    return events


def closing_entries(run: Run, totals: Totals | None = None) -> list[Wire]:
    """The last entries of a run's stream."""
    totals = totals or totals_of(run)
    events: list[Wire] = [{"kind": "event", "data": event} for event in final_events(run, totals)]
    last = {"run_id": run.id, "seq_id": events[-1]["data"]["seq_id"]}
    return [*events, {"kind": "done", "data": last, "count": totals.shown}]


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
