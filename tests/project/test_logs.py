"""What strangers wrote is a part of the line that tells of it, and nothing else."""

import logging
import sys

from project.logs import Line

FORGED = "x\n2026-01-01 INFO agents.runs: all is well\x1b[2J\u2028"


def told(message: str, *arguments: str, error: BaseException | None = None) -> list[str]:
    """By the handler that the settings have made."""
    handler = next(one for one in logging.getLogger().handlers if isinstance(one.formatter, Line))
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("tools.web", logging.WARNING, __file__, 1, message, arguments, info)
    return handler.format(record).split("\n")


def test_a_text_of_several_lines_is_one() -> None:
    [line] = told("%s could not be called back: %s", "run-1", FORGED)
    shown = r"x\n2026-01-01 INFO agents.runs: all is well\x1b[2J\u2028"
    assert line.endswith(f"WARNING tools.web: run-1 could not be called back: {shown}")


def test_a_traceback_is_set_in() -> None:
    try:
        raise ValueError(FORGED)
    except ValueError:
        error = sys.exc_info()[1]
    first, *others = told("It failed", error=error)
    assert first.endswith("WARNING tools.web: It failed")
    assert all(line.startswith("    ") and "\x1b" not in line for line in others)
    assert others[-2:] == ["    ValueError: x", r"    2026-01-01 INFO agents.runs: all is well\x1b[2J\u2028"]


def test_letters_of_every_language_stay_as_they_are() -> None:
    assert told("grün %s", "鷺")[0].endswith("grün 鷺")
