"""Stored messages -> the message objects of the API, as REST, SSE and WebSocket all show them."""

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.fields import clean_text
from agents.loop.compaction import packed_summary
from agents.loop.style import SPEECH_TOOL, THINKING_ARGUMENT
from agents.models import Message

Wire = dict[str, Any]

TYPES = (
    "system_message",
    "user_message",
    "assistant_message",
    "reasoning_message",
    "hidden_reasoning_message",
    "tool_call_message",
    "tool_return_message",
    "approval_request_message",
    "approval_response_message",
    "summary_message",
    "event_message",
)
"""The kinds of objects that messages are shown as."""

STOP_REASONS = (
    *("end_turn", "error", "llm_api_error", "invalid_llm_response", "invalid_tool_call", "max_steps"),
    *("max_tokens_exceeded", "no_tool_call", "tool_rule", "cancelled", "insufficient_credits"),
    *("requires_approval", "context_window_overflow_in_system_prompt"),
)
"""Why an agent stops."""

CALLS = ("tool_call_message", "approval_request_message")
"""The kinds of objects that show a model's calls."""


@dataclass(frozen=True, slots=True)
class View:
    """How a client wants messages shown: whether the tool that agents speak through is shown as speech."""

    speech_tool: str | None = SPEECH_TOOL
    speech_argument: str = "message"
    types: frozenset[str] | None = None
    compactions: bool = False

    @classmethod
    def of(cls, options: dict[str, Any]) -> "View":
        """From the options of a run or the query of a list."""
        types = options.get("include_return_message_types")
        return cls(
            speech_tool=options.get("assistant_message_tool_name") or SPEECH_TOOL
            if options.get("use_assistant_message", True)
            else None,
            speech_argument=options.get("assistant_message_tool_kwarg") or "message",
            types=frozenset(types) if types else None,
            compactions=options.get("include_compaction_messages") is True,
        )

    def wants(self, message_type: str) -> bool:
        return self.types is None or message_type in self.types


DEFAULT_VIEW = View()


def wire_date(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")


def otid(message_id: str, index: int) -> str:
    """The id of the index-th object made of a message: its uuid with the last seven bits replaced."""
    number = uuid.UUID(message_id.split("-", 1)[1]).int
    return str(uuid.UUID(int=number & ~0x7F | index & 0x7F))


def envelope(message_id: str, moment: datetime, index: int, **fields: Any) -> Wire:
    """The fields that all message objects have, nulls included."""
    return {
        "id": message_id,
        "date": wire_date(moment),
        "name": None,
        "message_type": None,
        "otid": otid(message_id, index),
        "sender_id": None,
        "step_id": None,
        "is_err": None,
        "seq_id": None,
        "run_id": None,
    } | fields


def shown(messages: Iterable[Message], view: View = DEFAULT_VIEW) -> list[Wire]:
    """As in lists, where nothing is numbered: the numbers are of one run's stream, and begin again with the next."""
    items = (item for message in messages for item in parts(message, view) if view.wants(item["message_type"]))
    return [item | {"seq_id": None} for item in items]


def parts(message: Message, view: View = DEFAULT_VIEW) -> list[Wire]:
    """The objects that one stored message is shown as. Their `seq_id` are consecutive from its `event_seq`."""
    bodies = _BODIES[message.role](message.content, view)
    return [
        envelope(
            message.id,
            message.created_at,
            index,
            name=message.name,
            sender_id=message.content.get("sender_id"),
            step_id=message.step_id,
            run_id=message.run_id,
            seq_id=None if message.event_seq is None else message.event_seq + index,
        )
        | ({"otid": message.otid} if message.otid or message.role in ("system", "user", "approval") else {})
        | body
        for index, body in enumerate(bodies)
    ]


def _system(content: Wire, view: View) -> list[Wire]:
    return [{"message_type": "system_message", "content": content["text"]}]


def _user(content: Wire, view: View) -> list[Wire]:
    return [{"message_type": "user_message", "content": content["content"]}]


def _assistant(content: Wire, view: View) -> list[Wire]:
    calls = [_call(call) for call in content.get("calls", [])]
    bodies = [_thought(thought) for thought in content.get("reasoning", [])]
    bodies += [_inner_thought(text) for call in content.get("calls", []) if (text := _thinking(call))]
    if content.get("text"):
        bodies.append({"message_type": "assistant_message", "content": content["text"]})
    spoken = [call for call in calls if is_speech(call["name"], view)]
    bodies += [{"message_type": "assistant_message", "content": _speech(call, view)} for call in spoken]
    waiting = [call for call in calls if call["tool_call_id"] in content.get("waiting", ())]
    others = [call for call in calls if call not in spoken and call not in waiting]
    if others:
        bodies.append({"message_type": "tool_call_message", "tool_call": others[0], "tool_calls": others})
    if waiting:
        bodies.append({"message_type": "approval_request_message", "tool_call": waiting[0], "tool_calls": waiting})
    return bodies


def _tool(content: Wire, view: View) -> list[Wire]:
    if is_speech(content["name"], view) and content["status"] == "success":
        return []
    returned = {
        "tool_return": content["text"],
        "status": content["status"],
        "tool_call_id": content["call_id"],
        "stdout": content.get("stdout"),
        "stderr": content.get("stderr"),
    }
    return [
        {"name": content["name"], "message_type": "tool_return_message"}
        | returned
        | {"tool_returns": [{"type": "tool"} | returned]}
    ]


def _approval(content: Wire, view: View) -> list[Wire]:
    """`approve` and `reason` say it once more, for clients that know of one call at a time."""
    verdicts = [answer for answer in content["approvals"] if answer["type"] == "approval"]
    return [
        {
            "message_type": "approval_response_message",
            "approvals": content["approvals"],
            "approve": all(answer["approve"] for answer in verdicts) if verdicts else None,
            "approval_request_id": content["approval_request_id"],
            "reason": next((answer["reason"] for answer in verdicts if answer.get("reason")), None),
        }
    ]


def _summary(content: Wire, view: View) -> list[Wire]:
    """To clients that did not ask for compactions it is something that a user says."""
    if not view.compactions:
        return [{"message_type": "user_message", "content": packed_summary(content["summary"])}]
    stats = content["stats"]
    told = {"trigger": stats["trigger"], "context_window": stats["context_window"]}
    told["context_token_estimate"] = stats["context_tokens_before"]
    return [
        {"message_type": "event_message", "event_type": "compaction", "event_data": told},
        {"message_type": "summary_message", "summary": content["summary"], "compaction_stats": stats},
    ]


_BODIES = {
    "system": _system,
    "user": _user,
    "assistant": _assistant,
    "tool": _tool,
    "approval": _approval,
    "summary": _summary,
}


def is_speech(tool_name: str, view: View) -> bool:
    return tool_name == view.speech_tool


def _thought(thought: Wire) -> Wire:
    if thought.get("redacted"):
        return {
            "message_type": "hidden_reasoning_message",
            "state": "redacted",
            "hidden_reasoning": thought["redacted"],
        }
    return {
        "message_type": "reasoning_message",
        "source": "reasoner_model",
        "reasoning": thought["text"],
        "signature": thought.get("signature"),
    }


def _inner_thought(text: str) -> Wire:
    return {
        "message_type": "reasoning_message",
        "source": "non_reasoner_model",
        "reasoning": text,
        "signature": None,
    }


def _call(call: Wire) -> Wire:
    arguments = call["arguments"]
    if _thinking(call):
        arguments = json.dumps({name: value for name, value in _object(call).items() if name != THINKING_ARGUMENT})
    return {"name": call["name"], "arguments": arguments, "tool_call_id": call["id"]}


def _thinking(call: Wire) -> str:
    text = _object(call).get(THINKING_ARGUMENT)
    return clean_text(text) if isinstance(text, str) else ""


def _speech(call: Wire, view: View) -> str:
    try:
        arguments = json.loads(call["arguments"])
    except (ValueError, RecursionError):
        return call["arguments"]
    return (
        clean_text(str(arguments.get(view.speech_argument, ""))) if isinstance(arguments, dict) else call["arguments"]
    )


def _object(call: Wire) -> dict[str, Any]:
    if THINKING_ARGUMENT not in call["arguments"]:
        return {}
    try:
        arguments = json.loads(call["arguments"])
    except (ValueError, RecursionError):
        return {}
    return arguments if isinstance(arguments, dict) else {}


def stop_event(stop_reason: str, seq: int | None = None) -> Wire:
    return {"message_type": "stop_reason", "stop_reason": stop_reason, "seq_id": seq}


def usage_event(usage: Wire, seq: int | None = None) -> Wire:
    return {"message_type": "usage_statistics", **usage, "seq_id": seq}
