"""How clients say how a model is to be asked: `model_settings`, the single fields before it, and `llm_config`."""

from typing import Any

from rest_framework import serializers

from agents.api.shapes.models import llm_config_shape
from agents.llm.registry import context_window
from agents.models import Agent
from agents.specs import DEFAULT_THINKING

Given = dict[str, Any]

_SAME_NAME = ("temperature", "parallel_tool_calls", "effort", "verbosity", "strict")


class Number(serializers.FloatField):
    def to_internal_value(self, data: Any) -> float:
        # DRF would take text for a number, also "nan".
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return super().to_internal_value(data)


class LlmConfigFields(serializers.Serializer):
    """What is taken over of an `llm_config`, beside its model. A null says nothing."""

    context_window = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=2**31 - 1)
    temperature = Number(required=False, allow_null=True, min_value=0, max_value=2)
    max_tokens = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    parallel_tool_calls = serializers.BooleanField(required=False, allow_null=True)
    enable_reasoner = serializers.BooleanField(required=False, allow_null=True)
    max_reasoning_tokens = serializers.IntegerField(required=False, allow_null=True, min_value=0)
    reasoning_effort = serializers.ChoiceField(
        ("none", "minimal", "low", "medium", "high", "xhigh"), required=False, allow_null=True
    )
    effort = serializers.ChoiceField(("low", "medium", "high", "xhigh", "max"), required=False, allow_null=True)
    verbosity = serializers.ChoiceField(("low", "medium", "high"), required=False, allow_null=True)
    strict = serializers.BooleanField(required=False, allow_null=True)
    response_format = serializers.DictField(required=False, allow_null=True)


def model_columns(given: Given, agent: Agent | None) -> Given:
    """The columns of Agent that say which model is asked, and how. `given` has the fields of the request that are not
    null; `agent` is the one to change.

    Of an `llm_config` counts what differs from what the client has been shown, so that sending it back changes
    nothing. The single fields have a say before it, and `model_settings` before both.
    """
    config = given.get("llm_config") or {}
    model = given.get("model") or _handle(config, agent)
    named = _handle(config, None) or model
    seen = agent or (Agent(model=named) if named else None)
    shown = llm_config_shape(seen) if seen else {}
    changed = _valid({name: value for name, value in config.items() if value not in (None, shown.get(name))})
    columns: Given = {"model": model} if model else {}
    if "context_window_limit" in given:
        columns["context_window_limit"] = given["context_window_limit"]
    elif "context_window" in changed:
        columns["context_window_limit"] = _own_limit(changed["context_window"], named or shown.get("handle"))
    return columns | _settings(given, changed, agent)


def _valid(config: Given) -> Given:
    fields = LlmConfigFields(data=config)
    if not fields.is_valid():
        raise serializers.ValidationError({"llm_config": fields.errors})
    return dict(fields.validated_data)


def _handle(config: Given, agent: Agent | None) -> str | None:
    """The model that the config names; where it comes from an agent and has another `model` by now, that one."""
    handle, model = config.get("handle"), config.get("model")
    if handle and (agent is None or handle != agent.model or model in (None, agent.model.partition("/")[2])):
        return str(handle)
    provider = config.get("provider_name") or config.get("model_endpoint_type")
    return f"{provider}/{model}" if provider and model else None


def _own_limit(tokens: int, handle: str | None) -> int | None:
    """None for the window that the model has anyway: it is to change with the model."""
    return None if handle and tokens == context_window(handle) else tokens


def _settings(given: Given, changed: Given, agent: Agent | None) -> Given:
    """The settings as they are now; a whole `model_settings` takes the place of what was stored."""
    older = changed | {name: given[name] for name in LlmConfigFields().fields if name in given}
    if "enable_reasoner" not in given and "reasoning" in given:
        older["enable_reasoner"] = given["reasoning"]
    whole = given.get("model_settings")
    stored = agent.model_settings if agent and whole is None else {}
    settings = stored | _in_newer_words(older, stored) | (whole or {})
    columns = _response_format(settings, older, whole or {})
    return columns | ({"model_settings": settings} if whole is not None or settings != stored else {})


def _response_format(settings: Given, older: Given, whole: Given) -> Given:
    """The newest is the only one that is kept: in `model_settings`, or in the column, where `settings` lose theirs."""
    if whole.get("response_format"):
        return {"response_format": None}
    if "response_format" in older:
        settings.pop("response_format", None)
        return {"response_format": older["response_format"]}
    return {"response_format": None} if "response_format" in whole else {}


def _in_newer_words(older: Given, stored: Given) -> Given:
    settings = {name: older[name] for name in _SAME_NAME if name in older}
    if "max_tokens" in older:
        settings["max_output_tokens"] = older["max_tokens"]
    if "reasoning_effort" in older:
        settings["reasoning"] = _object(stored, "reasoning") | {"reasoning_effort": older["reasoning_effort"]}
    thinking, budget = _object(stored, "thinking"), older.get("max_reasoning_tokens")
    reasons = older.get("enable_reasoner", True if budget and thinking.get("type") == "enabled" else None)
    if reasons:
        budget = budget or thinking.get("budget_tokens") or DEFAULT_THINKING
        settings["thinking"] = {"type": "enabled", "budget_tokens": budget}
    elif reasons is not None:
        settings["thinking"] = {"type": "disabled"}
    return settings


def _object(settings: Given, name: str) -> Given:
    found = settings.get(name)
    return found if isinstance(found, dict) else {}
