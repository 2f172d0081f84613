"""What the shapes of all objects are made of."""

from datetime import UTC, datetime, timedelta
from typing import Any

Shape = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(value: datetime | None) -> str | None:
    # strftime writes years before 1000 with fewer digits than RFC 3339 asks for.
    return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z" if value else None


def nanoseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * 1000
