"""The documentation of the API for whoever asks: the OpenAPI document, and a page made of it. Neither needs a key."""

import json
from functools import cache

from django.http import HttpRequest, HttpResponse
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from agents.api.openapi.document import document


@require_safe
@gzip_page
def openapi(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_json(), content_type="application/json", headers={"Cache-Control": "max-age=300"})


@cache
def _json() -> bytes:
    return json.dumps(document(), ensure_ascii=False).encode()
