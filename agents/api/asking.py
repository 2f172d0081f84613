"""Views that wait until a worker has answered: only workers run tools and talk to MCP servers."""

import json
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import JsonResponse

from agents.following import in_thread
from tools.asking import NobodyAnswers, Reply, ask

ONCE = {"x-should-retry": "false"}
"""Clients' libraries send some requests again by themselves. A tool may have done something already."""


async def asked(hint: Callable[[str], bool], question: dict[str, Any], seconds: float) -> Reply:
    """What a worker answers to the question. Raises NobodyAnswers."""

    async def tell(ticket: str) -> bool:
        return await in_thread(hint, ticket)

    reply = await ask(settings.REDIS_URL, tell, question, seconds)
    if reply["status"] == "failed":
        raise NobodyAnswers("The worker that was asked has failed; its log has more of it.")
    return reply


def answer_of(reply: Reply) -> dict[str, Any]:
    """A ToolExecutionResult. JSON is told as what it says, other text as it is."""
    failed = reply["status"] == "error"
    return {
        "status": reply["status"],
        "func_return": _value(reply["text"]),
        "agent_state": None,
        "stdout": reply.get("stdout") or [],
        "stderr": reply.get("stderr") or ([reply["text"]] if failed else []),
        "sandbox_config_fingerprint": None,
    }


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def unserved(error: NobodyAnswers) -> JsonResponse:
    return JsonResponse({"detail": str(error)}, status=503, headers=ONCE)
