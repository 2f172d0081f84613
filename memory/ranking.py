"""BM25 over the terms that Postgres keeps beside each text: which rows of a collection fit a query, best first.

The terms of the query find their rows through the index. How often a term stands in a row, in how many rows of the
collection, and how long these are on average then make the score.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from math import log
from typing import Any, Literal

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet, Value

K1 = 1.2
"""How fast further mentions of a term count for less."""
B = 0.75
"""How much a long text has to mention a term more often."""
NEIGHBOUR = 0.3
"""What a message gets of the scores of the one before and the one behind it."""
MOST_NEIGHBOURS = 1_000
SAMPLE = 2_000
"""So many rows tell how common words are, and how long rows are on average."""
SEEN_ENOUGH = 10
"""A term that fewer of them hold is counted."""
ENOUGH = 2_000
"""When so many rows hold the rarer terms, one that holds only commoner ones would not be among the best."""
COMMON = 5_000
"""A term that more rows hold is looked for only where the rarer ones do not bring as many rows as are wanted."""

# ts_rank of one term is the sum of 1/j² for its first n mentions, over that of all. Which step of this ladder it has
# reached is n, and to ask for that is far cheaper than to unnest the terms of every row.
_LADDER = [sum(1 / j**2 for j in range(1, mentions + 1)) / 1.64493406685 - 1e-4 for mentions in range(1, 21)]

# Of the first rows by their ids, which are random: how many hold each term, and how far into all ids they reach.
_SAMPLED = """
WITH seen AS MATERIALIZED (SELECT found.* FROM ({rows}) AS found ORDER BY found.id LIMIT %s),
     asked AS MATERIALIZED (SELECT term::tsquery AS term, number
                              FROM unnest(%s::text[]) WITH ORDINALITY AS given(term, number))
SELECT whole.rows, whole.size, whole.last, asked.number, count(seen.id), count(seen.id) FILTER (WHERE seen.wanted)
  FROM (SELECT count(*) AS rows, greatest(avg(size), 1)::float8 AS size, max(id) AS last FROM seen) AS whole
 CROSS JOIN asked LEFT JOIN seen ON seen.terms @@ asked.term
 GROUP BY whole.rows, whole.size, whole.last, asked.number
"""

_COUNTED = """
WITH held AS MATERIALIZED (SELECT found.* FROM ({rows}) AS found WHERE found.terms @@ %s::tsquery)
SELECT given.number, count(*), count(*) FILTER (WHERE held.wanted)
  FROM unnest(%s::text[], %s::int[]) AS given(term, number) JOIN held ON held.terms @@ given.term::tsquery
 GROUP BY given.number
"""

_SCORED = """
WITH asked AS MATERIALIZED (
    SELECT term::tsquery AS term, number, weight
      FROM unnest(%s::text[], %s::int[], %s::float8[]) AS given(term, number, weight)
), scored AS {materialized} (
    SELECT found.id, found.wanted, found.created_at{place}, fit.score, fit.numbers
      FROM ({rows}) AS found,
           LATERAL (SELECT sum(weight * mentions * ({k1} + 1) / (mentions + %s + %s * found.size)) AS score,
                           array_agg(number) AS numbers
                      FROM (SELECT weight, number, width_bucket(
                                   ts_rank('{{1,1,1,1}}', found.terms, asked.term)::float8, %s::float8[]) AS mentions
                              FROM asked WHERE found.terms @@ asked.term) AS held) AS fit
     WHERE found.terms @@ %s::tsquery
)
"""

_ALONE = """
SELECT id, score, numbers FROM scored WHERE wanted ORDER BY score DESC, created_at DESC, id LIMIT %s
"""

_WITH_NEIGHBOURS = """
, near AS MATERIALIZED (
    SELECT beside.id, beside.wanted, beside.created_at, {share} * sum(best.score) AS score
      FROM (SELECT * FROM scored ORDER BY score DESC LIMIT {most}) AS best
      JOIN ({rows}) AS beside ON beside.conversation_id = best.conversation_id
           AND beside.seq IN (best.seq - 1, best.seq + 1)
     GROUP BY beside.id, beside.wanted, beside.created_at
)
SELECT id, COALESCE(scored.score, 0) + COALESCE(near.score, 0) AS total, COALESCE(scored.numbers, '{{}}')
  FROM scored {join} JOIN near USING (id)
 WHERE COALESCE(scored.wanted, near.wanted)
 ORDER BY total DESC, COALESCE(scored.created_at, near.created_at) DESC, id LIMIT %s
"""

Neighbours = Literal["none", "matching", "all"]
_JOINS = {"matching": "LEFT", "all": "FULL"}


@dataclass(frozen=True, slots=True)
class Collection:
    """What is searched.

    rows        everything that may be found, of any model with id, text, terms, size and created_at
    wanted      the conditions of this one search. What they leave out counts for how rare a word is all the same
    neighbours  of messages: how well those before and behind one match counts too; "all" finds also those
                which match themselves with no word
    """

    rows: QuerySet[Any]
    wanted: Q = field(default_factory=Q)
    neighbours: Neighbours = "none"

    def filtered(self) -> QuerySet[Any]:
        return self.rows.filter(self.wanted)


@dataclass(frozen=True, slots=True)
class Match:
    """A row that fits. `terms` are the numbers of the query's terms that it holds."""

    id: str
    score: float
    terms: frozenset[int]


def by_terms(collection: Collection, terms: Sequence[str], limit: int) -> list[Match]:
    """The rows that hold any of the terms (each written as a tsquery), best first, then newest."""
    counts = _counted(collection, terms)
    if not counts:
        return []
    place = ["conversation_id", "seq"] if collection.neighbours != "none" else []
    rows, row_parameters = _sql(_judged(collection), "id", "terms", "size", "created_at", *place, "wanted")
    statement = _SCORED.format(
        rows=rows, k1=K1, place=_named("found", place), materialized="MATERIALIZED" if place else "NOT MATERIALIZED"
    )
    weighed = [[terms[count.number - 1] for count in counts], [count.number for count in counts]]
    steady, by_size = K1 * (1 - B), K1 * B / counts[0].size
    parameters: list[Any] = [*weighed, [count.weight for count in counts]]
    parameters += [*row_parameters, steady, by_size, _LADDER]
    parameters += [" | ".join(terms[count.number - 1] for count in _rarest(counts, limit))]
    if place:
        join = _JOINS[collection.neighbours]
        statement += _WITH_NEIGHBOURS.format(rows=rows, share=NEIGHBOUR, most=MOST_NEIGHBOURS, join=join)
        parameters += row_parameters
    else:
        statement += _ALONE
    with connection.cursor() as cursor:
        cursor.execute(statement, [*parameters, limit])
        return [Match(id, score, frozenset(numbers)) for id, score, numbers in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class _Count:
    """In how many of `whole` rows, `size` characters long on average, a term stands; and in how many wanted ones."""

    number: int
    whole: float
    size: float
    rows: float
    wanted: float

    @property
    def weight(self) -> float:
        return log(1 + (max(self.whole, self.rows) - self.rows + 0.5) / (self.rows + 0.5))


def _counted(collection: Collection, terms: Sequence[str]) -> list[_Count]:
    """The rarest first; terms that stand nowhere are left out.

    Of many rows a sample tells how many hold a common term. A rare one is counted: there its rows are few.
    """
    sampled, share = _sampled(collection, terms)
    if share < 1:
        rare = [count for count in sampled if count.rows * share < SEEN_ENOUGH]
        counted = _exactly(collection, terms, rare)
        sampled = [counted.get(count.number, count) for count in sampled]
    return sorted((count for count in sampled if count.rows), key=lambda count: (count.rows, count.number))


def _sampled(collection: Collection, terms: Sequence[str]) -> tuple[list[_Count], float]:
    """What the sample says of all rows, and which share of them it is."""
    rows, parameters = _sql(_judged(collection), "id", "terms", "size", "wanted")
    with connection.cursor() as cursor:
        cursor.execute(_SAMPLED.format(rows=rows), [*parameters, SAMPLE, list(terms)])
        found = cursor.fetchall()
    seen, size, last = found[0][:3]
    share = 1.0 if seen < SAMPLE else _place(last)
    return [
        _Count(number, seen / share, size, held / share, wanted / share) for _, _, _, number, held, wanted in found
    ], share


def _place(id: str) -> float:
    """How far into all ids it stands, as a number between 0 and 1."""
    digits = id.partition("-")[2].replace("-", "")[:8]
    return (int(digits, 16) + 1) / 16**8


def _exactly(collection: Collection, terms: Sequence[str], rare: Sequence[_Count]) -> dict[int, _Count]:
    """The counts of those that stand anywhere. All terms find their rows in one go, which are then told apart."""
    if not rare:
        return {}
    rows, parameters = _sql(_judged(collection), "terms", "wanted")
    numbers = {count.number: count for count in rare}
    given = [terms[number - 1] for number in numbers]
    with connection.cursor() as cursor:
        cursor.execute(_COUNTED.format(rows=rows), [*parameters, " | ".join(given), given, list(numbers)])
        return {
            number: replace(numbers[number], rows=held, wanted=wanted) for number, held, wanted in cursor.fetchall()
        }


def _rarest(counts: Sequence[_Count], limit: int) -> list[_Count]:
    """As many terms, beginning with the rarest, as bring enough rows that are wanted."""
    before = accumulate((count.wanted for count in counts), initial=0.0)
    return [
        count
        for count, found in zip(counts, before, strict=False)
        if found < max(limit, ENOUGH if count.rows <= COMMON else 0)
    ]


def is_empty(rows: QuerySet[Any]) -> bool:
    """Whether the conditions alone rule every row out, as those of an agent without archives do."""
    try:
        rows.query.sql_with_params()
    except EmptyResultSet:
        return True
    return False


def _judged(collection: Collection) -> QuerySet[Any]:
    """The rows, each with whether it is wanted."""
    wanted = ExpressionWrapper(collection.wanted, BooleanField()) if collection.wanted else Value(True)
    return collection.rows.annotate(wanted=wanted)


def _sql(rows: QuerySet[Any], *columns: str) -> tuple[str, tuple[Any, ...]]:
    return rows.order_by().values_list(*columns).query.sql_with_params()


def _named(table: str, columns: Sequence[str]) -> str:
    return "".join(f", {table}.{column}" for column in columns)
