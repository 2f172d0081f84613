"""Whether the server is there, and how well its workers lock the tools of organizations in."""

import threading
import time
from datetime import timedelta

from django.apps import apps
from django.conf import settings
from django.db import Error, connection
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

WORKERS = ("workers", "Worker")
"""Named, because workers stand above this package: they write their rows, and a web process only reads them."""
ALIVE = timedelta(seconds=30)
FRESH_SECONDS = 10.0
PATIENCE_SECONDS = 0.5


class Health(APIView):
    """`{version, status, sandbox}`, for anybody."""

    authentication_classes: list[type] = []
    permission_classes: list[type] = []

    def get(self, request: Request) -> HttpResponse:
        return Response({"version": settings.VERSION, "status": "ok", "sandbox": known.tier()})


class Known:
    """What the workers' rows said a moment ago. Asked aside: without a database the server still says that it lives."""

    def __init__(self) -> None:
        self._tier: str | None = None
        self._asked = float("-inf")
        self._asking = threading.Lock()

    def tier(self) -> str | None:
        """T1, T2 or T3 (docs/sandbox.md): the weakest of the workers that are alive; None as long as none is known."""
        stale = self._tier is None or time.monotonic() - self._asked > FRESH_SECONDS
        if stale and self._asking.acquire(blocking=False):
            thread = threading.Thread(target=self._ask, name="health", daemon=True)
            thread.start()
            thread.join(PATIENCE_SECONDS)
        return self._tier

    def _ask(self) -> None:
        try:
            self._tier, self._asked = weakest_tier(), time.monotonic()
        except Error:
            self._tier = None
        finally:
            connection.close()
            self._asking.release()


known = Known()


def weakest_tier() -> str | None:
    rows = apps.get_model(*WORKERS).objects.filter(heartbeat_at__gt=timezone.now() - ALIVE).exclude(sandbox="")
    return min((text.split()[0] for text in rows.values_list("sandbox", flat=True)), default=None)
