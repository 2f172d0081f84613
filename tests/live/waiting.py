"""Waiting for what must come true, with a limit that only a broken server reaches."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 30.0


def wait_until(answer: Callable[[], T], seconds: float = PATIENCE, what: str = "") -> T:
    """What `answer` gives as soon as it is true."""
    until = time.monotonic() + seconds
    while not (found := answer()):
        assert time.monotonic() < until, f"did not come true in {seconds:.0f} s: {what or answer}"
        time.sleep(0.02)
    return found


async def wait_in_loop(answer: Callable[[], T], seconds: float = PATIENCE, what: str = "") -> T:
    """The same for a test that has an event loop to keep going."""
    return await asyncio.to_thread(wait_until, answer, seconds, what)
