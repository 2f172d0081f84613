"""The Celery application. A task is a hint that a conversation has work; Postgres holds the work itself."""

import os

from celery import Celery
from celery.signals import worker_ready

from project.interpreter import suit_a_server

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

app = Celery("perdure")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["workers"])


@worker_ready.connect
def settle(**about: object) -> None:
    suit_a_server()
