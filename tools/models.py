"""The tools of an organization: the built-in ones, listed so that agents can attach them, and its own."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.fields import IdField, SafeJSONField, SafeTextField
from accounts.models import Organization


class Tool(models.Model):
    """What agents attach. How a built-in tool runs is in tools/registry.py, under the same name."""

    class Type(models.TextChoices):
        CUSTOM = "custom"
        CORE = "letta_core"
        MEMORY = "letta_memory_core"
        SLEEPTIME = "letta_sleeptime_core"

    id = IdField("tool")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    name = models.CharField(max_length=64)
    tool_type = models.CharField(max_length=32, choices=Type, default=Type.CUSTOM)
    description = SafeTextField(default="", blank=True)
    json_schema = SafeJSONField(default=dict)
    tags = ArrayField(SafeTextField(), default=list, blank=True)
    return_char_limit = models.PositiveIntegerField(default=50_000)
    enable_parallel_execution = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="tool_name_once")]

    def __str__(self) -> str:
        return self.name
