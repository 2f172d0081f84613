"""The `<directories>` part of the system prompt: the agent's folders, their files, and windows on the open ones."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_INTRODUCTION = """\
Files that you can read. open_files shows you one here, by the path that it has below; what was open longest without \
being used is closed when there are too many. grep_files finds lines by a pattern, semantic_search_files passages by \
what they say."""

# Whoever writes a file is not to write around it: neither an end of this part, nor the beginning of another.
# Spaces without a slash are gone over once: as `\s*/?\s*`, a hundred thousand of them would take hours.
_MARKS = re.compile(
    r"<(?=\s*(?:/\s*)?(?:directories|directory|window|memory_metadata|tool_usage_rules)\b)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Window:
    """The lines of an open file from `first` on. `text` may end within a line."""

    first: int
    last: int
    text: str


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file as its folder lists it."""

    name: str
    lines: int
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class Directory:
    """A folder. `files` are those that are listed, and maybe not all that there are."""

    name: str
    description: str
    instructions: str
    files: Sequence[FileLine]
    has_more: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """How many files can be open at once, and how many characters of each are shown."""

    files: int
    chars: int


def path_of(folder: str, file: str) -> str:
    """What an agent calls a file."""
    return f"{folder}/{file}"


def render(directories: Sequence[Directory], room: Room) -> str:
    """The same bytes for the same folders, files and windows. Empty without folders."""
    if not directories:
        return ""
    limits = f"<file_limits>\n- files_open_max={room.files}\n- chars_shown_of_a_file={room.chars}\n</file_limits>"
    windows = [
        _window(path_of(directory.name, file.name), file.lines, file.window, room)
        for directory in directories
        for file in directory.files
        if file.window
    ]
    parts = [f"<directories>\n{_INTRODUCTION}", limits, *map(_directory, directories), *windows, "</directories>"]
    return "\n\n".join(parts)


def _directory(directory: Directory) -> str:
    lines = [f"<directory>\n{_plain(directory.name)}"]
    for name, text in (("description", directory.description), ("instructions", directory.instructions)):
        if text:
            lines.append(f"<{name}>\n{_plain(text)}\n</{name}>")
    for file in directory.files:
        state = "open" if file.window else "closed"
        lines.append(f"- {_plain(path_of(directory.name, file.name))} ({file.lines} lines, {state})")
    if directory.has_more:
        lines.append("- and more, which grep_files and semantic_search_files find, too")
    elif not directory.files:
        lines.append("- no files yet")
    return "\n".join([*lines, "</directory>"])


def _window(path: str, lines: int, window: Window, room: Room) -> str:
    shown = _plain(window.text[: room.chars])
    numbered = "\n".join(f"{number}→ {line}" for number, line in enumerate(shown.split("\n"), window.first))
    head = f"{_plain(path)}, lines {window.first} to {window.last} of {lines}"
    return f"<window>\n{head}\n{numbered}\n</window>"


def _plain(text: str) -> str:
    return _MARKS.sub(r"<\\", text)
