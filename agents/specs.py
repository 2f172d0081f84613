"""Rows -> the tools and settings that a model is called with."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from agents.loop.ports import ModelSettings
from agents.models import Agent
from tools import registry
from tools.spec import ToolSpec

DEFAULT_THINKING = 4_096
"""Tokens for thoughts, where a client asks for them and does not say how many."""


def response_format(agent: Agent) -> Any:
    """The one in force, which is kept where the client has set it last."""
    return agent.response_format or agent.model_settings.get("response_format")


def model_settings(settings: dict[str, Any]) -> ModelSettings:
    """The API's `model_settings`, whose shape differs by provider, as the adapters take them."""
    thinking = settings.get("thinking") or {}
    return ModelSettings(
        temperature=settings.get("temperature"),
        max_output_tokens=settings.get("max_output_tokens"),
        parallel_tool_calls=settings.get("parallel_tool_calls"),
        reasoning_effort=settings.get("effort") or (settings.get("reasoning") or {}).get("reasoning_effort"),
        thinking_budget=thinking.get("budget_tokens") if thinking.get("type") == "enabled" else None,
        response_format=settings.get("response_format"),
        strict=settings.get("strict"),
    )


def with_thinking(settings: ModelSettings, wanted: bool | None) -> ModelSettings:
    """The settings with thoughts before the answer, or without any, where the request says which."""
    if wanted is None:
        return settings
    if not wanted:
        return replace(settings, thinking_budget=None, reasoning_effort=None)
    budget, effort = settings.thinking_budget or DEFAULT_THINKING, settings.reasoning_effort or "medium"
    return replace(settings, thinking_budget=budget, reasoning_effort=effort)


def tool_specs(rows: Iterable[dict[str, Any]], client_tools: Iterable[dict[str, Any]] = ()) -> tuple[ToolSpec, ...]:
    """The tools of an agent (agents/prompt.py: Equipped) and the client's own, which take the place of those of the
    same name."""
    specs = {row["name"]: spec for row in rows if (spec := _tool_spec(row))}
    specs |= {tool["name"]: _client_tool(tool) for tool in client_tools}
    return tuple(specs.values())


def _tool_spec(row: dict[str, Any]) -> ToolSpec | None:
    """None for a tool of the server that is no longer installed."""
    if row["schema"] is None:
        registered = registry.find(row["name"])
        return (
            replace(registered.spec, return_chars=row["return_chars"], parallel=row["parallel"]) if registered else None
        )
    return ToolSpec(
        row["name"],
        row["schema"].get("description") or "",
        row["schema"].get("parameters") or {"type": "object", "properties": {}},
        effect="effect",
        idempotent=row["metadata"].get("idempotent") is True,
        return_chars=row["return_chars"],
        parallel=row["parallel"],
    )


def _client_tool(tool: dict[str, Any]) -> ToolSpec:
    parameters = tool.get("parameters") or {"type": "object", "properties": {}}
    return ToolSpec(tool["name"], tool.get("description") or "", parameters, effect="client")
