"""How two values of a block differ: told right, and in a moment whatever they hold."""

import random
import re
import time

from hypothesis import given
from hypothesis import strategies as st

from memory.versions import difference

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


def patched(old: str, diff: str) -> str:
    """What the `patch` of every system would make of the value."""
    lines, told, made, at = old.split("\n"), diff.split("\n") if diff else [], list[str](), 0
    for line in told:
        if found := _HUNK.fullmatch(line):
            start = int(found[1]) - (found[2] != "0")
            made += lines[at:start]
            at = start
            assert len(made) == int(found[3]) - (found[4] != "0")
        elif line[0] == "+":
            made.append(line[1:])
        else:
            assert lines[at] == line[1:]
            at += 1
            made += [line[1:]] if line[0] == " " else []
    return "\n".join(made + lines[at:])


def test_a_line_of_many() -> None:
    old = "\n".join("abcdefghij")
    assert difference(old, old.replace("e", "E")) == "@@ -2,7 +2,7 @@\n b\n c\n d\n-e\n+E\n f\n g\n h"


def test_of_the_first_version_everything_is_new() -> None:
    assert difference(None, "a\nb") == "@@ -0,0 +1,2 @@\n+a\n+b"
    assert difference("a", "a") == ""


def test_what_was_rewritten_at_length_is_told_as_a_whole() -> None:
    old, new = ([f"{word} {n}" for n in range(150)] for word in ("old", "new"))
    told = difference("\n".join(["head", *old, "tail"]), "\n".join(["head", *new, "tail"]))
    changed = [*(f"-{line}" for line in old), *(f"+{line}" for line in new)]
    assert told == "\n".join(["@@ -1,152 +1,152 @@", " head", *changed, " tail"])


values = st.lists(st.sampled_from(["", "a", "b", "c d"]), max_size=14).map("\n".join)


@given(values, values)
def test_the_difference_leads_from_the_one_to_the_other(old: str, new: str) -> None:
    assert patched(old, difference(old, new) or "") == new


def test_lines_that_come_again_and_again_take_no_longer() -> None:
    dice = random.Random(7)
    old, new = ("\n".join(dice.choice("ab") for _ in range(size)) for size in (800, 199))
    small = ["\n".join(dice.choice("ab") for _ in range(100)) for _ in range(2)]
    began = time.process_time()
    for _ in range(20):
        difference(old, new)
        difference(*small)
    assert time.process_time() - began < 2
