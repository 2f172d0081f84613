"""The vectors of messages: which are missing, and which are near. Like memory/vectors.py, whose tables passages have.

Messages of a conversation are numbered in the order of their commits. So one number says how far it has its vectors,
and nothing has to be noted when a message is stored.
"""

from collections.abc import Collection as Some
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, QuerySet

from agents.embedding import embedding_of
from agents.models import Agent, EmbeddedHistory
from memory import recall
from memory.archival import Embed
from memory.embeddings import MOST_CHARS, Vector
from memory.ranking import Collection
from memory.search import Nearness
from memory.vectors import CLAIM_SECONDS, in_seconds, literal, nearest_in

CONVERSATIONS = 8
MESSAGES = 64
"""So many of each are claimed at once."""
MOST_EMBEDDINGS = 3
"""So many are compared in one search."""

_SPOKEN = ("user", "assistant", "tool")

_WANTED = """
SELECT DISTINCT agent.embedding FROM agents_agent AS agent
 WHERE agent.embedding IS NOT NULL AND (%(all)s OR agent.id IN (
       SELECT agent_id FROM agents_conversation WHERE id = ANY(%(places)s)))
"""

_NOTE = """
INSERT INTO agents_embeddedhistory AS known (conversation_id, embedding, seq, due_at, attempts, error)
SELECT place.id, meant.embedding, 0, clock_timestamp(), 0, ''
  FROM unnest(%(wanted)s::text[], %(meant)s::text[]) AS meant(wanted, embedding)
  JOIN agents_agent AS agent ON agent.embedding = meant.wanted
  JOIN agents_conversation AS place ON place.agent_id = agent.id
  LEFT JOIN agents_embeddedhistory AS before ON before.conversation_id = place.id
 WHERE (%(all)s OR place.id = ANY(%(places)s))
   AND (before.conversation_id IS NULL OR before.embedding <> meant.embedding
        OR before.due_at IS NULL AND before.seq < place.next_seq - 1)
    ON CONFLICT (conversation_id) DO UPDATE
   SET seq = CASE WHEN known.embedding = EXCLUDED.embedding THEN known.seq ELSE 0 END,
       embedding = EXCLUDED.embedding, due_at = EXCLUDED.due_at, attempts = 0, error = ''
"""

_CLAIM = """
UPDATE agents_embeddedhistory AS known
   SET due_at = clock_timestamp() + make_interval(secs => %s), attempts = attempts + 1
 WHERE conversation_id = ANY(ARRAY(
       SELECT conversation_id FROM agents_embeddedhistory WHERE due_at <= clock_timestamp()
          AND NOT embedding = ANY(%s::text[]) ORDER BY due_at, conversation_id LIMIT %s FOR UPDATE SKIP LOCKED))
RETURNING conversation_id, due_at, attempts, embedding, seq
"""

# In one statement, so that every message up to `next_seq` is seen.
_NEXT = """
SELECT place.id, place.agent_id, place.next_seq - 1,
       said.id, said.seq, said.role, said.name, left(said.text, %s), said.created_at
  FROM unnest(%s::text[], %s::bigint[]) AS claimed(id, seq) JOIN agents_conversation AS place ON place.id = claimed.id
  LEFT JOIN LATERAL (SELECT id, seq, role, name, text, created_at FROM agents_message
                      WHERE conversation_id = place.id AND seq > claimed.seq ORDER BY seq LIMIT %s) AS said ON TRUE
 ORDER BY place.id, said.seq
"""

# Messages first, and in order: who deletes one holds it before its conversation.
_HOLD = "SELECT id FROM agents_message WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE SKIP LOCKED"

# What was claimed again meanwhile, or got another embedding, has another due_at.
_ADVANCE = """
UPDATE agents_embeddedhistory AS known
   SET seq = %(until)s, attempts = 0, error = '',
       due_at = CASE WHEN place.next_seq - 1 > %(until)s THEN clock_timestamp() END
  FROM agents_conversation AS place
 WHERE place.id = known.conversation_id AND known.conversation_id = %(place)s AND known.due_at = %(due_at)s
RETURNING known.seq
"""

_STORE = """
INSERT INTO agents_messagevector (message_id, agent_id, embedding, dimension, value)
SELECT id, %s, %s, %s, value::halfvec FROM unnest(%s::text[], %s::text[]) AS made(id, value)
    ON CONFLICT (message_id) DO UPDATE
   SET embedding = EXCLUDED.embedding, dimension = EXCLUDED.dimension, value = EXCLUDED.value
"""

_DISCARD = """
WITH given_up AS (
    DELETE FROM agents_embeddedhistory WHERE conversation_id = ANY(ARRAY(
        SELECT known.conversation_id FROM agents_embeddedhistory AS known
          JOIN agents_conversation AS place ON place.id = known.conversation_id
          JOIN agents_agent AS agent ON agent.id = place.agent_id
         WHERE agent.embedding IS NULL LIMIT %s))
    RETURNING conversation_id)
DELETE FROM agents_messagevector AS vector USING agents_message AS said
 WHERE said.id = vector.message_id AND said.conversation_id IN (SELECT conversation_id FROM given_up)
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message whose vector this worker is to make. `until`: how far its conversation has its vectors then."""

    id: str
    text: str
    agent_id: str
    place: str
    due_at: datetime
    attempts: int
    embedding: str
    until: int


# Making them ----------------------------------------------------------------------------------------------------------


def note(places: Some[str] | None = None) -> None:
    """Have it looked after that messages of these conversations get vectors; of all, if none are named."""
    among: dict[str, Any] = {"all": places is None, "places": list(places or ())}
    with connection.cursor() as cursor:
        cursor.execute(_WANTED, among)
        meant = {wanted: embedding for (wanted,) in cursor.fetchall() if (embedding := embedding_of(wanted))}
        if meant:
            cursor.execute(_NOTE, among | {"wanted": list(meant), "meant": list(meant.values())})


def claim(paused: Iterable[str] = ()) -> list[Claimed]:
    """The next messages that wait for their vectors, but not those of the `paused` embeddings."""
    with connection.cursor() as cursor:
        while True:
            cursor.execute(_CLAIM, [CLAIM_SECONDS, list(paused), CONVERSATIONS])
            held = {place: tuple(rest) for place, *rest in cursor.fetchall()}
            if not held:
                return []
            seqs = [seq for *_, seq in held.values()]
            cursor.execute(_NEXT, [MOST_CHARS, list(held), seqs, MESSAGES])
            if claimed := _claimed(held, cursor.fetchall()):
                return claimed


def _claimed(held: dict[str, tuple[Any, ...]], rows: list[tuple[Any, ...]]) -> list[Claimed]:
    """Conversations in which nothing was said are done with."""
    claimed: list[Claimed] = []
    for place, (due_at, attempts, embedding, _) in held.items():
        own = [row for row in rows if row[0] == place and row[3]]
        last = next((row[2] for row in rows if row[0] == place), 0)
        until = own[-1][4] if len(own) == MESSAGES else last
        spoken = [row for row in own if _is_spoken(*row[5:8])]
        claimed += [
            Claimed(id, key(role, name, text, made), agent_id, place, due_at, attempts, embedding, until)
            for _, agent_id, _, id, _, role, name, text, made in spoken
        ]
        if not spoken:
            _advance(place, due_at, until)
    return claimed


def _is_spoken(role: str, name: str | None, text: str) -> bool:
    """What an earlier search returned is no more than what it had found."""
    return role in _SPOKEN and bool(text) and not (role == "tool" and name == "conversation_search")


def key(role: str, name: str | None, text: str, made: datetime) -> str:
    """A message as it is embedded."""
    return f"[{made:%Y-%m-%d}] {name or role}: {text}"


def store(claimed: Sequence[Claimed], vectors: Sequence[Vector]) -> None:
    """Keep the vectors of claimed messages of one conversation."""
    first, ids = claimed[0], [one.id for one in claimed]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_HOLD, [ids])
        if len(cursor.fetchall()) < len(ids):
            postpone(claimed, "", 1)  # some are being deleted
        elif _advance(first.place, first.due_at, first.until):
            values = [literal(vector) for vector in vectors]
            cursor.execute(_STORE, [first.agent_id, first.embedding, len(vectors[0]), ids, values])


def _advance(place: str, due_at: datetime, until: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_ADVANCE, {"place": place, "due_at": due_at, "until": until})
        return cursor.fetchone() is not None


def postpone(claimed: Sequence[Claimed], reason: str, seconds: float) -> None:
    """They could not be made; the reason is shown in the admin."""
    first = claimed[0]
    own = EmbeddedHistory.objects.filter(conversation_id=first.place, due_at=first.due_at)
    own.update(error=reason[:1_000], due_at=in_seconds(seconds))


def discard() -> None:
    """Delete the vectors of some conversations whose agents have no embedding any more."""
    with connection.cursor() as cursor:
        cursor.execute(_DISCARD, [CONVERSATIONS])


# Searching ------------------------------------------------------------------------------------------------------------


def embeddings_of(agents: QuerySet[Agent]) -> set[str]:
    """The handles by which messages of these agents are embedded; of many those that most agents have.

    The query has to be embedded by each of them.
    """
    wanted = agents.exclude(embedding=None).order_by().values("embedding").annotate(agents=Count("id"))
    found: list[str] = []
    for handle in wanted.order_by("-agents", "embedding").values_list("embedding", flat=True):
        embedding = embedding_of(handle)
        if embedding and embedding not in found:
            found.append(embedding)
        if len(found) == MOST_EMBEDDINGS:
            break
    return set(found)


def near(agents: QuerySet[Agent], embeddings: Some[str], embed: Embed) -> recall.Near:
    """For searches among the messages of these agents. A vector is compared only with those of its own embedding."""

    def found(query: str, collection: Collection) -> tuple[Nearness | None, bool]:
        vectors = {embedding: embed(embedding, query) for embedding in embeddings}
        known = {embedding: vector for embedding, vector in vectors.items() if vector}
        return (_nearness(agents, known, collection) if known else None), len(known) < len(vectors)

    return found


def _nearness(agents: QuerySet[Agent], vectors: dict[str, Vector], collection: Collection) -> Nearness:
    own, parameters = agents.order_by().values_list("id").query.sql_with_params()
    where = f"vector.agent_id IN ({own}) AND vector.embedding = %s AND vector.dimension = %s"
    wanted = collection.filtered()

    def nearest(ids: Sequence[str], limit: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for embedding, vector in vectors.items():
            given = [*parameters, embedding, len(vector)]
            found |= nearest_in("agents_messagevector", "message_id", where, given, wanted, vector, ids, limit)
        return found

    return nearest
