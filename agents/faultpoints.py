"""Places where tests kill or freeze the process. They do nothing unless armed by the environment.

PERDURE_FAULT="c6:kill" kills this process with SIGKILL when it passes c6 for the first time, "c6:kill:3" the third
time, "c6:stop" stops it with SIGSTOP. With PERDURE_FAULT_ONCE=/path the first process that gets there takes the file
away, and those after it pass. With PERDURE_FAULT_TEXT=poison only passages count that are about a text with this word.
"""

import os
import signal

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
_armed = os.environ.get("PERDURE_FAULT", "").split(":")
_once = os.environ.get("PERDURE_FAULT_ONCE")
_text = os.environ.get("PERDURE_FAULT_TEXT", "")
_passed = 0


def faultpoint(name: str, about: object = "") -> None:
    """`about` is what the process works on there."""
    global _passed
    if name != _armed[0] or _text not in str(about):
        return
    _passed += 1
    if _passed != int(_armed[2] if len(_armed) > 2 else 1) or not _first():
        return
    os.kill(os.getpid(), _SIGNALS[_armed[1]])


def _first() -> bool:
    if _once is None:
        return True
    try:
        os.unlink(_once)
    except FileNotFoundError:
        return False
    return True
