"""Patches of core memory, as models write them: which blocks, and in each the lines that go, come and stay.

*** Update Block: human          one block after another; without such a line the patch is for one block
*** Move to: user                it gets another label
@@ Family                        optional: what follows is below this line
 Name: Ann                       stays, and shows the place
-Likes tea                       goes
+Likes milk                      comes
*** Add Block: project           lines with + only
*** Delete Block: scratch
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from memory.core import LINES_NAMED, BlockEditError, CoreMemory, check_unnumbered

_HEADER = re.compile(r"\*\*\* (Update|Add|Delete) (?:Block|File): *(.+)")
_MOVE = re.compile(r"\*\*\* Move to: *(.+)")
_FRAME = ("*** Begin Patch", "*** End Patch", "*** End of File")
_NUMBERS = re.compile(r"@@ -\d+(,\d+)? \+\d+(,\d+)? @@ ?")
_FORM = "Begin each line with a space (it stays), - (it goes) or + (it comes)."

MOST_PLACES = 200
"""That one patch may change: each is looked for in all of its block."""


@dataclass(slots=True)
class Hunk:
    """Lines that stand together, `old`, and what takes their place; below the line `anchor`, if there is one."""

    anchor: str = ""
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        kind, text = (line[0], line[1:]) if line else (" ", "")
        if kind not in " -+":
            raise BlockEditError(f"The patch cannot be read at {line!r}. {_FORM}")
        check_unnumbered(text)
        if kind in " -":
            self.old.append(text)
        if kind in " +":
            self.new.append(text)


@dataclass(slots=True)
class Section:
    """What the patch says of one block."""

    action: str
    path: str
    named: bool = False
    move_to: str = ""
    hunks: list[Hunk] = field(default_factory=list)

    @property
    def says_something(self) -> bool:
        return bool(self.move_to or self.hunks)

    def add(self, lines: list[str]) -> None:
        if not self.hunks:
            self.hunks.append(Hunk())
            lines = lines[-1:]
        for line in lines:
            self.hunks[-1].add(line)


def apply(core: CoreMemory, path: str, patch: str) -> dict[str, str | None]:
    """The new value of each block that the patch is for; None where it deletes one. `path` is for what comes before
    the first line that names a block. Raises BlockEditError; what was applied before that has to be taken back."""
    sections = list(_sections(path, patch))
    if not sections:
        raise BlockEditError(f"The patch is empty. {_FORM}")
    if (places := sum(max(len(section.hunks), 1) for section in sections)) > MOST_PLACES:
        raise BlockEditError(f"The patch is for {places} places, and may be for {MOST_PLACES}. Send it in parts.")
    values: dict[str, str | None] = {}
    for section in sections:
        label, value = _applied(core, section)
        values[label] = value
    return values


def _sections(path: str, patch: str) -> Iterator[Section]:
    section, blank = Section("Update", path), 0
    for line in patch.split("\n"):
        stripped = line.strip()
        if not line:
            blank += 1  # models leave the space of an empty line away; at the end of a section it means nothing
            continue
        if header := _HEADER.fullmatch(stripped):
            if section.named or section.says_something:
                yield section
            section = Section(header[1], header[2], named=True)
        elif move := _MOVE.fullmatch(stripped):
            section.move_to = move[1]
        elif line.startswith("@@"):
            section.hunks.append(Hunk(_anchor(line)))
        elif stripped not in _FRAME:
            section.add([*[""] * blank, line])
        blank = 0
    if section.named or section.says_something:
        yield section


def _anchor(line: str) -> str:
    """Line numbers, as other tools write them there, are nothing to go by: what counts is the text."""
    return _NUMBERS.sub("", line).removeprefix("@@").removesuffix("@@").strip()


def _applied(core: CoreMemory, section: Section) -> tuple[str, str | None]:
    label = core.label_of(section.path)
    if section.action == "Delete":
        if section.says_something:
            raise BlockEditError(f"The patch deletes block {label!r}, and has lines for it, too. Leave them out.")
        core.delete(label)
        return label, None
    if section.action == "Add":
        if section.move_to or any(hunk.old for hunk in section.hunks):
            raise BlockEditError(f"Block {label!r} is to be new, so all its lines in the patch begin with +.")
        return label, core.create(label, "\n".join(line for hunk in section.hunks for line in hunk.new))
    if not section.says_something:
        raise BlockEditError(f"The patch names block {label!r}, but no change of it. {_FORM}")
    value = core.value(label)
    if section.hunks:
        value = core.put(label, _patched(label, value, section.hunks))
    if section.move_to:
        core.rename(label, section.move_to)
        label = core.label_of(section.move_to)
    return label, value


def _patched(label: str, value: str, hunks: list[Hunk]) -> str:
    lines, at = value.split("\n") if value else [], 0
    for hunk in hunks:
        if hunk.anchor:
            at = _only(label, lines, [hunk.anchor], at, stripped=True) + 1
        start = _only(label, lines, hunk.old, at) if hunk.old else (at if hunk.anchor else len(lines))
        lines[start : start + len(hunk.old)] = hunk.new
        at = start + len(hunk.new)
    return "\n".join(lines)


def _only(label: str, lines: list[str], wanted: list[str], start: int, stripped: bool = False) -> int:
    """Where these lines stand, from line `start` on, which has to be in one place."""
    shown = [line.strip() for line in lines] if stripped else lines
    places = list(islice(_places(shown, wanted, start), LINES_NAMED + 1))
    if len(places) == 1:
        return places[0]
    quoted = "\n".join(wanted)
    below = f" below line {start}" if start else ""
    if not places:
        raise BlockEditError(
            f"The patch does not fit block {label!r}: these lines do not stand there{below}, one after another:\n"
            f"{quoted}\nCopy them exactly as the block shows them, without line numbers."
        )
    numbers = ", ".join(str(place + 1) for place in places[:LINES_NAMED])
    raise BlockEditError(
        f"The patch fits block {label!r} in more than one place{below} (at lines {numbers}):\n{quoted}\n"
        "Add lines that stay before or after, or a line '@@ ' with one that stands above."
    )


def _places(lines: list[str], wanted: list[str], start: int) -> Iterator[int]:
    """Looked for as one text: line by line, it would take the one number of lines times the other."""
    text, sought = ("\n".join(["", *part, ""]) for part in (lines[start:], wanted))
    at, line = text.find(sought), start
    before = 0
    while at >= 0:
        line += text.count("\n", before, at)
        yield line
        before, at = at, text.find(sought, at + 1)
