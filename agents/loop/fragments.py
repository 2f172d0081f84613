"""The string fields of a JSON object, read while the object is still being written."""

import json
from collections.abc import Iterator

_BRACKETS = {"{": 1, "[": 1, "}": -1, "]": -1}


class StringFields:
    """Feed it the fragments of an object's JSON text; it gives the pieces of the top-level strings, decoded, by key.

    Meant for showing, not for trusting: text that is no JSON object gives nothing, or garbage, but never an error.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._key: str | None = None  # whose value comes next, or is being read
        self._string: list[str] | None = None  # the open string, as far as it is not given out yet
        self._escape = ""  # an escape sequence that is not complete

    def feed(self, fragment: str) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for character in fragment:
            found += self._take(character)
        found += self._give()
        return _joined(found)

    def _take(self, character: str) -> Iterator[tuple[str, str]]:
        if self._string is not None:
            if _is_half(self._escape) and character != "\\":
                self._string.append("\N{REPLACEMENT CHARACTER}")
                self._escape = ""
            if self._escape or character == "\\":
                self._escaped(character)
            elif character == '"':
                yield from self._close()
            else:
                self._string.append(character)
        elif character == '"':
            self._string = []
        elif character in _BRACKETS:
            self._depth += _BRACKETS[character]
        elif character == "," and self._depth == 1:
            self._key = None

    def _close(self) -> Iterator[tuple[str, str]]:
        assert self._string is not None
        if self._depth == 1 and self._key is None:
            self._key = "".join(self._string)
        else:
            yield from self._give()
        self._string = None

    def _give(self) -> list[tuple[str, str]]:
        """What has been read of a value since the last time. Keys are kept until they are whole."""
        if not self._string or self._key is None or self._depth != 1:
            if self._depth > 1 and self._string is not None:
                self._string.clear()
            return []
        text = "".join(self._string)
        self._string.clear()
        return [(self._key, text)]

    def _escaped(self, character: str) -> None:
        """Collects `\\n`, `\\u0041`, and both halves of a surrogate pair."""
        assert self._string is not None
        self._escape += character
        if _is_whole(self._escape):
            self._string.append(_decoded(self._escape))
            self._escape = ""


def _is_whole(escape: str) -> bool:
    if escape[:2] != "\\u":
        return len(escape) == 2
    if _is_half(escape[:6]):
        return len(escape) == 12 or (len(escape) == 8 and escape[6:] != "\\u")
    return len(escape) == 6


def _is_half(escape: str) -> bool:
    """Whether this is the first of two that make one character."""
    return len(escape) == 6 and "d800" <= escape[2:].lower() <= "dbff"


def _decoded(escape: str) -> str:
    try:
        return str(json.loads(f'"{escape}"')).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    except ValueError:
        return "\N{REPLACEMENT CHARACTER}"


def _joined(pieces: list[tuple[str, str]]) -> list[tuple[str, str]]:
    joined: list[tuple[str, str]] = []
    for key, text in pieces:
        if joined and joined[-1][0] == key:
            joined[-1] = (key, joined[-1][1] + text)
        else:
            joined.append((key, text))
    return joined
