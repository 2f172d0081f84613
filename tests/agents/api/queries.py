"""What a request asks the database, in whichever thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.db.backends.utils import CursorWrapper

Query = tuple[str, Any]


@contextmanager
def asked() -> Iterator[list[Query]]:
    """The statements, with their parameters, that are run meanwhile; those that begin and end transactions are not."""
    found: list[Query] = []
    execute = CursorWrapper.execute

    def noted(cursor: CursorWrapper, sql: Any, params: Any = None) -> Any:
        found.append((str(sql), params))
        return execute(cursor, sql, params)

    with patch.object(CursorWrapper, "execute", noted):
        yield found
