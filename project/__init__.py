"""Perdure's wiring: it knows everyone, nobody knows it."""

from project.celery import app as celery_app

__all__ = ["celery_app"]
