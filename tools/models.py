"""The tools of an organization: the built-in ones, listed so that agents can attach them, and its own."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.fields import IdField, SafeJSONField, SafeTextField
from accounts.models import Organization


class Tool(models.Model):
    """What agents attach: a function of this server, or one that the organization has written.

    Those of the server (built-in, and of further apps) have no `source_code`; how they run is in tools/registry.py,
    under the same name. The organization's own have one, and may have the name of another kind of tool: both are then
    there, and each agent holds whichever was attached to it.

    json_schema        what models are shown, `{name, description, parameters}`
    args_json_schema   the `parameters` as the client gave them, if it did
    pip_requirements   [{name, version}]
    """

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
    source_code = SafeTextField(null=True, blank=True)
    source_type = models.CharField(max_length=16, default="python")
    json_schema = SafeJSONField(default=dict)
    args_json_schema = SafeJSONField(null=True, blank=True)
    pip_requirements = SafeJSONField(null=True, blank=True)
    default_requires_approval = models.BooleanField(null=True, blank=True)
    tags = ArrayField(SafeTextField(), default=list, blank=True)
    return_char_limit = models.PositiveIntegerField(default=50_000)
    enable_parallel_execution = models.BooleanField(default=False)
    metadata = SafeJSONField(default=dict, blank=True)
    project_id = SafeTextField(null=True, blank=True)
    created_by_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    last_updated_by_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "name"], condition=models.Q(source_code=None), name="server_tool_once"
            ),
            models.UniqueConstraint(
                fields=["organization", "name"],
                condition=models.Q(source_code__isnull=False),
                name="own_tool_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name
