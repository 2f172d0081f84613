"""Finding what was said before."""

from datetime import datetime, timedelta
from typing import Any, Literal

from memory import recall
from memory.search import WORDS_ONLY
from tools.executor import ToolContext
from tools.registry import tool

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


@tool(effect="read", idempotent=True, type="letta_core", tags=["letta_core"], parallel=True)
def conversation_search(
    context: ToolContext,
    query: str | None = None,
    roles: list[Literal["assistant", "user", "tool"]] | None = None,
    limit: int | None = None,
    start_date: str | None = None,
    end_date: str | None = None,
) -> dict[str, Any]:
    """Search all that was ever said in your conversations, also what you no longer see.

    Any word of the query may match; what holds more and rarer ones comes first, and what was said right before and
    behind it may come along. Where it is set up, the meaning of the query counts too. Without a query the newest come
    first.

    Args:
        query: Words to look for. Leave it out to search by role and date only.
        roles: Only what was said by these: "user", "assistant" (you), "tool" (what tools returned).
        limit: How many results to give at most: 5 if left out, 100 at most.
        start_date: Only messages of this time or later, as "2026-01-15" or "2026-01-15T14:30" (UTC).
        end_date: Only messages of this time or earlier, written the same. A date alone includes that whole day.
    """
    # What an earlier search returned would match again, and hide what it had found.
    messages = context.messages.exclude(role="tool", content__name="conversation_search")
    found = recall.search(messages, query, roles, limit, start_date, end_date, neighbours="all", near=context.near)
    note = f" {WORDS_ONLY}" if found.words_only else ""
    shown = [_shown(message, context.now) for message in found]
    return {"message": f"Showing {len(found)} results:{note}", "results": shown}


def _shown(message: Any, now: datetime) -> dict[str, Any]:
    relevance = {} if message.rank is None else {"relevance": round(message.rank, 4)}
    return {
        "timestamp": message.created_at.isoformat(),
        "time_ago": _time_ago(now - message.created_at),
        "role": message.role,
        **relevance,
        "content": message.text,
    }


def _time_ago(passed: timedelta) -> str:
    seconds = passed.total_seconds()
    for unit, length in _UNITS:
        if (number := int(seconds // length)) > 0:
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"
