"""Runs and steps: what became of them, what they took, and as spans of a trace."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from agents.api.shapes.values import EPOCH, Shape, moment, nanoseconds
from agents.models import Run, Step

_RUN_STATUS = {"queued": "created"}


def run_shape(run: Run, is_default: bool) -> Shape:
    options: Mapping[str, Any] = run.options
    # Between its steps a run is queued in the database, but for the client it has been running since its first claim.
    status = "running" if run.claims and run.status == Run.Status.QUEUED else _RUN_STATUS.get(run.status, run.status)
    finished = run.completed_at
    callback = getattr(run, "callback", None) if options.get("callback_url") else None
    return {
        "id": run.id,
        "status": status,
        "created_at": moment(run.created_at),
        "completed_at": moment(finished),
        "agent_id": run.agent_id,
        "conversation_id": None if is_default else run.conversation_id,
        "base_template_id": None,
        "background": run.background,
        "metadata": {"run_type": run.kind}
        | ({"error": {"type": run.error_code, "detail": run.error_message}} if run.error_code else {}),
        "request_config": {
            "use_assistant_message": options.get("use_assistant_message", True),
            "assistant_message_tool_name": options.get("assistant_message_tool_name", "send_message"),
            "assistant_message_tool_kwarg": options.get("assistant_message_tool_kwarg", "message"),
            "include_return_message_types": options.get("include_return_message_types"),
        },
        "stop_reason": run.stop_reason,
        "callback_url": options.get("callback_url"),
        "callback_sent_at": moment(callback.sent_at) if callback else None,
        "callback_status_code": callback.status_code if callback else None,
        "callback_error": callback.error if callback else None,
        "ttft_ns": _to_first_token(run),
        "total_duration_ns": int((finished - run.created_at).total_seconds() * 1e9) if finished else None,
    }


def _to_first_token(run: Run) -> int | None:
    """Of a row of agents/api/runs.py: with_first_token. A run that was only just accepted has said nothing."""
    begun: datetime | None = getattr(run, "spoke_in_step_of", None)
    return nanoseconds(begun - run.created_at) + run.spoke_after_ns if begun else None  # type: ignore[attr-defined]


_STEP_STATUS = {
    Step.Status.OPEN: "pending",
    Step.Status.RESPONDED: "pending",
    Step.Status.COMMITTED: "success",
    Step.Status.ABORTED: "failed",
}


def step_shape(step: Step) -> Shape:
    provider, _, model = step.model.partition("/")
    status = "cancelled" if step.stop_reason == "cancelled" else _STEP_STATUS[Step.Status(step.status)]
    return {
        "id": step.id,
        "origin": None,
        "organization_id": step.organization_id,
        "provider_id": None,
        "run_id": step.run_id,
        "agent_id": step.agent_id,
        "provider_name": provider or None,
        "provider_category": "base",
        "model": model or None,
        "model_handle": step.model or None,
        "model_endpoint": None,
        "context_window_limit": step.context_window,
        "completion_tokens": step.all_completion_tokens,
        "prompt_tokens": step.all_prompt_tokens,
        "total_tokens": step.all_prompt_tokens + step.all_completion_tokens,
        "cached_input_tokens": step.cached_tokens,
        "cache_write_tokens": step.cache_write_tokens,
        "reasoning_tokens": step.reasoning_tokens,
        "completion_tokens_details": {"reasoning_tokens": step.reasoning_tokens},
        "prompt_tokens_details": {
            "cached_tokens": step.cached_tokens,
            "cache_read_tokens": step.cached_tokens,
            "cache_creation_tokens": step.cache_write_tokens,
        },
        "stop_reason": step.stop_reason,
        "tags": step.tags,
        "tid": None,
        "trace_id": None,
        "request_id": None,
        "messages": [],
        "feedback": step.feedback,
        "project_id": None,
        "error_type": step.error_code,
        "error_data": {"message": step.error_message} if step.error_message else None,
        "status": status,
    }


def step_metrics_shape(step: Step) -> Shape:
    return {
        "id": step.id,
        "organization_id": step.organization_id,
        "provider_id": None,
        "run_id": step.run_id,
        "agent_id": step.agent_id,
        "step_start_ns": nanoseconds(step.created_at - EPOCH),
        "llm_request_start_ns": None,
        "llm_request_ns": step.llm_ns,
        "tool_execution_ns": step.tool_ns,
        "step_ns": nanoseconds(step.completed_at - step.created_at) if step.completed_at else None,
        "base_template_id": None,
        "template_id": None,
        "project_id": None,
    }


def run_metrics_shape(run: Run, steps: int, tool_ids: Sequence[str]) -> Shape:
    return {
        "id": run.id,
        "organization_id": run.organization_id,
        "agent_id": run.agent_id,
        "run_start_ns": nanoseconds(run.created_at - EPOCH),
        "run_ns": nanoseconds(run.completed_at - run.created_at) if run.completed_at else None,
        "num_steps": steps,
        "tools_used": list(tool_ids),
        "base_template_id": None,
        "template_id": None,
        "project_id": None,
    }


def span_shapes(run: Run, steps: Iterable[Step]) -> list[Shape]:
    """The parts of a run as spans, each before those within it. A step begins with its model's call."""
    spans = [_span(run.id, None, "run", run.created_at, run.completed_at, {"status": run.status})]
    for step in steps:
        spans.append(_span(step.id, run.id, "step", step.created_at, step.completed_at, {"model": step.model}))
        start = nanoseconds(step.created_at - EPOCH)
        parts = (("llm_request", start, step.llm_ns), ("tools", start + (step.llm_ns or 0), step.tool_ns))
        spans += [
            {"span_id": f"{step.id}:{name}", "parent_span_id": step.id, "name": name}
            | {"start_time_ns": begun, "duration_ns": spent, "attributes": {}}
            for name, begun, spent in parts
            if spent is not None
        ]
    return [{"trace_id": run.id} | span for span in spans]


def _span(id: str, parent: str | None, name: str, start: datetime, end: datetime | None, attributes: Shape) -> Shape:
    return {
        "span_id": id,
        "parent_span_id": parent,
        "name": name,
        "start_time_ns": nanoseconds(start - EPOCH),
        "duration_ns": nanoseconds(end - start) if end else None,
        "attributes": attributes,
    }
