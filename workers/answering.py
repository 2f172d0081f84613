"""What a web process has asked of a worker is answered, whatever happens."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import connection

from tools.asking import Question, Reply, reply, take

log = logging.getLogger(__name__)


def serve(ticket: str, answer: Callable[[Question], Reply]) -> None:
    """Take the question of this ticket, if nobody else has, and reply. {"status": "failed"} when `answer` fails."""
    question = take(settings.REDIS_URL, ticket)
    if question is None:
        return
    try:
        told = answer(question)
    except Exception:  # somebody waits for a reply
        log.exception("A question could not be answered")
        told = {"status": "failed"}
    finally:
        connection.close()
    reply(settings.REDIS_URL, ticket, told)
