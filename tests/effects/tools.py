"""Tools with an effect that can be counted, and that can be made to wait."""

import os
import time
from pathlib import Path

from tools.executor import ToolContext
from tools.registry import tool


def _note(folder: str, word: str, context: ToolContext) -> None:
    with (Path(folder) / word).open("a") as file:
        file.write(f"{context.effect_key}\n")
        file.flush()
        os.fsync(file.fileno())


def _wait(folder: str) -> None:
    """Until the test lets go, at most 60 s."""
    until = time.monotonic() + 60
    while (Path(folder) / "wait").exists() and time.monotonic() < until:
        time.sleep(0.02)


@tool(effect="effect")
def ring_bell(context: ToolContext, folder: str) -> str:
    """Ring a bell, which cannot be un-rung.

    Args:
        folder: Where the bell hangs.
    """
    _note(folder, "begun", context)
    _wait(folder)
    _note(folder, "rung", context)
    return "The bell has rung."


@tool(effect="effect", idempotent=True)
def set_lamp(context: ToolContext, folder: str) -> str:
    """Switch a lamp on. Doing it again changes nothing.

    Args:
        folder: Where the lamp stands.
    """
    _note(folder, "begun", context)
    _wait(folder)
    _note(folder, "lit", context)
    return "The lamp is on."
