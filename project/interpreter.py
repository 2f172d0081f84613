"""Python itself, set for a server of many threads: what it does by default suits programs that are short or alone."""

import gc
import sys

ALLOCATIONS = 20_000
"""New objects that are still there before the youngest are looked at; Python's own 700 are reached several times in a
single step."""

SWITCH_SECONDS = 0.02
"""How long a thread may hold the interpreter while others want it. Ours wait for Postgres or a model every millisecond
or two and let go by themselves; at Python's own 5 ms, eight turns at once cost a quarter more CPU (benchmarks.step)."""


def suit_a_server() -> None:
    """Call it once, when everything is imported: the modules, half a million objects, are not walked again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 10, 10)
    sys.setswitchinterval(SWITCH_SECONDS)
