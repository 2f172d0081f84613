"""Core memory: labelled blocks that are always in the context window, how they are edited and how they are shown."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

LINES_NAMED = 10
DEFAULT_LIMIT = 100_000
MOST_BLOCKS = 100
"""With so many an agent makes no more by itself."""
LABEL = re.compile(r"[a-zA-Z0-9_/-]+")
LONGEST_LABEL = 100

_FOLDER = re.compile(r"/?memories/|/")
_NOT_IN_A_LABEL = re.compile(r"[^a-zA-Z0-9_/-]+")
_LINE_NUMBER = re.compile(r"^[ \t]*\d+→", re.MULTILINE)

_INTRODUCTION = "These are the blocks of your core memory, as they stand now:"
_TAGS = ("memory_blocks", "description", "metadata", "warning", "value")
_NUMBERS_WARNING = (
    "The numbers and arrows before the lines (such as 1→) only help you to name a line. "
    "They are not part of the text: leave them out when you edit it."
)


class BlockEditError(Exception):
    """Told to the model as the tool's return; the text says what to do instead."""


@dataclass(frozen=True, slots=True)
class BlockText:
    """What the model sees of a block. `limit` counts characters of `value`.

    is_copy  it stands for a block of the agent's in one conversation alone: there it is edited, and nothing else
    was      its label before the edits, by which whoever has the rows knows it; None: the edits have made it
    """

    label: str
    value: str
    limit: int = DEFAULT_LIMIT
    description: str | None = None
    read_only: bool = False
    is_copy: bool = False
    was: str | None = None


Edit = tuple[BlockText | None, BlockText | None]
"""A block before and after: None before for a new one, after for one that is gone."""


class CoreMemory:
    """The blocks of one agent. An edit returns the block's whole new value, or raises BlockEditError.

    is_shared  whether other agents hold the block of this label, too
    is_taken   whether the agent has been given a block of this label since these were read
    """

    def __init__(
        self,
        blocks: Iterable[BlockText],
        is_shared: Callable[[str], bool] = lambda label: False,
        is_taken: Callable[[str], bool] = lambda label: False,
    ):
        self._start = tuple(replace(block, was=block.label) for block in blocks)
        self._is_shared = is_shared
        self._is_taken = is_taken
        self.restore(self._start)
        if len(self._blocks) < len(self._start):
            raise ValueError("Two blocks of one agent have the same label; give each its own.")

    @property
    def blocks(self) -> tuple[BlockText, ...]:
        return tuple(self._blocks.values())

    @property
    def edits(self) -> list[Edit]:
        """What is not as it was at the start."""
        now = {block.was: block for block in self._blocks.values() if block.was is not None}
        changed: list[Edit] = [(old, now.get(old.label)) for old in self._start if now.get(old.label) != old]
        return changed + [(None, block) for block in self._blocks.values() if block.was is None]

    def restore(self, blocks: tuple[BlockText, ...]) -> None:
        """Back to what `blocks` gave earlier. What counts as an edit is still measured from the start."""
        self._blocks = {block.label: block for block in blocks}

    def label_of(self, path: str) -> str:
        """The label that a model means: "/memories/human" is "human", "Project notes" is "Project_notes"."""
        if path in self._blocks:
            return path
        label = _NOT_IN_A_LABEL.sub("_", _FOLDER.sub("", path.strip(), count=1).strip("/"))
        if not label.strip("_") or len(label) > LONGEST_LABEL:
            raise BlockEditError(
                f"{path[:LONGEST_LABEL]!r} is no label. Use 1 to {LONGEST_LABEL} letters, digits, '_', '-' and '/', "
                "as in /memories/project_notes."
            )
        return label

    def create(self, path: str, value: str, description: str | None = None) -> str:
        label = self._free(path)
        if len(self._blocks) >= MOST_BLOCKS:
            raise BlockEditError(
                f"You have {len(self._blocks)} memory blocks, and may make no more. Delete one, or use one that exists."
            )
        check_unnumbered(value)
        self._blocks[label] = BlockText(label, "", description=description)
        return self._write(label, value)

    def delete(self, path: str) -> None:
        """The agent has it no longer. What becomes of the block itself is for whoever has the rows to say."""
        del self._blocks[self._movable(path).label]

    def rename(self, path: str, new_path: str) -> None:
        block = self._movable(path)
        label = self._free(new_path)
        if block.was is not None and self._is_shared(block.was):
            raise BlockEditError(
                f"Other agents have block {block.label!r}, too, and know it by this label. It cannot be renamed: "
                "create a block of the new label, and delete this one."
            )
        # In its place, so that the blocks keep their order.
        self.restore(tuple(replace(one, label=label) if one is block else one for one in self.blocks))

    def rethink(self, path: str, value: str) -> str:
        """The whole value anew, of a block that need not be there yet."""
        if self.label_of(path) not in self._blocks:
            return self.create(path, value)
        check_unnumbered(value)
        return self.put(path, value)

    def put(self, path: str, value: str) -> str:
        return self._write(self._editable(path).label, value)

    def value(self, path: str) -> str:
        """Of a block that may be edited."""
        return self._editable(path).value

    def append(self, label: str, text: str) -> str:
        """On a new line at the end."""
        block = self._editable(label)
        return self._write(block.label, f"{block.value}\n{text}" if block.value else text)

    def replace_all(self, label: str, old: str, new: str) -> str:
        """Every occurrence of `old`, which has to be there."""
        block = self._editable(label)
        _check_present(block.value, block.label, old)
        return self._write(block.label, block.value.replace(old, new))

    def replace_once(self, label: str, old: str, new: str) -> str:
        """The one occurrence of `old`."""
        block = self._editable(label)
        check_unnumbered(old, new)
        _check_present(block.value, block.label, old)
        _check_unique(block.value, block.label, old)
        return self._write(block.label, block.value.replace(old, new))

    def insert(self, label: str, text: str, after_line: int) -> str:
        """As lines of their own after line `after_line`: 0 is the top, -1 the end."""
        block = self._editable(label)
        check_unnumbered(text)
        lines = block.value.split("\n") if block.value else []
        if not -1 <= after_line <= len(lines):
            raise BlockEditError(
                f"Block {block.label!r} has no line {after_line}. "
                f"Insert after a line from 0 (the top) to {len(lines)}, or after -1 (the end)."
            )
        at = len(lines) if after_line == -1 else after_line
        return self._write(block.label, "\n".join([*lines[:at], text, *lines[at:]]))

    def _editable(self, path: str) -> BlockText:
        label = self.label_of(path)
        block = self._blocks.get(label)
        if block is None:
            labels = ", ".join(self._blocks) or "none"
            raise BlockEditError(f"There is no memory block {label!r}. Use one of these labels: {labels}.")
        if block.read_only:
            raise BlockEditError(f"Block {label!r} is read-only. Keep what you learnt in another block.")
        return block

    def _movable(self, path: str) -> BlockText:
        block = self._editable(path)
        if block.is_copy:
            raise BlockEditError(
                f"Block {block.label!r} is this conversation's own copy: "
                "it can be edited here, but neither deleted nor renamed."
            )
        return block

    def _free(self, path: str) -> str:
        label = self.label_of(path)
        if label in self._blocks or self._is_taken(label):
            raise BlockEditError(f"There is a memory block {label!r} already. Edit that one, or choose another label.")
        return label

    def _write(self, label: str, value: str) -> str:
        block = self._blocks[label]
        # A block may stand over its limit already (the limit was lowered): then it may shrink, not grow.
        if len(value) > max(block.limit, len(block.value) - 1):
            raise BlockEditError(
                f"Block {label!r} may hold {block.limit} characters and holds {len(block.value)}. This edit would make "
                f"it {len(value)}, which is {len(value) - block.limit} too many. Shorten it, or remove something."
            )
        self._blocks[label] = replace(block, value=value)
        return value


def render(blocks: Iterable[BlockText], line_numbers: bool = False) -> str:
    """The `<memory_blocks>` part of the system prompt: the same bytes for the same blocks. Empty without blocks.

    Values stand in it as they are, but for tags that would end their block, or all of them: whoever writes a block's
    text is not to write around it.
    """
    shown = list(blocks)
    if not shown:
        return ""
    ends = _ends([block.label for block in shown])
    parts = [_render_block(block, ends, line_numbers) for block in shown]
    return "\n\n".join([f"<memory_blocks>\n{_INTRODUCTION}", *parts, "</memory_blocks>"])


def _ends(labels: Iterable[str]) -> re.Pattern[str]:
    """The closing tags that have a meaning where blocks stand."""
    names = "|".join(map(re.escape, [*_TAGS, *labels]))
    return re.compile(rf"<(?=\s*/\s*(?:{names})\s*>)", re.IGNORECASE)


def _render_block(block: BlockText, ends: re.Pattern[str], line_numbers: bool) -> str:
    value, description = (ends.sub(r"<\\", text) for text in (block.value, block.description or ""))
    lines = [f"<{block.label}>", "<description>", description, "</description>", "<metadata>"]
    if block.read_only:
        lines.append("- read_only=true")
    lines += [f"- chars_current={len(block.value)}", f"- chars_limit={block.limit}", "</metadata>"]
    if line_numbers:
        lines += ["<warning>", _NUMBERS_WARNING, "</warning>"]
    lines += ["<value>", _numbered(value) if line_numbers else value, "</value>", f"</{block.label}>"]
    return "\n".join(lines)


def _numbered(value: str) -> str:
    return "\n".join(f"{number}→ {line}" for number, line in enumerate(value.split("\n"), 1))


def check_unnumbered(*texts: str) -> None:
    if any(_LINE_NUMBER.search(text) for text in texts):
        raise BlockEditError(
            "The text has line numbers at the start of lines (such as 1→). They are not part of the block: "
            "send the text again without them."
        )


def _check_present(value: str, label: str, old: str) -> None:
    if not old:
        raise BlockEditError("The text to be replaced is empty. Quote a piece of the block, or insert the new text.")
    if old not in value:
        raise BlockEditError(
            f"Nothing was replaced: {old!r} does not stand verbatim in block {label!r}. "
            "Copy the text exactly as the block shows it, with its spaces and line breaks."
        )


def _check_unique(value: str, label: str, old: str) -> None:
    found = list(islice(_positions(value, old), LINES_NAMED + 1))
    if len(found) > 1:
        numbers = ", ".join(str(value.count("\n", 0, position) + 1) for position in found[:LINES_NAMED])
        more = " and more" if len(found) > LINES_NAMED else ""
        raise BlockEditError(
            f"Nothing was replaced: {old!r} stands more than once in block {label!r} (in lines {numbers}{more}). "
            "Quote more of the surrounding text, so that only one place matches."
        )


def _positions(value: str, old: str) -> Iterator[int]:
    """Where `old` starts; occurrences may overlap."""
    position = value.find(old)
    while position >= 0:
        yield position
        position = value.find(old, position + 1)
