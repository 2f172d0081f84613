"""How many tokens a text may be: cheap, and rather too many than too few."""

import json
from math import ceil
from typing import Any

from agents.loop.messages import Message
from agents.loop.ports import LLMRequest
from tools.spec import ToolSpec

_BYTES_PER_TOKEN = 4
_PER_MESSAGE = 4  # role and separators
_PER_TOOL = 8
_PER_IMAGE = 1_600  # what providers charge for a picture of about a megapixel


def estimate(text: str) -> int:
    """Tokens of `text`. UTF-8 bytes rather than characters: other scripts cost more tokens than Latin."""
    return ceil(len(text.encode("utf-8", "replace")) / _BYTES_PER_TOKEN)


def estimate_request(request: LLMRequest) -> int:
    """Tokens of everything that a call sends."""
    messages = sum(estimate_message(message) for message in request.messages)
    return estimate(request.system) + _PER_MESSAGE + messages + sum(estimate_tool(tool) for tool in request.tools)


def estimate_message(message: Message) -> int:
    calls = sum(estimate(call.name) + estimate(call.arguments) + _PER_TOOL for call in message.calls)
    sealed = sum(estimate(thought.text) for thought in message.reasoning if thought.signature)
    returned = estimate(message.returned.text) if message.returned else 0
    return _PER_MESSAGE + _content(message.content) + calls + sealed + returned


def _content(content: str | list[dict[str, Any]]) -> int:
    if isinstance(content, str):
        return estimate(content)
    return sum(_PER_IMAGE if part.get("type") == "image" else estimate(part.get("text", "")) for part in content)


def estimate_tool(tool: ToolSpec) -> int:
    return estimate(tool.name) + estimate(tool.description) + estimate(json.dumps(tool.parameters)) + _PER_TOOL
