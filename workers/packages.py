"""Installs the packages of tools that were saved."""

from celery import shared_task
from django.conf import settings
from django.db import connection

from agents.hints import BUILD_PACKAGES
from tools import packages
from workers.wiring import package_store


@shared_task(name=BUILD_PACKAGES)
def build(tool_id: str) -> None:
    store = package_store()
    if store is None:
        return
    try:
        packages.build(tool_id, store, settings.TOOL_PACKAGE_INDEX)
    finally:
        connection.close()
