"""Patches of core memory: what they change, and what they say when they do not fit."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.core import BlockEditError, BlockText, CoreMemory
from memory.patch import _places, apply

LINES = "Name: Ann\nLikes tea\nFamily\n  a son\nWork\n  a son of a boss"


def core(*others: BlockText, human: str = LINES) -> CoreMemory:
    return CoreMemory([BlockText("human", human, 200), *others])


@pytest.mark.parametrize(
    ("patch", "line", "now"),
    [
        (" Name: Ann\n-Likes tea\n+Likes milk\n+and cake\n Family", 1, "Likes milk\nand cake"),
        ("-Likes tea", 1, None),
        ("@@ -2,1 +2,1 @@\n-Likes tea\n+Likes milk", 1, "Likes milk"),
        ("@@ Work\n-  a son of a boss\n+  a boss", 5, "  a boss"),
        ("@@ Name: Ann\n+Aged 40", 0, "Name: Ann\nAged 40"),
        ("*** Begin Patch\n*** Update Block: human\n-Likes tea\n+Likes milk\n\n*** End Patch\n", 1, "Likes milk"),
    ],
)
def test_a_patch_changes_the_lines_that_it_names(patch: str, line: int, now: str | None) -> None:
    lines = LINES.split("\n")
    lines[line : line + 1] = [now] if now else []
    assert apply(core(), "human", patch) == {"human": "\n".join(lines)}


def test_added_lines_without_a_place_go_to_the_end() -> None:
    assert apply(core(human="a"), "human", "+b\n+c") == {"human": "a\nb\nc"}
    assert apply(core(human=""), "human", "+b") == {"human": "b"}


def test_hunks_follow_each_other_down_the_block() -> None:
    assert apply(core(human="a\nx\nb\nx"), "human", "@@\n-a\n+A\n@@ b\n-x\n+X") == {"human": "A\nx\nb\nX"}


def test_an_empty_line_may_have_lost_its_space() -> None:
    assert apply(core(human="a\n\nb"), "human", " a\n\n-b\n+c") == {"human": "a\n\nc"}


def test_a_patch_touches_several_blocks() -> None:
    memory = core(BlockText("plans", "one\ntwo"), BlockText("scratch", "x"))
    patch = (
        "*** Begin Patch\n*** Update Block: plans\n-one\n+ONE\n*** Move to: /memories/goals\n"
        "*** Add Block: notes\n+first\n+second\n*** Delete Block: scratch\n*** End Patch"
    )
    assert apply(memory, "human", patch) == {"goals": "ONE\ntwo", "notes": "first\nsecond", "scratch": None}
    assert {block.label: block.value for block in memory.blocks} == {
        "human": LINES,
        "goals": "ONE\ntwo",
        "notes": "first\nsecond",
    }


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        ("", "The patch is empty"),
        ("-Likes wine\n+Likes milk", "these lines do not stand there, one after another:\nLikes wine"),
        ("-Likes  tea", "do not stand there"),
        (" Name: Ann\n-Family", "do not stand there"),
        ("@@ Work\n-Likes tea", "do not stand there below line 5"),
        ("@@ Hobbies\n+chess", "do not stand there"),
        ("Likes tea\n+and milk", "cannot be read at 'Likes tea'"),
        ("*** Remove Block: human", "cannot be read at"),
        ("-2→ Likes tea", "without them"),
        ("+3→ chess", "without them"),
        ("*** Update Block: human", "no change of it"),
        ("*** Update Block: nope\n+x", "no memory block 'nope'"),
        ("*** Add Block: human\n+x", "'human' already"),
        ("*** Add Block: notes\n x", "all its lines in the patch begin with +"),
        ("*** Delete Block: human\n-Likes tea", "and has lines for it, too"),
        ("*** Delete Block: persona", "read-only"),
        ("*** Update Block: persona\n*** Move to: me", "read-only"),
        ("*** Update Block: persona\n+x", "read-only"),
        ("+" + "x" * 200, "too many"),
    ],
)
def test_what_does_not_fit_is_told(patch: str, told: str) -> None:
    memory = core(BlockText("persona", "Sam", read_only=True))
    with pytest.raises(BlockEditError, match=told.replace("+", r"\+")):
        apply(memory, "human", patch)
    assert memory.edits == []


def test_a_place_that_is_not_the_only_one_is_refused() -> None:
    with pytest.raises(BlockEditError, match=r"more than one place \(at lines 1, 3\)"):
        apply(core(human="x\ny\nx"), "human", "-x")


def test_thousands_of_lines_that_are_all_the_same() -> None:
    began = time.process_time()
    with pytest.raises(BlockEditError, match="in more than one place"):
        apply(CoreMemory([BlockText("human", "\n" * 40_000, 100_000)]), "human", "\n".join(["-"] * 20_000))
    assert time.process_time() - began < 2


def test_a_patch_for_too_many_places() -> None:
    with pytest.raises(BlockEditError, match="for 300 places, and may be for 200"):
        apply(core(), "human", "\n".join(f"@@\n-{n}\n+x" for n in range(300)))


lines = st.lists(st.sampled_from(["", "a", "b"]), max_size=12)


@given(lines, st.lists(st.sampled_from(["", "a", "b"]), min_size=1, max_size=3), st.integers(0, 12))
def test_lines_are_found_where_they_stand(of_block: list[str], wanted: list[str], start: int) -> None:
    ends = range(start, len(of_block) - len(wanted) + 1)
    assert list(_places(of_block, wanted, start)) == [at for at in ends if of_block[at : at + len(wanted)] == wanted]
