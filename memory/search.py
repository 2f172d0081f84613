"""Search, the same for passages and messages: any word may match, and what holds more and rarer ones comes first."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import SearchQueryField, SearchRank
from django.db import connection
from django.db.models import BooleanField, F, FloatField, Func, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast

from accounts.fields import clean_text
from memory.fusion import Candidate, fused, newest_of_alike
from memory.ranking import Collection, Match, by_terms, is_empty

WORDS_ONLY = "Searched by words only, because the embedding model cannot be reached now."
"""Told to agents."""
MAX_QUERY_CHARS = 20_000
MAX_TERMS = 100
MAX_RESULTS = 100
POOL = 200
"""How many of the best are looked at more closely."""
WORDS_COMPARED = 300
"""Of each. Two hundred long texts, each compared with each by all their words, would take ten seconds."""

_DATE_FORM = "Write it as 2026-01-15, 2026-01-15T14:30 or 2026-01-15T14:30:00+02:00; without an offset it is UTC."

# Postgres itself cuts the query into lexemes, so that a word, a mail address or a UUID is cut as it was in the text.
_LEXEMES = "SELECT lexeme FROM unnest(to_tsvector('english', %s)) ORDER BY positions[1], lexeme LIMIT %s"


Nearness = Callable[[Sequence[str], int], dict[str, float]]
"""How near by their vectors the rows of these ids are to the query, and that many of the nearest ones."""


class _Matches(Func):
    template = "(%(expressions)s)"
    arg_joiner = " @@ "
    output_field = BooleanField()


class _Words(Func):
    """Enough of them to tell whether two texts say nearly the same: in the order of the alphabet, they are a sample."""

    template = f"(tsvector_to_array(%(expressions)s))[:{WORDS_COMPARED}]"
    output_field = ArrayField(TextField())


class SearchError(ValueError):
    """The search was asked for in a way that has no answer; the text says how to ask."""


class Found(list[Any]):
    """What a search has found, best first; each row has its `rank`.

    `words_only`: there are vectors, but the query's own could not be had.
    """

    words_only = False


def best(
    collection: Collection, query: str, limit: int, nearness: Nearness | None = None, *, words: bool = True
) -> list[Any]:
    """The rows that fit the query best; each has its `rank`. Of such that say nearly the same the newest comes first.

    A query without terms (stop words, emoji) is looked for as it is written; then `rank` is None. Without `words` only
    nearness counts.
    """
    query = clean_text(query).strip()[:MAX_QUERY_CHARS]
    if is_empty(collection.rows):
        return []
    terms = [_quoted(term) for term in _terms(query)] if words else []
    if not terms and not nearness:
        return list(newest_first(collection.filtered().filter(text__icontains=query)).defer("terms")[:limit])
    matches = by_terms(collection, terms, max(POOL, limit)) if terms else []
    if nearness:
        matches = _with_near(matches, nearness([match.id for match in matches], max(POOL, limit)))
    return _shown(collection, matches, limit, len(terms))


def _with_near(matches: list[Match], near: dict[str, float]) -> list[Match]:
    terms = {match.id: match.terms for match in matches}
    scores = fused({match.id: match.score for match in matches}, near)
    found = [Match(id, score, terms.get(id, frozenset())) for id, score in scores.items()]
    return sorted(found, key=lambda match: (-match.score, match.id))


def _shown(collection: Collection, matches: list[Match], limit: int, asked: int) -> list[Any]:
    rows = collection.rows.filter(pk__in=[match.id for match in matches[: 2 * limit + 20]])
    found = {row.pk: row for row in rows.defer("terms").annotate(words=_Words("terms"))}
    candidates = [
        Candidate(match.id, match.score, match.terms, frozenset(found[match.id].words), found[match.id].created_at)
        for match in matches
        if match.id in found
    ]
    chosen = newest_of_alike(candidates, asked)[:limit]
    for candidate in chosen:
        found[candidate.id].rank = candidate.score
    return [found[candidate.id] for candidate in chosen]


def by_words(rows: QuerySet[Any], query: str) -> QuerySet[Any]:
    """Every row that matches, for lists that are paged; what mentions more of the words comes first.

    A query without terms (stop words, emoji) is looked for as it is written; then `rank` is None.
    """
    query = clean_text(query).strip()[:MAX_QUERY_CHARS]
    terms = _terms(query)
    if not terms:
        return newest_first(rows.filter(text__icontains=query))
    any_term = Cast(Value(" | ".join(map(_quoted, terms))), SearchQueryField())
    rank = SearchRank(F("terms"), any_term, cover_density=True)
    return rows.filter(_Matches(F("terms"), any_term)).annotate(rank=rank).order_by("-rank", "-created_at", "id")


def newest_first(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.annotate(rank=Value(None, FloatField())).order_by("-created_at", "id")


def within(rows: QuerySet[Any], start: str | datetime | None, end: str | datetime | None) -> QuerySet[Any]:
    """The rows made from `start` to `end`, both included; an end that is only a date includes that whole day."""
    return rows.filter(made_within(start, end))


def made_within(start: str | datetime | None, end: str | datetime | None) -> Q:
    first, last = _moment(start, time.min), _moment(end, time.max)
    if first and last and first > last:
        raise SearchError(f"The start ({start}) is later than the end ({end}); swap them.")
    since = Q(created_at__gte=first) if first else Q()
    return since & Q(created_at__lte=last) if last else since


def result_count(wanted: int | None, default: int) -> int:
    """How many results to give: 1 to MAX_RESULTS, and `default` where it was not said."""
    return default if wanted is None else max(1, min(wanted, MAX_RESULTS))


def _terms(query: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_LEXEMES, [query, MAX_TERMS])
        return [lexeme for (lexeme,) in cursor.fetchall()]


def _quoted(lexeme: str) -> str:
    doubled = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"


def _moment(given: str | datetime | None, time_of_day: time) -> datetime | None:
    """`time_of_day` completes what is only a date."""
    if given is None or given == "":
        return None
    moment = given if isinstance(given, datetime) else _parsed(given.strip(), time_of_day)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parsed(text: str, time_of_day: time) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time_of_day)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise SearchError(f"{text[:100]!r} is not a date. {_DATE_FORM}") from None
