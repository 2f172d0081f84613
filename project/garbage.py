"""Python's collector of cycles, set for a server: it looks less often, and not at what stays for ever."""

import gc

ALLOCATIONS = 20_000
"""New objects that are still there before the youngest are looked at; Python's own 700 are reached several times in a
single step."""


def spare_what_is_loaded() -> None:
    """Call it once, when everything is imported: the modules, half a million objects, are not walked again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 10, 10)
