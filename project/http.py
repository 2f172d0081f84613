"""The HTTP policy of the API: how bodies are read, and how errors are answered."""

import logging
import uuid
from io import BytesIO
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.parsers import JSONParser
from rest_framework.response import Response

from accounts.authentication import WHERE_THE_KEY_IS
from accounts.fields import clean_json
from agents.api.refusals import refusal
from agents.api.requests import check_values
from agents.retry import drop_dead_connections

log = logging.getLogger(__name__)

# A client's library sends these again by itself; for a conflict that would never help, for a database on its way up it
# will.
HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    409: {"x-should-retry": "false"},
    501: {"x-should-retry": "false"},
    503: {"Retry-After": "2"},
}


def error_response(error: BaseException) -> JsonResponse | None:
    """The answer to an error that agents/api/refusals.py has a place for; None to any other."""
    told = refusal(error)
    if told is None:
        return None
    status, detail = told
    body = {"detail": detail}
    if status == 501:
        body["error"] = {"type": "not_implemented", "message": detail, "detail": None}
    return JsonResponse(body, status=status, headers=HEADERS.get(status))


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
        raw = stream.read()
        check_values(raw)
        try:
            return clean_json(super().parse(BytesIO(raw), media_type, parser_context))
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
