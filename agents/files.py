"""The files of an agent's folders, as the agent sees them: open or closed, by lines that match, by what they say."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from django.db import DataError, OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from psycopg.errors import QueryCanceled

from agents.loop.directories import path_of
from agents.models import Agent, AgentFile
from memory.archival import Archival, Embed, nothing_to_keep
from memory.models import Archive, File
from memory.search import Found
from tools.spec import ToolError

MATCHES = 20
"""On one page of what grep_files finds."""
GREP_SECONDS = 5.0
MOST_CONTEXT = 20
LONGEST_PATTERN = 1_000
LONGEST_INCLUDE = 1_000
LONGEST_LINE = 500
_NAMED = 20

_WINDOW = r"""
SELECT left(array_to_string((string_to_array(text, E'\n'))[%s:%s], E'\n'), %s)
  FROM memory_filecontent WHERE file_id = %s
"""

# By Postgres, because it can be stopped: a pattern that takes for ever costs no more than the time that it is given.
_MATCHING = r"""
SELECT asked.id, line.number, count(*) OVER ()
  FROM unnest(%s::text[]) WITH ORDINALITY AS asked(id, place)
  JOIN memory_filecontent AS content ON content.file_id = asked.id,
       unnest(string_to_array(content.text, E'\n')) WITH ORDINALITY AS line(text, number)
 WHERE line.text ~* %s
 ORDER BY asked.place, line.number OFFSET %s LIMIT %s
"""

_AROUND = r"""
SELECT content.file_id, asked.first, (string_to_array(content.text, E'\n'))[asked.first:asked.last]
  FROM unnest(%s::text[], %s::int[], %s::int[]) AS asked(id, first, last)
  JOIN memory_filecontent AS content ON content.file_id = asked.id
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that is to be opened: behind so many lines, and so many of them; None: as many as there is room for."""

    path: str
    offset: int = 0
    length: int | None = None


@dataclass(slots=True)
class Change:
    """The paths of files that were opened, each with its lines, and of those that were closed."""

    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)


class Files:
    """tools.executor.Files of one agent. `embed` makes the vectors of queries; without it, searches go by words."""

    def __init__(self, agent: Agent, embed: Embed | None = None):
        self._agent = agent
        self._embed = embed

    def open(self, requests: Sequence[Mapping[str, Any]], close_all_others: bool) -> Change:
        """Raises ToolError, and then nothing has changed."""
        wanted = [_wanted(request) for request in requests]
        if not wanted:
            raise ToolError("Name at least one file to open.")
        known = self._paths()
        ids = [_resolved(one.path, known) for one in wanted]
        return self.open_ids(dict(zip(ids, wanted, strict=True)), close_all_others)

    @transaction.atomic
    def open_ids(self, wanted: Mapping[str, Wanted], close_all_others: bool = False) -> Change:
        """By the ids of files. Those that are open, and were used longest ago, make room."""
        if len(wanted) > self._agent.max_files_open:
            raise ToolError(f"{len(wanted)} files are more than can be open at once: {self._agent.max_files_open}.")
        rows = self._locked(Q(is_open=True) | Q(file_id__in=list(wanted)))
        by_file, change = {row.file_id: row for row in rows}, Change()
        for file_id, one in wanted.items():
            if file_id not in by_file:
                raise ToolError(f"{one.path} is no longer there.")
            row = by_file[file_id]
            self._open(row, one)
            change.opened.append(f"{_path(row)}, lines {row.first_line} to {row.last_line} of {row.file.lines}")
        others = sorted(
            (row for row in rows if row.is_open and row.file_id not in wanted),
            key=lambda row: (row.accessed_at, row.id),
        )
        room = 0 if close_all_others else self._agent.max_files_open - len(wanted)
        change.closed = self._close(others[: len(others) - room] if room < len(others) else [])
        return change

    @transaction.atomic
    def close(self, file_ids: Sequence[str] | None = None) -> list[str]:
        """These files, or all that are open; the paths of those that were."""
        chosen = Q() if file_ids is None else Q(file_id__in=list(file_ids))
        return self._close(self._locked(Q(is_open=True) & chosen))

    @transaction.atomic
    def fit(self) -> None:
        """Open files as the agent's limits want them, which have changed."""
        rows = sorted(self._locked(Q(is_open=True)), key=lambda row: (row.accessed_at, row.id))
        excess = max(0, len(rows) - self._agent.max_files_open)
        self._close(rows[:excess])
        for row in rows[excess:]:
            self._open(row, Wanted("", (row.first_line or 1) - 1, row.wanted_lines))

    def grep(self, pattern: str, include: str | None, context_lines: int, offset: int) -> str:
        """Raises ToolError."""
        known = self._paths()
        # To understand one takes the square of its length.
        if include is not None and len(include) > LONGEST_INCLUDE:
            raise ToolError(f"`include` has at most {LONGEST_INCLUDE} characters.")
        chosen = {path: id for path, id in known.items() if include is None or _fits(path, include)}
        if not chosen:
            raise ToolError(f"No file fits {include!r}. {_there(known)}" if known else _there(known))
        if not 0 <= context_lines <= MOST_CONTEXT or offset < 0:
            raise ToolError(f"context_lines is 0 to {MOST_CONTEXT}, and offset is not negative.")
        if len(pattern) > LONGEST_PATTERN or not pattern:
            raise ToolError(f"A pattern has 1 to {LONGEST_PATTERN} characters.")
        paths = {id: path for path, id in chosen.items()}
        with _stopped_in_time(), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(int(GREP_SECONDS * 1000))])
            cursor.execute(_MATCHING, [list(paths), pattern, offset, MATCHES])
            hits = cursor.fetchall()
            lines = _around(cursor, hits, context_lines)
        return _told(hits, lines, paths, offset)

    def search(self, query: str, limit: int) -> tuple[Found, dict[str, str]]:
        """Passages, best first, and the paths of their files by their ids. Raises SearchError."""
        archives = Archive.objects.filter(
            organization_id=self._agent.organization_id, folder__agents=self._agent.id
        ).values_list("id", flat=True)
        archival = Archival(self._agent.organization_id, list(archives), nothing_to_keep, self._embed)
        found = archival.search(query, top_k=limit)
        return found, {id: path for path, id in self._paths().items()}

    def _paths(self) -> dict[str, str]:
        """The ids of all files that have been read, by their paths."""
        rows = File.objects.filter(folder__agents=self._agent.id, lines__isnull=False)
        rows = rows.filter(organization_id=self._agent.organization_id).order_by("folder__name", "name")
        return {path_of(folder, name): id for id, name, folder in rows.values_list("id", "name", "folder__name")}

    def _locked(self, chosen: Q) -> list[AgentFile]:
        """In the order of their ids, so that two never wait for each other."""
        # The agent's row keeps out who opens other files at the same time: both together might be too many.
        Agent.objects.select_for_update(no_key=True).only("id").get(id=self._agent.id)
        rows = AgentFile.objects.filter(chosen, agent_id=self._agent.id).select_related("file__folder")
        return list(rows.select_for_update(of=("self",)).order_by("id"))

    def _open(self, row: AgentFile, wanted: Wanted) -> None:
        lines = row.file.lines
        if lines is None:
            raise ToolError(f"{_path(row)} has not been read yet.")
        if wanted.offset >= lines:
            raise ToolError(f"{_path(row)} has {lines} lines; an offset of {wanted.offset} leaves none of them.")
        first = wanted.offset + 1
        last = min(lines, wanted.offset + wanted.length) if wanted.length else lines
        text, last = self._cut(row.file_id, first, last)
        row.is_open, row.first_line, row.last_line, row.wanted_lines = True, first, last, wanted.length
        row.window, row.accessed_at = text, timezone.now()
        row.save()

    def _cut(self, file_id: str, first: int, last: int) -> tuple[str, int]:
        """The text of the lines, as far as there is room, and the number of the last of them."""
        room = self._agent.per_file_view_window_char_limit
        with connection.cursor() as cursor:
            cursor.execute(_WINDOW, [first, min(last, first + room), room + 1, file_id])
            (text,) = cursor.fetchone() or ("",)
        text = text or ""
        if len(text) > room:
            text = text[:room]
            # Whole lines, unless not even one has room.
            text = text.rpartition("\n")[0] or text
        return text, first + text.count("\n")

    @staticmethod
    def _close(rows: Iterable[AgentFile]) -> list[str]:
        closed = []
        for row in rows:
            row.is_open, row.first_line, row.last_line, row.wanted_lines, row.window = False, None, None, None, None
            row.save()
            closed.append(_path(row))
        return closed


def _wanted(request: Mapping[str, Any]) -> Wanted:
    path, offset, length = request.get("file_name"), request.get("offset") or 0, request.get("length")
    if unknown := sorted(set(request) - {"file_name", "offset", "length"}):
        raise ToolError(f"A file request has file_name, offset and length, and no {unknown[0]!r}.")
    if not isinstance(path, str) or not path:
        raise ToolError("Every file request names a file: file_name is missing.")
    if not _is_count(offset) or not (length is None or (_is_count(length) and length > 0)):
        raise ToolError("offset is a number of lines from 0, and length one from 1.")
    return Wanted(path, offset, length)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 - 1


def _resolved(path: str, known: Mapping[str, str]) -> str:
    """By the whole path, or by the name alone where only one file has it."""
    if path in known:
        return known[path]
    named = [whole for whole in known if whole.endswith(f"/{path}")]
    if len(named) == 1:
        return known[named[0]]
    if named:
        raise ToolError(f"Several files are called {path!r}. Name one of {', '.join(named[:_NAMED])}.")
    raise ToolError(f"There is no file {path!r}. {_there(known)}")


def _there(known: Mapping[str, str]) -> str:
    if not known:
        return "There are no files that have been read yet."
    names = list(known)
    more = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"There are: {', '.join(names[:_NAMED])}{more}."


def _fits(path: str, include: str) -> bool:
    """Of the whole path, or of the name alone: `*.md` and `Manuals/*` both work."""
    return fnmatchcase(path.lower(), include.lower()) or fnmatchcase(path.lower(), f"*/{include.lower()}")


@contextmanager
def _stopped_in_time() -> Iterator[None]:
    try:
        yield
    except DataError as error:
        why = str(error).partition("\n")[0]
        raise ToolError(f"The pattern is not understood: {why}. It is a POSIX regular expression.") from None
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        raise ToolError(
            f"The search took longer than {GREP_SECONDS:g} s and was stopped. Write a simpler pattern, or name fewer "
            "files with `include`."
        ) from None


def _around(cursor: Any, hits: Sequence[tuple[str, int, int]], context: int) -> dict[str, dict[int, str]]:
    """The lines to show, by file and number."""
    firsts, lasts = [max(1, number - context) for _, number, _ in hits], [number + context for _, number, _ in hits]
    cursor.execute(_AROUND, [[id for id, _, _ in hits], firsts, lasts])
    lines: dict[str, dict[int, str]] = {}
    for id, first, found in cursor.fetchall():
        lines.setdefault(id, {}).update(enumerate(found, first))
    return lines


def _told(
    hits: Sequence[tuple[str, int, int]],
    lines: Mapping[str, Mapping[int, str]],
    paths: Mapping[str, str],
    offset: int,
) -> str:
    if not hits:
        return "No more lines match." if offset else "No line matches."
    total, matching = hits[0][2], {(id, number) for id, number, _ in hits}
    told = [f"{total} lines match; these are {offset + 1} to {offset + len(hits)}. `>` marks them."]
    for id in dict.fromkeys(id for id, _, _ in hits):
        told.append(f"\n{paths[id]}")
        before = None
        for number in sorted(lines[id]):
            if before is not None and number > before + 1:
                told.append("...")
            mark = ">" if (id, number) in matching else " "
            told.append(f"{mark} {number}: {_shortened(lines[id][number])}")
            before = number
    if offset + len(hits) < total:
        told.append(f"\nGo on with offset={offset + len(hits)}.")
    return "\n".join(told)


def _shortened(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}… ({len(line)} characters)"


def _path(row: AgentFile) -> str:
    return path_of(row.file.folder.name, row.file.name)
