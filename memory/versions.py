"""The versions of a block: what its value was, who gave it, how it differed from the one before, and the way back.

The database itself writes them (migration 0010), so that no way of changing a block can forget it.
"""

import difflib

from django.db.models import OuterRef, QuerySet, Subquery

from memory.models import Block, BlockVersion

MOST_LINES = 1000
"""Of the two values together. To compare more of them can take a web process seconds."""


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
    return "\n".join(list(difflib.unified_diff(old, new, lineterm=""))[2:])


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
