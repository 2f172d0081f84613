"""Counts of rows as people read them: 1 run, 3 conversations, 2 tools of agents."""

from collections.abc import Mapping

_NAMES = {
    "agentarchive": "archive of agents",
    "agentblock": "block of agents",
    "agentfile": "file of agents",
    "agentfolder": "folder of agents",
    "agentidentity": "identity of agents",
    "agenttool": "tool of agents",
    "apikey": "API key",
    "blockidentity": "block of identities",
    "blockversion": "version of blocks",
    "embeddedhistory": "embedded history",
    "exportpiece": "piece of exports",
    "filecontent": "text of files",
    "identityjob": "job of identities",
    "inbox": "place in the queue",
    "mcpserver": "MCP server",
    "messagevector": "vector of messages",
    "missingvector": "missing vector",
    "modellisting": "list of models",
    "pieces": "piece",
    "toolattempt": "tool attempt",
    "vector": "vector of passages",
}
"""Models whose name alone does not tell what they are; the others are called as their name."""


def counted(counts: Mapping[str, int]) -> str:
    return ", ".join(_counted(name, count) for name, count in counts.items())


def _counted(name: str, count: int) -> str:
    kept = name.removesuffix("s_kept")
    words = _NAMES.get(name) or kept.replace("_", " ")
    return f"{count:,} {words if count == 1 else _plural(words)}" + (" kept" if kept != name else "")


def _plural(words: str) -> str:
    """Of the first noun: tools of agents, tool attempts, identities."""
    head, of, rest = words.partition(" of " if " of " in words else " in ")
    return (head.removesuffix("y") + "ies" if head.endswith(("ty", "ry")) else head + "s") + of + rest
