"""A long text -> pieces that are filed as passages, each with the lines that it is made of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_Line = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Piece:
    """`first` and `last` are numbers of lines, counted from 1."""

    text: str
    first: int
    last: int


def pieces(text: str, size: int) -> Iterator[Piece]:
    """Of at most `size` characters each, cut between paragraphs where that can be, else between lines or words.

    Pieces of white space alone are left out.
    """
    held: list[_Line] = []
    length = 0
    for number, part in _parts(text, size):
        if held and length + len(part) > size:
            end = _best_end(held, size)
            yield from _piece(held[:end])
            held = held[end:]
            length = sum(len(line) + 1 for _, line in held)
            if held and length + len(part) > size:
                yield from _piece(held)
                held, length = [], 0
        held.append((number, part))
        length += len(part) + 1
    yield from _piece(held)


def _parts(text: str, size: int) -> Iterator[_Line]:
    """The numbered lines; one that is too long, in parts."""
    for number, line in enumerate(text.split("\n"), 1):
        start = 0
        while len(line) - start > size:
            end = line.rfind(" ", start + size // 2, start + size) + 1 or start + size
            yield number, line[start:end].rstrip()
            start = end
        yield number, line[start:]


def _best_end(lines: Sequence[_Line], size: int) -> int:
    """Behind the last empty line that leaves at least half a piece before it, and no heading alone; or behind all."""
    length, end = 0, len(lines)
    for index, (_, line) in enumerate(lines):
        length += len(line) + 1
        if not line.strip() and length > size / 2 and not lines[index - 1][1].startswith("#"):
            end = index + 1
    return end


def _piece(lines: Sequence[_Line]) -> Iterator[Piece]:
    full = [line for line in lines if line[1].strip()]
    if full:
        kept = [line for line in lines if full[0][0] <= line[0] <= full[-1][0]]
        yield Piece("\n".join(text for _, text in kept), full[0][0], full[-1][0])
