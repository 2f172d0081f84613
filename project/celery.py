"""The Celery application. A task is a hint that a conversation has work; Postgres holds the work itself."""

import os

from celery import Celery
from celery.signals import worker_ready
from kombu.transport.redis import Transport
from redis.exceptions import OutOfMemoryError

from project.garbage import spare_what_is_loaded

# A Redis that is full refuses every write. To Celery that would be the worker's end; like this it is a lost connection,
# and the sweep does the work until there is a new one.
Transport.connection_errors = (*Transport.connection_errors, OutOfMemoryError)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

app = Celery("perdure")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["workers"])


@worker_ready.connect
def settle(**about: object) -> None:
    spare_what_is_loaded()
