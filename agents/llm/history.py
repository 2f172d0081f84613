"""What both wire formats need of a conversation's past: text, ids and arguments in a form that providers accept."""

import hashlib
import json
import math
import re
from typing import Any, NoReturn

from agents.loop.messages import Message
from tools.arguments import MAX_DEPTH, is_deeper

_ACCEPTED_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")  # the narrower of OpenAI's length and Anthropic's alphabet

_HALF = re.compile("[\ud800-\udfff]")  # of a character, and no text that can be sent

Part = dict[str, Any]


def parts_of(message: Message) -> list[Part]:
    """The content as parts, without texts that say nothing (Anthropic refuses those)."""
    content = message.content
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [part for part in parts if part.get("type") != "text" or str(part.get("text", "")).strip()]


def text_of(message: Message) -> str:
    """The content's text parts, joined; other parts are left out."""
    return "\n".join(str(part["text"]) for part in parts_of(message) if part.get("type") == "text")


def wire_id(call_id: str) -> str:
    """The call's id, or a stand-in when providers would refuse it. Call and return get the same one."""
    if _ACCEPTED_ID.fullmatch(call_id):
        return call_id
    return "call_" + hashlib.sha256(call_id.encode("utf-8", "replace")).hexdigest()[:24]


def arguments_of(text: str) -> dict[str, Any]:
    """A past call's arguments as an object. What the model wrote wrongly stays visible to it, but as valid JSON:
    one broken call would otherwise make providers refuse every later request of the conversation."""
    if not text.strip():
        return {}
    try:
        arguments = _sendable(text)
    except (ValueError, RecursionError):
        return {"invalid_json": text}
    return arguments if isinstance(arguments, dict) else {"invalid_arguments": arguments}


def _sendable(text: str) -> Any:
    """Its value, if every encoder and every provider can take it: finite numbers, whole characters, not too deep."""
    value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    if text.count("[") + text.count("{") > MAX_DEPTH and is_deeper(value, MAX_DEPTH):
        raise ValueError("nested too deeply")
    if "\\u" in text:
        return json.loads(_HALF.sub("\N{REPLACEMENT CHARACTER}", json.dumps(value, ensure_ascii=False)))
    return value


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def unsupported(part: Part) -> str:
    """What stands in for a part that no adapter can send."""
    return f"[a part of type {part.get('type')!r} that this model cannot be shown]"
