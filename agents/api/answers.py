"""What a client answers to calls that wait (approvals, and returns of its own tools), and the tools that it brings."""

import json
from collections.abc import Mapping
from typing import Any

from agents.approvals import Answer, Answers
from agents.errors import invalid
from tools.bounded_schema import LONGEST

Place = list[str | int]

MAX_CLIENT_TOOLS = 128
CLIENT_TOOL_NAME = 64


def is_answer(message: Mapping[str, Any]) -> bool:
    """Clients may leave `type` out of an approval."""
    kind = message.get("type")
    return kind in ("approval", "tool_return") or (kind is None and ("approve" in message or "approvals" in message))


def answers_of(body: Mapping[str, Any]) -> Answers | None:
    """The answer that a request brings in its only message; None if it brings something else. Raises InvalidRequest."""
    messages = body.get("messages")
    if not isinstance(messages, list) or len(messages) != 1:
        return None
    message, place = messages[0], Place(["body", "messages", 0])
    if not isinstance(message, dict) or not is_answer(message):
        return None
    if message.get("type") == "tool_return":
        return Answers(_each(message.get("tool_returns"), [*place, "tool_returns"], "tool"))
    return _verdict(message, place)


def verdict_of(body: Mapping[str, Any]) -> Answers:
    """The answer in a body of its own: `approve` and `reason` for all calls, or `approvals` for each."""
    return _verdict(body, ["body"])


def _verdict(message: Mapping[str, Any], place: Place) -> Answers:
    if message.get("approvals") is not None:
        return Answers(_each(message["approvals"], [*place, "approvals"], "approval"))
    if not isinstance(message.get("approve"), bool):
        raise invalid([*place, "approve"], "Should be true or false, or give 'approvals'", "bool_type")
    return Answers(verdict=(message["approve"], _text(message, "reason", place)))


def client_tools_of(tools: Any) -> list[dict[str, Any]]:
    """[{name, description, parameters}] of the tools that the client runs itself. Raises InvalidRequest."""
    place = Place(["body", "client_tools"])
    if not isinstance(tools, list):
        raise invalid(place, "Should be a list of tools", "list_type")
    if len(tools) > MAX_CLIENT_TOOLS:
        raise invalid(place, f"At most {MAX_CLIENT_TOOLS} tools can be brought at once", "too_long")
    return [_client_tool(tool, [*place, index]) for index, tool in enumerate(tools)]


def _client_tool(tool: Any, place: Place) -> dict[str, Any]:
    name = tool.get("name") if isinstance(tool, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= CLIENT_TOOL_NAME:
        raise invalid([*place, "name"], f"Should be a name of 1 to {CLIENT_TOOL_NAME} characters", "string_type")
    parameters = tool.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise invalid([*place, "parameters"], "Should be a JSON schema of type object", "dict_type")
    if len(json.dumps(parameters)) > LONGEST:
        raise invalid([*place, "parameters"], f"Should have at most {LONGEST} characters", "too_long")
    return {"name": name, "description": _text(tool, "description", place), "parameters": parameters}


def _each(given: Any, place: Place, default: str) -> tuple[Answer, ...]:
    if not isinstance(given, list) or not given:
        raise invalid(place, "Should be a list with an answer for each waiting tool call", "list_type")
    return tuple(_one(answer, [*place, index], default) for index, answer in enumerate(given))


def _one(answer: Any, place: Place, default: str) -> Answer:
    if not isinstance(answer, dict) or not isinstance(answer.get("tool_call_id"), str):
        raise invalid([*place, "tool_call_id"], "Should be the id of a waiting tool call", "string_type")
    kind = answer.get("type") or default
    if kind == "tool":
        return _return(answer, place)
    if kind != "approval":
        raise invalid([*place, "type"], "Should be 'approval' or 'tool'", "literal_error")
    if not isinstance(answer.get("approve"), bool):
        raise invalid([*place, "approve"], "Should be true or false", "bool_type")
    return {
        "type": "approval",
        "tool_call_id": answer["tool_call_id"],
        "approve": answer["approve"],
        "reason": _text(answer, "reason", place),
    }


def _return(answer: dict[str, Any], place: Place) -> Answer:
    if answer.get("status") not in ("success", "error"):
        raise invalid([*place, "status"], "Should be 'success' or 'error'", "literal_error")
    text = answer.get("tool_return")
    if not isinstance(text, str) and not _is_parts(text):
        raise invalid([*place, "tool_return"], "Should be a string or a list of content parts", "union")
    for name in ("stdout", "stderr"):
        if answer.get(name) is not None and not _is_lines(answer[name]):
            raise invalid([*place, name], "Should be a list of strings", "list_type")
    return {
        "type": "tool",
        "tool_call_id": answer["tool_call_id"],
        "tool_return": text,
        "status": answer["status"],
        "stdout": answer.get("stdout"),
        "stderr": answer.get("stderr"),
    }


def _is_parts(value: Any) -> bool:
    parts = value if isinstance(value, list) else [None]
    return all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in parts)


def _is_lines(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(line, str) for line in value)


def _text(fields: Mapping[str, Any], name: str, place: Place) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid([*place, name], "Should be a string", "string_type")
    return value
