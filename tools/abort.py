"""The stop button of a call, as the tools see it."""

from collections.abc import Callable
from typing import Protocol


class Abort(Protocol):
    """`reason` is None until it is pressed."""

    reason: str | None

    def on_press(self, end: Callable[[], None]) -> Callable[[], None]:
        """Calls `end` when pressed (now, if it was). Returns what takes `end` back."""
        ...

    def check(self) -> None:
        """Raises when it has been pressed."""
        ...
