"""The HTTP policy of the API: who is asking, and the one table of what an error becomes."""

import logging
import uuid
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, JsonResponse
from psycopg.errors import ProgramLimitExceeded
from rest_framework import exceptions
from rest_framework.parsers import JSONParser
from rest_framework.response import Response

from accounts.authentication import WHERE_THE_KEY_IS, Unauthenticated
from accounts.fields import clean_json
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
from agents.retry import drop_dead_connections
from agents.runs import KeyReused
from memory.archival import PassageTooLong
from memory.core import BlockEditError
from memory.files import NameTaken
from memory.search import SearchError
from memory.versions import BlockMoved, NoVersion, UndoError

log = logging.getLogger(__name__)

STATUS: dict[type[BaseException], int] = {
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

# A client's library sends these again by itself; for a conflict that would never help, for a database on its way up it
# will.
HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    409: {"x-should-retry": "false"},
    501: {"x-should-retry": "false"},
    503: {"Retry-After": "2"},
}


def error_response(error: BaseException) -> JsonResponse | None:
    """The answer to an error that has a place in the table; None if it has none."""
    error = _of_the_client(error) or error
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), None)
    if status is None:
        return None
    body = {"detail": _detail(error, status)}
    if status == 501:
        body["error"] = {"type": "not_implemented", "message": body["detail"], "detail": None}
    return JsonResponse(body, status=status, headers=HEADERS.get(status))


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


class ApiErrors:
    """Middleware: what a view of the API raises becomes JSON. Tracebacks go to the log, with an id for the client."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Any):
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> JsonResponse | None:
        if not request.path_info.startswith("/v1/"):
            return None
        response = error_response(error)
        if response is not None:
            if response.status_code == 503:
                log.warning("%s %s: %s", request.method, request.path, error)
                drop_dead_connections()
            return response
        error_id = uuid.uuid4().hex[:12]
        log.exception("Error %s in %s %s", error_id, request.method, request.path, exc_info=error)
        return JsonResponse({"detail": "An unknown error occurred", "error_id": error_id}, status=500)


class Body(JSONParser):
    """A request's JSON, without what Postgres cannot store."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            return clean_json(super().parse(stream, media_type, parser_context))
        except RecursionError:
            raise exceptions.ParseError("JSON decode error: nested too deeply") from None


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """What Django REST framework itself finds wrong, in the API's own form."""
    if isinstance(error, exceptions.ValidationError):
        return Response({"detail": problems(error.detail)}, status=422)
    if isinstance(error, exceptions.ParseError):
        return Response({"detail": [{"loc": ["body"], "msg": str(error.detail), "type": "json_invalid"}]}, status=422)
    if isinstance(error, exceptions.NotAuthenticated):
        return Response({"detail": WHERE_THE_KEY_IS}, status=401, headers=HEADERS[401])
    if isinstance(error, exceptions.APIException):
        headers = HEADERS.get(error.status_code)
        return Response({"detail": str(error.detail)}, status=error.status_code, headers=headers)
    return None  # left to ApiErrors


def problems(detail: Any, loc: tuple[str | int, ...] = ("body",)) -> list[dict[str, Any]]:
    """A serializer's errors, flattened to one entry a fault."""
    if isinstance(detail, dict):
        found = [problems(value, loc if key == "non_field_errors" else (*loc, key)) for key, value in detail.items()]
        return [problem for group in found for problem in group]
    if isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        return [problem for index, item in enumerate(detail) for problem in problems(item, (*loc, index))]
    items = detail if isinstance(detail, list) else [detail]
    return [{"loc": list(loc), "msg": str(item), "type": getattr(item, "code", "value_error")} for item in items]
