"""The tools of a Django app: some count their effects, some can be made to wait, some use the database."""

import os
import signal
import time
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from memory.models import Archive
from tools.executor import ToolContext
from tools.registry import tool
from tools.spec import ToolError


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


@tool(effect="effect")
def meet(context: ToolContext, folder: str, people: int) -> str:
    """Wait at a place until so many are there.

    Args:
        folder: Where.
        people: How many.
    """
    _note(folder, "begun", context)
    until = time.monotonic() + 10
    while len((Path(folder) / "begun").read_text().splitlines()) < people and time.monotonic() < until:
        time.sleep(0.01)
    return f"All {len((Path(folder) / 'begun').read_text().splitlines())} are here."


@tool(effect="read")
def repeat_text(text: str, times: int = 1) -> str:
    """Say a text, as often as wanted.

    Args:
        text: What to say.
        times: How often.
    """
    return text * times


@tool(effect="state")
def open_archive(context: ToolContext, name: str) -> str:
    """Open an archive for the organization.

    Args:
        name: What it is called. One of the name "broken" fails after it was opened.
    """
    archive = Archive.objects.create(organization_id=context.organization_id, name=name)
    if name == "broken":
        raise ToolError("It cannot be called that.")
    return str(archive.id)


@tool(effect="read", idempotent=True)
def list_archives(context: ToolContext) -> list[str]:
    """List the organization's archives."""
    archives = Archive.objects.filter(organization_id=context.organization_id)
    return list(archives.order_by("name").values_list("name", flat=True))


@tool(effect="effect")
def kill_worker(context: ToolContext) -> str:
    """End the process that runs it, as a fault in a library written in C would."""
    os.kill(os.getpid(), signal.SIGKILL)
    return "This is never said."


@tool(effect="effect", idempotent=True)
def kill_worker_again(context: ToolContext) -> str:
    """The same, for a tool that is tried again."""
    os.kill(os.getpid(), signal.SIGKILL)
    return "This is never said."


def _shift_clock(seconds: float) -> None:
    """For tests of what depends on a process's own clock: it is wrong by so much from here on."""
    true, true_now = time.time, timezone.now
    time.time = lambda: true() + seconds
    timezone.now = lambda: true_now() + timedelta(seconds=seconds)


if _wrong_by := os.environ.get("TESTS_CLOCK_SHIFT"):
    _shift_clock(float(_wrong_by))
