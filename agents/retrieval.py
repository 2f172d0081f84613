"""What an agent remembers of a message is found before it answers, and told with the message, if the agent wants that.

It is kept with the message, so that the model is shown the same bytes in every step, and in all turns that follow: what
stands before the next message never changes, and providers' caches hit.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import chain, zip_longest
from typing import Any

from django.db import connection, transaction

from agents import history
from agents.embedding import embedding_of
from agents.loading import Loaded, Row, load
from agents.loop.tokens import estimate
from agents.models import Agent, Message
from agents.prompt import Equipped
from agents.retry import settled
from agents.rows import INPUT, flat_text
from agents.statements import execute
from agents.turns import Turn, fence
from memory import recall
from memory.archival import Archival, Embed, nothing_to_keep
from memory.embeddings import Vector

SOURCES = ("archives", "messages")
DEFAULT_TOKENS = 1_000
LEAST_TOKENS, MOST_TOKENS = 100, 20_000
CANDIDATES = 10
"""So many of each source are looked at."""

HEAD = "<retrieved_memory>\nFound in your memory for this message. It may be out of date or beside the point.\n"
TAIL = "</retrieved_memory>"
_END = re.compile(r"<(?=\s*/\s*retrieved_memory\s*>)", re.IGNORECASE)


def retrieval_faults(given: Any) -> dict[str, str]:
    """What is wrong with an agent's `retrieval`, by field."""
    if not isinstance(given, dict):
        return {"retrieval": 'Write an object: {"sources": ["archives"], "tokens": 1000}'}
    faults = {str(name): "There is no such setting" for name in given if name not in ("sources", "tokens")}
    sources, tokens = given.get("sources", []), given.get("tokens", DEFAULT_TOKENS)
    if not isinstance(sources, list) or any(source not in SOURCES for source in sources):
        faults["sources"] = f"A list of {' and '.join(SOURCES)}; empty: nothing is looked for"
    if type(tokens) is not int or not LEAST_TOKENS <= tokens <= MOST_TOKENS:
        faults["tokens"] = f"A whole number from {LEAST_TOKENS} to {MOST_TOKENS}"
    return faults


def with_memories(turn: Turn, loaded: Loaded, embed: Embed, window_of: Callable[[str], int]) -> Loaded:
    """Find what is remembered of the run's message; the step as it starts then. Once for each run. Raises Fenced."""
    wanted, asking = loaded.equipped.agent.retrieval, _asking(turn, loaded)
    if not wanted.get("sources") or asking is None:
        return loaded
    found = _found(turn, loaded, flat_text(asking.content["content"]), embed)
    _record(turn, asking.id, _fitting(found, wanted.get("tokens", DEFAULT_TOKENS)))
    return load(turn, window_of)


def _asking(turn: Turn, loaded: Loaded) -> Row | None:
    """The last message of the run's input, if nothing was looked for yet."""
    if turn.step.no > 1 or loaded.state.recorded:
        return None
    own = [row for row in loaded.window.rows if row.step_id == turn.step.id and row.call_index >= INPUT]
    return own[-1] if own and own[-1].role == Message.Role.USER and "retrieved" not in own[-1].content else None


def _found(turn: Turn, loaded: Loaded, query: str, embed: Embed) -> Iterator[tuple[str, str]]:
    """Ids and texts that are not in the window already, best first, of each source in turn."""
    if not query.strip():
        return iter(())
    sources = loaded.equipped.agent.retrieval["sources"]
    seen = {id for row in loaded.window.rows for id in (row.content.get("retrieved") or {}).get("ids", ())}

    @cache
    def vector(handle: str, text: str) -> Vector | None:
        connection.close()
        return embed(handle, text)

    passages = _passages(loaded.equipped, query, vector) if "archives" in sources else []
    messages = _messages(turn, loaded, query, vector) if "messages" in sources else []
    mixed = chain.from_iterable(zip_longest(passages, messages))
    return (one for one in mixed if one and one[0] not in seen)


def _passages(equipped: Equipped, query: str, embed: Embed) -> list[tuple[str, str]]:
    shelf = Archival(equipped.agent.organization_id, equipped.archive_ids, nothing_to_keep, embed)
    found = shelf.search(query, top_k=CANDIDATES)
    return [(passage.id, f"[{passage.created_at:%Y-%m-%d}] {passage.text}") for passage in found]


def _messages(turn: Turn, loaded: Loaded, query: str, embed: Embed) -> list[tuple[str, str]]:
    """What was said aloud and is not in the window any more, in any conversation of the agent."""
    agent, in_view = loaded.equipped.agent, loaded.window.rows[0].seq
    of_agent = Message.objects.filter(organization_id=agent.organization_id, agent_id=agent.id)
    out_of_view = of_agent.exclude(conversation_id=turn.conversation.id, seq__gte=in_view)
    embedding, own = embedding_of(agent.embedding), Agent.objects.filter(id=agent.id)
    near = history.near(own, [embedding], embed) if embedding else None
    found = recall.search(out_of_view, query, ("user", "assistant"), CANDIDATES, near=near)
    return [(one.id, history.key(one.role, one.name, one.text, one.created_at)) for one in found]


def _fitting(found: Iterator[tuple[str, str]], tokens: int) -> dict[str, Any]:
    """As much as the agent's `tokens` allow. What is too long is passed over."""
    ids, lines, left = [], [], tokens - estimate(HEAD + TAIL)
    for id, text in found:
        told = _END.sub(r"<\\", text)  # what was filed cannot end what is told
        line = f"- {told}\n"
        if (cost := estimate(line)) <= left:
            ids.append(id)
            lines.append(line)
            left -= cost
    return {"ids": ids, "text": f"{HEAD}{''.join(lines)}{TAIL}" if lines else ""}


def _record(turn: Turn, message_id: str, retrieved: Mapping[str, Any]) -> None:
    """Also when nothing was found, so that nothing is looked for again."""

    def work(again: bool) -> None:
        with transaction.atomic():
            fence(turn.hold, 0)
            added = json.dumps({"retrieved": retrieved})
            execute("UPDATE agents_message SET content = content || %s::jsonb WHERE id = %s", [added, message_id])

    settled(work)
