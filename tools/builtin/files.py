"""Reading the files of the agent's folders."""

from typing import Any

from memory.search import WORDS_ONLY
from tools.executor import ToolContext
from tools.registry import tool


@tool(effect="state", type="letta_files_core", tags=["letta_files_core"])
def open_files(context: ToolContext, file_requests: list[dict[str, Any]], close_all_others: bool = False) -> str:
    """Open files of your folders: from your next step on you see them in your system prompt, line by line.

    A file that is open already is shown from the line that you ask for now. When too many are open, those that were
    opened longest ago are closed.

    Args:
        file_requests: Which files, for example [{"file_name": "Manuals/pump.md"}]. With "offset" a window begins
            behind so many lines (0 is the beginning), with "length" it has so many lines, for example
            {"file_name": "Manuals/pump.md", "offset": 120, "length": 40}.
        close_all_others: Close all files that you do not name here.
    """
    change = context.files.open(file_requests, close_all_others)
    told = ["Opened " + "; ".join(change.opened) + "."]
    if change.closed:
        told.append("Closed " + "; ".join(change.closed) + ".")
    return " ".join(told)


@tool(effect="read", idempotent=True, type="letta_files_core", tags=["letta_files_core"], parallel=True)
def grep_files(
    context: ToolContext, pattern: str, include: str | None = None, context_lines: int = 1, offset: int = 0
) -> str:
    """Find the lines of your files that match a regular expression, 20 at a time.

    Args:
        pattern: A POSIX regular expression, for example "pump|valve" or "^## ". Case does not count, unless the pattern
            begins with (?c).
        include: Only files whose path or name fits, for example "*.md" or "Manuals/*".
        context_lines: How many lines to show before and behind each.
        offset: How many matches to skip, to see more than the first 20.
    """
    return context.files.grep(pattern, include, context_lines, offset)


@tool(effect="read", idempotent=True, type="letta_files_core", tags=["letta_files_core"], parallel=True)
def semantic_search_files(context: ToolContext, query: str, limit: int = 5) -> list[dict[str, Any]] | dict[str, Any]:
    """Find passages of your files by what they say: any of the words may match, and where it is set up the meaning.

    Args:
        query: What to look for.
        limit: How many passages to give at most, 100 at most.
    """
    found, paths = context.files.search(query, limit)
    shown = [
        {
            "file": paths.get(passage.file_id or "", ""),
            "lines": f"{passage.metadata.get('first_line')}-{passage.metadata.get('last_line')}",
            "text": passage.text,
        }
        for passage in found
    ]
    return {"message": WORDS_ONLY, "results": shown} if found.words_only else shown
