"""Tells the URLs that wanted to know how a run has ended: at least once each, signed, and only where the guard lets go.

The headers are those of Standard Webhooks: webhook-id is the run's, and so the same at every try.
"""

import base64
import hashlib
import hmac
import json
import logging
import time

from celery import shared_task
from django.conf import settings
from django.db import connection

from agents import callbacks
from agents.faultpoints import faultpoint
from agents.hints import CALL_BACK
from agents.models import Callback
from tools.guard import Guard
from tools.web.client import FetchError, Request, fetch

log = logging.getLogger(__name__)


@shared_task(name=CALL_BACK)
def serve(run_id: str) -> None:
    try:
        if callback := callbacks.take(run_id):
            connection.close()  # none is held while the other side is waited for
            callbacks.note(callback, *told(callback))
    finally:
        connection.close()


def told(callback: Callback) -> tuple[int | None, str | None]:
    """The status that came back, and what is wrong with it."""
    guard = Guard(tuple(settings.CALLBACK_PRIVATE_HOSTS), "PERDURE_CALLBACK_PRIVATE_HOSTS")
    faultpoint("callback")
    try:
        response = fetch(_request(callback), guard)
    except FetchError as error:
        log.info("%s could not be called back: %s", callback.run_id, error)
        return None, str(error)
    if 200 <= response.status < 300:
        return response.status, None
    return response.status, f"The answer was {response.status}."


def _request(callback: Callback) -> Request:
    body = json.dumps(callbacks.body_of(callback.run)).encode()
    stamp = str(int(time.time()))
    headers = {"Content-Type": "application/json", "webhook-id": callback.run_id, "webhook-timestamp": stamp}
    if secret := settings.CALLBACK_SECRET:
        headers["webhook-signature"] = f"v1,{signature(secret, f'{callback.run_id}.{stamp}.'.encode() + body)}"
    return Request(callback.url, headers, body, redirects=0)


def signature(secret: str, signed: bytes) -> str:
    """HMAC-SHA256 in base64."""
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
