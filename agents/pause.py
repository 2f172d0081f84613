"""What has just failed is left alone for a while, so that nobody waits for it again and again."""

import time


class Pause:
    """True from `begin` on, for so many seconds."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self._until = 0.0

    def __bool__(self) -> bool:
        return time.monotonic() < self._until

    def begin(self) -> None:
        self._until = time.monotonic() + self.seconds

    def end(self) -> None:
        self._until = 0.0
