"""Filing facts away in archival memory, and finding them again."""

from typing import Any, Literal

from memory.models import Passage
from memory.search import WORDS_ONLY
from tools.executor import ToolContext
from tools.registry import tool


@tool(effect="state", type="letta_core", tags=["letta_core"])
def archival_memory_insert(context: ToolContext, content: str, tags: list[str] | None = None) -> str | None:
    """File a fact away in archival memory, which keeps it for as long as you exist and has no limit in size.

    Write it so that it can be understood alone later: names instead of pronouns, dates instead of "today".

    Args:
        content: The fact, at most 32,768 characters.
        tags: Short words to find it by, for example ["preferences", "travel"].
    """
    passage = context.archival.insert(content, tags or ())
    original = passage.metadata.get("duplicate_of")
    return original and f"Filed, but the same text was in archival memory already, as {original}."


@tool(effect="read", idempotent=True, type="letta_core", tags=["letta_core"], parallel=True)
def archival_memory_search(
    context: ToolContext,
    query: str,
    tags: list[str] | None = None,
    tag_match_mode: Literal["any", "all"] = "any",
    top_k: int | None = None,
    start_datetime: str | None = None,
    end_datetime: str | None = None,
) -> list[dict[str, Any]] | dict[str, Any]:
    """Search archival memory by words. What holds more and rarer ones of them comes first.

    Of facts that say nearly the same the newest comes first. Where it is set up, the meaning of the query counts too.

    Any of the words may match, so name all that may stand in the fact, synonyms too.

    Args:
        query: Words to look for.
        tags: Only facts with these tags.
        tag_match_mode: With "any" one of the tags is enough, with "all" a fact must have every one.
        top_k: How many results to give at most: 5 if left out, 100 at most.
        start_datetime: Only facts kept at this time or later, as "2026-01-15" or "2026-01-15T14:30" (UTC).
        end_datetime: Only facts kept at this time or earlier, written the same. A date alone includes that whole day.
    """
    passages = context.archival.search(query, tags or (), tag_match_mode, top_k, start_datetime, end_datetime)
    shown = [_shown(passage) for passage in passages]
    return {"message": WORDS_ONLY, "results": shown} if passages.words_only else shown


def _shown(passage: Passage) -> dict[str, Any]:
    return {
        "id": passage.id,
        "timestamp": passage.created_at.isoformat(),
        "content": passage.text,
        "tags": passage.tags,
    }
