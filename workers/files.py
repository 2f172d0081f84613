"""What workers are told about files: that one is there to be read."""

from celery import shared_task

from agents.hints import READ_FILES
from workers.tasks import this_process


@shared_task(name=READ_FILES)
def read_files() -> None:
    this_process().file_reader.wake()
