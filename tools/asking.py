"""Both ends of a question that a web process asks of a worker, over Redis: only workers run tools.

The question lies under its ticket for some seconds. The worker that takes it away answers it, so none is answered
twice, and one that nobody took in time is never answered: who asked has been told so.
"""

import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, cast

import redis
import redis.asyncio

from accounts.fields import new_id

Question = dict[str, Any]
Reply = dict[str, Any]

TAKEN_WITHIN_SECONDS = 10
_KEPT_SECONDS = 60
_REDIS_SECONDS = 2.0


class NobodyAnswers(Exception):
    """No worker, or no Redis between here and there."""


async def ask(url: str, tell: Callable[[str], Awaitable[bool]], question: Question, seconds: float) -> Reply:
    """`tell` gives some worker the ticket; `seconds` is what the worker may take. Raises NobodyAnswers."""
    ticket = new_id("question")
    wait = TAKEN_WITHIN_SECONDS + seconds
    async with aclosing(redis.asyncio.Redis.from_url(url, socket_timeout=wait + _REDIS_SECONDS)) as client:
        try:
            await client.set(_question(ticket), json.dumps(question), ex=TAKEN_WITHIN_SECONDS)
            if not await tell(ticket):
                raise NobodyAnswers("The workers cannot be reached at the moment. Try again shortly.")
            found = await cast(Awaitable[Any], client.blpop([_reply(ticket)], timeout=wait))
        except redis.RedisError as error:
            raise NobodyAnswers("Redis cannot be reached at the moment. Try again shortly.") from error
    if found is None:
        raise NobodyAnswers("No worker has answered. Is one running?")
    return cast(Reply, json.loads(found[1]))


def take(url: str, ticket: str) -> Question | None:
    """None if it is too late, or another worker has it."""
    with _client(url) as client:
        found = cast(Any, client.getdel(_question(ticket)))
    return None if found is None else cast(Question, json.loads(found))


def reply(url: str, ticket: str, answer: Reply) -> None:
    with _client(url) as client:
        pipe = client.pipeline(transaction=False)
        pipe.rpush(_reply(ticket), json.dumps(answer))
        pipe.expire(_reply(ticket), _KEPT_SECONDS)
        pipe.execute()


def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS)


def _question(ticket: str) -> str:
    return f"perdure:{ticket}:question"


def _reply(ticket: str) -> str:
    return f"perdure:{ticket}:reply"
