"""The stop button."""

import pytest

from agents.errors import Cancelled
from agents.loop.ports import Abort


def test_the_first_reason_stands():
    abort = Abort()
    abort.check()
    abort.press("cancelled")
    abort.press("deadline")
    with pytest.raises(Cancelled) as caught:
        abort.check()
    assert caught.value.reason == "cancelled"


def test_waits_are_ended_once_whenever_they_began():
    abort, ended = Abort(), []
    abort.on_press(lambda: ended.append("early"))
    forgotten = abort.on_press(lambda: ended.append("forgotten"))
    forgotten()
    abort.press("shutdown")
    abort.press("shutdown")
    abort.on_press(lambda: ended.append("late"))
    assert ended == ["early", "late"]
