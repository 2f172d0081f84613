"""The workers that are alive. For people to look at: nothing that must be right depends on it."""

from django.db import models


class Worker(models.Model):
    name = models.TextField(unique=True)
    host = models.TextField()
    pid = models.IntegerField()
    version = models.TextField(default="")
    slots = models.PositiveIntegerField(default=0)
    turns = models.PositiveIntegerField(default=0, help_text="conversations held at the last heartbeat")
    sandbox = models.TextField(
        default="", db_default="", help_text="how tools are locked in there, and what is missing for more"
    )
    started_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name
