"""An agent: its instructions, its model, and what it has been given (blocks, tools, archives)."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from accounts.fields import IdField, SafeJSONField, SafeTextField
from accounts.models import Organization
from memory.models import Archive, Block, File, Folder
from tools.models import Tool


class Agent(models.Model):
    """`model` is a handle, "provider/model". JSON columns hold the API's own objects of the same names."""

    class Type(models.TextChoices):
        LETTA_V1 = "letta_v1_agent"
        MEMGPT = "memgpt_agent"
        MEMGPT_V2 = "memgpt_v2_agent"
        REACT = "react_agent"
        WORKFLOW = "workflow_agent"
        SPLIT_THREAD = "split_thread_agent"
        SLEEPTIME = "sleeptime_agent"
        VOICE_CONVO = "voice_convo_agent"
        VOICE_SLEEPTIME = "voice_sleeptime_agent"

    id = IdField("agent")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="agents")
    name = SafeTextField()
    agent_type = models.CharField(max_length=32, choices=Type, default=Type.LETTA_V1)
    description = SafeTextField(null=True, blank=True)
    system = SafeTextField(help_text="Instructions. Core memory is put in the place of {CORE_MEMORY}, or after them.")
    model = SafeTextField(help_text='Handle, "provider/model"')
    embedding = SafeTextField(null=True, blank=True, help_text="Handle of the embedding model; none: search by words")
    context_window_limit = models.PositiveIntegerField(null=True, blank=True, help_text="Tokens; none: the model's own")
    model_settings = SafeJSONField(default=dict, blank=True)
    compaction_settings = SafeJSONField(null=True, blank=True)
    retrieval = SafeJSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text='Told with each message: {"sources": ["archives", "messages"], "tokens": 1000}; empty: nothing',
    )
    response_format = SafeJSONField(null=True, blank=True)
    tool_rules = SafeJSONField(default=list, blank=True)
    tags = ArrayField(SafeTextField(), default=list, blank=True)
    metadata = SafeJSONField(null=True, blank=True)
    timezone = models.CharField(max_length=64, default="UTC")
    hidden = models.BooleanField(null=True, blank=True)
    message_buffer_autoclear = models.BooleanField(default=False)
    max_files_open = models.PositiveIntegerField(default=10)
    per_file_view_window_char_limit = models.PositiveIntegerField(default=25_000)
    initial_messages = SafeJSONField(
        default=list, blank=True, editable=False, help_text="[{role, content}] that its own thread begins with"
    )
    labels_of_origin = SafeJSONField(
        default=dict, blank=True, help_text="template and project ids that clients keep here"
    )
    sealed_secrets = models.TextField(default="", blank=True, editable=False)
    blocks = models.ManyToManyField(Block, through="AgentBlock", related_name="agents")
    tools = models.ManyToManyField(Tool, through="AgentTool", related_name="agents")
    archives = models.ManyToManyField(Archive, through="AgentArchive", related_name="agents")
    folders = models.ManyToManyField(Folder, through="AgentFolder", related_name="agents")
    created_by_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    last_updated_by_id = models.CharField(max_length=56, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [
            models.Index(fields=["organization", "-created_at", "id"], name="agent_newest"),
            models.Index(fields=["organization", "-updated_at", "id"], name="agent_changed"),
            models.Index(fields=["organization", "name"], name="agent_by_name"),
            models.Index(
                fields=["embedding"], condition=models.Q(embedding__isnull=False), name="agent_with_embedding"
            ),
            GinIndex(fields=["tags"], name="agent_tags"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def clears_buffer(self) -> bool:
        """Whether each run begins without what was said before (agents/ledger.py)."""
        return self.message_buffer_autoclear or self.agent_type == self.Type.WORKFLOW


class AgentBlock(models.Model):
    """Attachment; blocks stand in the prompt in the order of `id`, so that it is the same bytes every time."""

    agent = models.ForeignKey(Agent, models.CASCADE)
    block = models.ForeignKey(Block, models.CASCADE)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "block"], name="block_attached_once")]


class AgentTool(models.Model):
    agent = models.ForeignKey(Agent, models.CASCADE)
    tool = models.ForeignKey(Tool, models.CASCADE)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "tool"], name="tool_attached_once")]


class AgentArchive(models.Model):
    agent = models.ForeignKey(Agent, models.CASCADE)
    archive = models.ForeignKey(Archive, models.CASCADE)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "archive"], name="archive_attached_once")]


class AgentFolder(models.Model):
    """Attachment; folders stand in the prompt in the order of `id`."""

    agent = models.ForeignKey(Agent, models.CASCADE)
    folder = models.ForeignKey(Folder, models.CASCADE)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "folder"], name="folder_attached_once")]


class AgentFile(models.Model):
    """How an agent sees a file of its folders: there is a row for each of their files.

    first_line    of the window, and last_line; none while it is closed
    wanted_lines  how many were asked for; none: as many as there is room for
    window        the text of these lines, cut where the room ends
    accessed_at   when it was opened: the file that the agent has left alone for the longest time is closed first
    """

    id = IdField("file_agent")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="files")
    file = models.ForeignKey(File, models.CASCADE, related_name="+")
    is_open = models.BooleanField(default=False)
    first_line = models.PositiveIntegerField(null=True, blank=True)
    last_line = models.PositiveIntegerField(null=True, blank=True)
    wanted_lines = models.PositiveIntegerField(null=True, blank=True)
    window = SafeTextField(null=True, blank=True)
    accessed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "file"], name="agent_file_once")]
        indexes = [
            models.Index(fields=["agent", "-created_at", "id"], name="agent_file_newest"),
            models.Index(fields=["agent"], condition=models.Q(is_open=True), name="agent_file_open"),
        ]
