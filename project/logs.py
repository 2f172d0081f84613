"""The form of a line in the log. Much of what stands there was written by strangers."""

import logging
import re
from typing import Any

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Line(logging.Formatter):
    """A record is one line, and its traceback is set in: what is told of a request, or by another server, can neither
    look like a record of its own nor steer the terminal that shows it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = visible(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        return "\n".join(f"    {visible(line)}" for line in super().formatException(ei).split("\n"))


def visible(text: str) -> str:
    """With control characters as Python writes them."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
