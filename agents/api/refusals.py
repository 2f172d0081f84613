"""What an error becomes for a client, over REST and over the WebSocket: the one table of statuses, and the words."""

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, InterfaceError, OperationalError
from psycopg.errors import ProgramLimitExceeded

from accounts.authentication import Unauthenticated
from agents.accepting import KeyReused
from agents.errors import (
    BadRequest,
    Conflict,
    InvalidRequest,
    NotFound,
    NotServed,
    PendingApproval,
    TooLarge,
    Unserved,
    Unsupported,
    invalid,
)
from agents.llm.registry import InvalidHandle, UnknownProvider
from memory.archival import PassageTooLong
from memory.core import BlockEditError
from memory.files import NameTaken
from memory.search import SearchError
from memory.versions import BlockMoved, NoVersion, UndoError

STATUS: dict[type[Exception], int] = {
    Unauthenticated: 401,
    BadRequest: 400,
    InvalidHandle: 400,
    BlockEditError: 400,
    UndoError: 400,
    PassageTooLong: 422,
    SearchError: 422,
    NotFound: 404,
    NoVersion: 404,
    UnknownProvider: 404,
    Conflict: 409,
    BlockMoved: 409,
    NameTaken: 409,
    TooLarge: 413,
    Unsupported: 415,
    InvalidRequest: 422,
    KeyReused: 422,
    Unserved: 503,
    NotServed: 501,
    OperationalError: 503,
    InterfaceError: 503,
}

REFUSED: tuple[type[Exception], ...] = (*STATUS, DatabaseError)
"""What a request may come to; everything else is a fault of this server."""


def refusal(error: BaseException) -> tuple[int, Any] | None:
    """The status, and the `detail`; None for an error that has no place in the table."""
    error = _of_the_client(error) or error
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), None)
    return None if status is None else (status, _detail(error, status))


def _of_the_client(error: BaseException) -> InvalidRequest | None:
    """What Django, Postgres or its driver refuses, and no view has seen: the request's fault, not the server's."""
    if isinstance(error, RequestDataTooBig):
        return invalid(["body"], f"The body may have {settings.LARGEST_JSON:,} bytes", "too_long")
    if isinstance(error.__cause__, ProgramLimitExceeded):
        # To Django this is an OperationalError, as if the database were away: the client would try again for nothing.
        return invalid(["body"], "Some text is too long for the index that it belongs to", "too_long")
    if isinstance(error, ValueError | DatabaseError) and "NUL (0x00)" in str(error):
        return invalid(["path"], "Should have no NUL character", "string_type")
    return None


def _detail(error: BaseException, status: int) -> Any:
    if isinstance(error, InvalidRequest):
        return error.problems
    if isinstance(error, PendingApproval):
        return error.detail
    if status == 503 and not isinstance(error, Unserved):
        return "The database cannot be reached at the moment. Try again shortly."
    return str(error.args[0] if error.args else error)
