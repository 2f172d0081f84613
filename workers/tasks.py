"""What workers do. One task is one step of one conversation; a second copy of it finds nothing to do."""

from functools import cache

from celery import shared_task
from celery.signals import celeryd_after_setup, worker_shutting_down

from agents.hints import ADVANCE, UPKEEP
from workers.process import WorkerProcess


@cache
def this_process() -> WorkerProcess:
    return WorkerProcess()


@shared_task(name=ADVANCE)
def advance(conversation_id: str) -> None:
    this_process().advance(conversation_id)


@shared_task(name=UPKEEP)
def keep_up() -> None:
    this_process().upkeep.wake()


@celeryd_after_setup.connect
def on_start(**_: object) -> None:
    """Before the broker is connected: with the sweep alone, a worker works without it."""
    this_process().start()


@worker_shutting_down.connect
def on_shutdown(**_: object) -> None:
    this_process().stop()
