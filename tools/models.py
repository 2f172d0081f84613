"""The tools of an organization: the built-in ones, listed so that agents can attach them, its own, and those of its MCP
servers.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.fields import IdField, SafeJSONField, SafeTextField
from accounts.models import Organization


class McpServer(models.Model):
    """A server of tools, registered by an organization; what it offers are rows of Tool.

    url, auth_header   of a server that is reached over the network; empty for a command
    command, args      of one that is a command, run by the workers
    secrets            auth_token, custom headers and variables: tools/mcp/secrets.py
    health             of the last attempt to list its tools, at checked_at; `error` says why it failed
    synced_at          when the tools were last those that it lists
    """

    class Type(models.TextChoices):
        STREAMABLE_HTTP = "streamable_http"
        SSE = "sse"
        STDIO = "stdio"

    class Health(models.TextChoices):
        UNKNOWN = "unknown"
        HEALTHY = "healthy"
        FAILING = "failing"

    id = IdField("mcp_server")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    name = SafeTextField()
    server_type = models.CharField(max_length=16, choices=Type)
    url = SafeTextField(default="", blank=True)
    auth_header = SafeTextField(null=True, blank=True)
    command = SafeTextField(default="", blank=True)
    args = ArrayField(SafeTextField(), default=list, blank=True)
    secrets = SafeJSONField(default=dict, blank=True, editable=False)
    health = models.CharField(max_length=16, choices=Health, default=Health.UNKNOWN)
    error = SafeTextField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    synced_at = models.DateTimeField(null=True, blank=True)
    created_by_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    last_updated_by_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "MCP server"
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="mcp_server_name_once")]

    def __str__(self) -> str:
        return self.name


class Tool(models.Model):
    """What agents attach: a function of this server, or one that the organization has written.

    Those of the server (built-in, and of further apps) have no `source_code`; how they run is in tools/registry.py,
    under the same name. The organization's own have one, and may have the name of another kind of tool: both are then
    there, and each agent holds whichever was attached to it. Those of an MCP server have neither source nor function,
    but an `mcp_server`.

    json_schema        what models are shown, `{name, description, parameters}`
    args_json_schema   the `parameters` as the client gave them, if it did
    pip_requirements   [{name, version}]; package_* say how their installation stands: tools/packages.py
    metadata           of the client; "mcp" in it is {server_id, server_name, tool_name}: what the MCP server calls it
    """

    class Type(models.TextChoices):
        CUSTOM = "custom"
        CORE = "letta_core"
        MEMORY = "letta_memory_core"
        SLEEPTIME = "letta_sleeptime_core"
        MULTI_AGENT = "letta_multi_agent_core"
        FILES = "letta_files_core"
        BUILTIN = "letta_builtin"
        MCP = "external_mcp"

    class Packages(models.TextChoices):
        NONE = ""
        WAITING = "waiting"
        BUILDING = "building"
        READY = "ready"
        FAILED = "failed"

    id = IdField("tool")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    name = models.CharField(max_length=64)
    tool_type = models.CharField(max_length=32, choices=Type, default=Type.CUSTOM)
    description = SafeTextField(default="", blank=True)
    source_code = SafeTextField(null=True, blank=True)
    source_type = models.CharField(max_length=16, default="python")
    mcp_server = models.ForeignKey(McpServer, models.CASCADE, null=True, blank=True, related_name="tools")
    json_schema = SafeJSONField(default=dict)
    args_json_schema = SafeJSONField(null=True, blank=True)
    pip_requirements = SafeJSONField(null=True, blank=True)
    package_state = models.CharField(max_length=16, choices=Packages, default=Packages.NONE, blank=True)
    package_error = SafeTextField(null=True, blank=True)
    package_folder = models.CharField(max_length=32, default="", blank=True, editable=False)
    package_at = models.DateTimeField(null=True, blank=True, editable=False)
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
                fields=["organization", "name"],
                condition=models.Q(source_code=None, mcp_server=None),
                name="server_tool_once",
            ),
            models.UniqueConstraint(
                fields=["organization", "name"],
                condition=models.Q(source_code__isnull=False),
                name="own_tool_once",
            ),
            models.UniqueConstraint(
                fields=["mcp_server", "name"], condition=models.Q(mcp_server__isnull=False), name="mcp_tool_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["package_at"],
                condition=models.Q(package_state__in=["waiting", "building"]),
                name="tool_packages_to_build",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_of_server(self) -> bool:
        """A function of this server, in tools/registry.py."""
        return self.source_code is None and self.mcp_server_id is None
