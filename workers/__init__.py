"""Workers: Celery drives the loop."""
