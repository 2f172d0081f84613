"""The versions of a block: what its value was, who gave it, how it differed from the one before, and the way back.

The database itself writes them (migration 0010), so that no way of changing a block can forget it.
"""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from django.db.models import OuterRef, QuerySet, Subquery

from memory.models import Block, BlockVersion

MOST_LINES = 1000
"""Of the two values together, in a difference that is told."""
MOST_PAIRS = 10_000
"""Of lines that may be compared, each with each. Where more was rewritten, all of it is told as gone and come: with
lines that come again and again, to find out more takes seconds."""


class UndoError(Exception):
    """The block stays as it is; the text says why."""


class NoVersion(UndoError):
    """The block never had it, or has none before its first."""


class BlockMoved(UndoError):
    """Somebody changed the block after the version that was seen."""


def versions_of(block: Block) -> QuerySet[BlockVersion]:
    """With the value `before`, which is None for the first."""
    rows = BlockVersion.objects.filter(organization_id=block.organization_id, block_id=block.pk)
    earlier = BlockVersion.objects.filter(block_id=OuterRef("block_id"), number=OuterRef("number") - 1)
    return rows.annotate(before=Subquery(earlier.values("value")))


def difference(before: str | None, after: str) -> str | None:
    """A unified diff without its two lines of file names; None where there is too much to compare."""
    old, new = ([] if text is None else text.split("\n") for text in (before, after))
    if len(old) + len(new) > MOST_LINES:
        return None
    matcher = SequenceMatcher(None, "", "")
    matcher.opcodes = _edits(old, new)  # type: ignore[attr-defined]  # what it groups, and finds by itself otherwise
    return "\n".join(line for group in matcher.get_grouped_opcodes() for line in _hunk(group, old, new))


Edit = tuple[str, int, int, int, int]
"""As difflib has it: what is to be done, and the lines of both values that it is about."""


def _edits(old: Sequence[str], new: Sequence[str]) -> list[Edit]:
    """Most edits are in one place: what stands the same before and behind it is looked at once."""
    head = _same(old, new)
    tail = _same(old[head:][::-1], new[head:][::-1])
    gone, come = old[head : len(old) - tail], new[head : len(new) - tail]
    inner: list[Edit] = [("replace", 0, len(gone), 0, len(come))]
    if len(gone) * len(come) <= MOST_PAIRS:
        inner = [*SequenceMatcher(None, gone, come, autojunk=False).get_opcodes()]
    edits = [(tag, head + a, head + b, head + c, head + d) for tag, a, b, c, d in inner]
    before: list[Edit] = [("equal", 0, head, 0, head)] if head else []
    behind: list[Edit] = [("equal", len(old) - tail, len(old), len(new) - tail, len(new))] if tail else []
    return [*before, *edits, *behind]


def _same(old: Sequence[str], new: Sequence[str]) -> int:
    """How many lines they begin with alike."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(old), len(new)))


def _hunk(edits: Sequence[Edit], old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    first, last = edits[0], edits[-1]
    yield f"@@ -{_lines(first[1], last[2])} +{_lines(first[3], last[4])} @@"
    for tag, a, b, c, d in edits:
        if tag == "equal":
            yield from (f" {line}" for line in old[a:b])
            continue
        yield from (f"-{line}" for line in old[a:b])
        yield from (f"+{line}" for line in new[c:d])


def _lines(start: int, end: int) -> str:
    """Where they are and how many; one alone is not counted, and none are behind the line before."""
    if end - start == 1:
        return str(end)
    return f"{start + 1 if end > start else start},{end - start}"


def undo(block: Block, author_id: str | None, number: int | None = None, expected: int | None = None) -> None:
    """Back to the value of a version, or of the one before. That is a new version. The row must be locked."""
    if expected not in (None, block.version):
        raise BlockMoved(
            f"Block {block.pk} is at version {block.version}, no longer at {expected}. "
            "Read its versions again, and undo what you find there."
        )
    number = block.version - 1 if number is None else number
    value = BlockVersion.objects.filter(block_id=block.pk, number=number).values_list("value", flat=True).first()
    if value is None:
        raise NoVersion(_missing(block, number))
    if len(value) > block.limit:
        raise UndoError(
            f"Version {number} has {len(value)} characters, {len(value) - block.limit} more than the block's limit of "
            f"{block.limit}. Raise the limit first."
        )
    block.value, block.author_id, block.last_updated_by_id = value, author_id, author_id
    block.save(update_fields=["value", "author_id", "last_updated_by_id", "updated_at"])


def _missing(block: Block, number: int) -> str:
    kept = BlockVersion.objects.filter(block_id=block.pk).order_by("number").values_list("number", flat=True)
    return f"Block {block.pk} has no version {number}. It has those from {kept.first()} to {kept.last()}."
