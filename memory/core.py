"""Core memory: labelled blocks that are always in the context window, how they are edited and how they are shown."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

LINES_NAMED = 10

_LINE_NUMBER = re.compile(r"^[ \t]*\d+→", re.MULTILINE)

_INTRODUCTION = "These are the blocks of your core memory, as they stand now:"
_NUMBERS_WARNING = (
    "The numbers and arrows before the lines (such as 1→) only help you to name a line. "
    "They are not part of the text: leave them out when you edit it."
)


class BlockEditError(Exception):
    """Told to the model as the tool's return; the text says what to do instead."""


@dataclass(frozen=True, slots=True)
class BlockText:
    """What the model sees of a block. `limit` counts characters of `value`."""

    label: str
    value: str
    limit: int
    description: str | None = None
    read_only: bool = False


class CoreMemory:
    """The blocks of one agent. An edit returns the block's whole new value, or raises BlockEditError."""

    def __init__(self, blocks: Iterable[BlockText]):
        self._start = tuple(blocks)
        self._blocks = {block.label: block for block in self._start}
        if len(self._blocks) < len(self._start):
            raise ValueError("Two blocks of one agent have the same label; give each its own.")

    @property
    def blocks(self) -> tuple[BlockText, ...]:
        return tuple(self._blocks.values())

    @property
    def changed(self) -> list[str]:
        """Labels of the blocks whose value is not what it was at the start."""
        return [block.label for block in self._start if self._blocks[block.label].value != block.value]

    def restore(self, blocks: tuple[BlockText, ...]) -> None:
        """Back to what `blocks` gave earlier. What counts as changed is still measured from the start."""
        self._blocks = {block.label: block for block in blocks}

    def append(self, label: str, text: str) -> str:
        """On a new line at the end."""
        value = self._editable(label).value
        return self._write(label, f"{value}\n{text}" if value else text)

    def replace_all(self, label: str, old: str, new: str) -> str:
        """Every occurrence of `old`, which has to be there."""
        value = self._editable(label).value
        _check_present(value, label, old)
        return self._write(label, value.replace(old, new))

    def replace_once(self, label: str, old: str, new: str) -> str:
        """The one occurrence of `old`."""
        value = self._editable(label).value
        _check_unnumbered(old, new)
        _check_present(value, label, old)
        _check_unique(value, label, old)
        return self._write(label, value.replace(old, new))

    def insert(self, label: str, text: str, after_line: int) -> str:
        """As lines of their own after line `after_line`: 0 is the top, -1 the end."""
        value = self._editable(label).value
        _check_unnumbered(text)
        lines = value.split("\n") if value else []
        if not -1 <= after_line <= len(lines):
            raise BlockEditError(
                f"Block {label!r} has no line {after_line}. Insert after a line from 0 (the top) to {len(lines)}, "
                "or after -1 (the end)."
            )
        at = len(lines) if after_line == -1 else after_line
        return self._write(label, "\n".join([*lines[:at], text, *lines[at:]]))

    def _editable(self, label: str) -> BlockText:
        block = self._blocks.get(label)
        if block is None:
            labels = ", ".join(self._blocks) or "none"
            raise BlockEditError(f"There is no memory block {label!r}. Use one of these labels: {labels}.")
        if block.read_only:
            raise BlockEditError(f"Block {label!r} is read-only. Keep what you learnt in another block.")
        return block

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
    """The `<memory_blocks>` part of the system prompt: the same bytes for the same blocks. Empty without blocks."""
    parts = [_render_block(block, line_numbers) for block in blocks]
    if not parts:
        return ""
    return "\n\n".join([f"<memory_blocks>\n{_INTRODUCTION}", *parts, "</memory_blocks>"])


def _render_block(block: BlockText, line_numbers: bool) -> str:
    lines = [f"<{block.label}>", "<description>", block.description or "", "</description>", "<metadata>"]
    if block.read_only:
        lines.append("- read_only=true")
    lines += [f"- chars_current={len(block.value)}", f"- chars_limit={block.limit}", "</metadata>"]
    if line_numbers:
        lines += ["<warning>", _NUMBERS_WARNING, "</warning>"]
    lines += ["<value>", _numbered(block.value) if line_numbers else block.value, "</value>", f"</{block.label}>"]
    return "\n".join(lines)


def _numbered(value: str) -> str:
    return "\n".join(f"{number}→ {line}" for number, line in enumerate(value.split("\n"), 1))


def _check_unnumbered(*texts: str) -> None:
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
