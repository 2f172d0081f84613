"""What clients may send to make or change agents and blocks. Unknown fields are ignored, as the contract has it."""

import json
import re
from typing import Any
from zoneinfo import ZoneInfo

from rest_framework import serializers

from agents.api.compaction import compaction_settings
from agents.api.model_fields import model_columns
from agents.api.shapes.agents import AGENT_ORIGIN
from agents.api.shapes.memory import BLOCK_ORIGIN
from agents.errors import InvalidRequest
from agents.models import Agent
from agents.retrieval import retrieval_faults
from memory.core import DEFAULT_LIMIT, LABEL

RULE_TYPES = (
    "constrain_child_tools",
    "conditional",
    "continue_loop",
    "run_first",
    "max_count_per_step",
    "parent_last_tool",
    "required_before_exit",
    "requires_approval",
    "exit_loop",
)


LONGEST = 1_000_000
"""Characters of one field. Pictures in messages may have more; but of most things a page tells a thousand at once."""


def check_length(value: Any) -> None:
    """Of a field that is JSON. Raises ValidationError."""
    if len(json.dumps(value)) > LONGEST:
        raise serializers.ValidationError(f"Should have at most {LONGEST:,} characters")


class Text(serializers.CharField):
    """Any text at all: white space is kept, NUL is replaced when it is stored. What is not bounded may be as long as
    the body."""

    def __init__(self, is_bounded: bool = True, **kwargs: Any):
        super().__init__(**{"trim_whitespace": False, "allow_blank": True} | kwargs)
        self.is_bounded = is_bounded
        self.validators: list[Any] = [v for v in self.validators if type(v).__name__ not in _REFUSED_VALIDATORS]

    def to_internal_value(self, data: Any) -> str:
        # DRF would turn numbers into text; the contract says string.
        if not isinstance(data, str):
            self.fail("invalid")
        # Not as `max_length`: the document would tell it with each field, and what reads it would try all of them.
        if self.is_bounded and len(data) > LONGEST:
            raise serializers.ValidationError(f"Should have at most {LONGEST:,} characters")
        return data


_REFUSED_VALIDATORS = ("ProhibitNullCharactersValidator", "ProhibitSurrogateCharactersValidator")


class Label(Text):
    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not LABEL.fullmatch(text):
            raise serializers.ValidationError("A label has letters, digits, '_', '-' and '/' only")
        return text


class Strings(serializers.ListField):
    def __init__(self, **kwargs: Any):
        super().__init__(child=Text(), **kwargs)


class Tags(serializers.ListField):
    """Each once, in the order in which they were given."""

    def __init__(self, **kwargs: Any):
        super().__init__(**{"child": Text()} | kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        tags = list(dict.fromkeys(super().to_internal_value(data)))
        check_length(tags)
        return tags


class TimeZone(Text):
    """The name of a time zone, as its database on this machine has it."""

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise serializers.ValidationError(
                f"{name!r} is no known time zone. Write an IANA name, for example Europe/Vienna"
            ) from None
        return name


class Object(serializers.JSONField):
    """A JSON object. One that is not bounded may be as long as the body."""

    def __init__(self, is_bounded: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        self.is_bounded = is_bounded

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError("Should be an object")
        if self.is_bounded:
            check_length(data)
        return data


class Compaction(Object):
    """`compaction_settings`."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        try:
            return compaction_settings(super().to_internal_value(data), []) or {}
        except InvalidRequest as error:
            places = {str(problem["loc"][-1]): problem["msg"] for problem in error.problems}
            raise serializers.ValidationError(places) from None


class Retrieval(Object):
    """What of its memory an agent is told with each message; empty: nothing."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        given = super().to_internal_value(data)
        if faults := retrieval_faults(given):
            raise serializers.ValidationError(faults)
        return given


class Rules(serializers.ListField):
    def __init__(self, **kwargs: Any):
        super().__init__(child=Object(), **kwargs)

    def to_internal_value(self, data: Any) -> list[dict[str, Any]]:
        rules = super().to_internal_value(data)
        check_length(rules)
        for rule in rules:
            if not isinstance(rule.get("tool_name"), str) or rule.get("type") not in RULE_TYPES:
                raise serializers.ValidationError(f"A rule has a tool_name, and a type of {', '.join(RULE_TYPES)}")
        return rules


class BlockFields(serializers.Serializer):
    """The fields of a block; a PATCH sends some of them."""

    label = Label()
    value = Text()
    limit = serializers.IntegerField(min_value=1, max_value=2_000_000_000, default=DEFAULT_LIMIT)
    description = Text(allow_null=True, required=False)
    read_only = serializers.BooleanField(default=False)
    hidden = serializers.BooleanField(allow_null=True, required=False)
    tags = Tags(allow_null=True, required=False)
    metadata = Object(allow_null=True, required=False)
    project_id = Text(allow_null=True, required=False)
    template_name = Text(allow_null=True, required=False)
    is_template = serializers.BooleanField(required=False)
    template_id = Text(allow_null=True, required=False)
    base_template_id = Text(allow_null=True, required=False)
    deployment_id = Text(allow_null=True, required=False)
    entity_id = Text(allow_null=True, required=False)
    preserve_on_migration = serializers.BooleanField(allow_null=True, required=False)


class ImportedBlock(BlockFields):
    """A block of a file. What the server gives, such as times, is read over; what is not said stays as it is."""

    id = Text(required=False, allow_null=True)
    limit = serializers.IntegerField(min_value=1, max_value=2_000_000_000, required=False)
    read_only = serializers.BooleanField(required=False)


class BlockImportFields(serializers.Serializer):
    blocks = ImportedBlock(many=True, allow_empty=False)
    agent_id = Text(required=False, allow_null=True)


def block_columns(fields: dict[str, Any]) -> dict[str, Any]:
    """The validated fields of a block as columns of Block."""
    columns = {name: value for name, value in fields.items() if name not in BLOCK_ORIGIN}
    origin = {name: fields[name] for name in BLOCK_ORIGIN if name in fields}
    if origin:
        columns["labels_of_origin"] = origin
    for name, empty in (("tags", []), ("metadata", {})):
        if name in columns and columns[name] is None:
            columns[name] = empty
    return columns


class AgentFields(serializers.Serializer):
    """What a client may say of an agent, both when it is made and when it is changed."""

    name = Text(required=False, allow_null=True, max_length=200)
    agent_type = serializers.ChoiceField(choices=Agent.Type.choices, required=False)
    system = Text(required=False, allow_null=True)
    description = Text(required=False, allow_null=True)
    model = Text(required=False, allow_null=True)
    llm_config = Object(required=False, allow_null=True)
    model_settings = Object(required=False, allow_null=True)
    embedding = Text(required=False, allow_null=True)
    embedding_config = Object(required=False, allow_null=True)
    context_window_limit = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=2**31 - 1)
    max_tokens = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    parallel_tool_calls = serializers.BooleanField(required=False, allow_null=True)
    enable_reasoner = serializers.BooleanField(required=False, allow_null=True)
    reasoning = serializers.BooleanField(required=False, allow_null=True)
    max_reasoning_tokens = serializers.IntegerField(required=False, allow_null=True, min_value=0)
    compaction_settings = Compaction(required=False, allow_null=True)
    retrieval = Retrieval(required=False, allow_null=True)
    response_format = Object(required=False, allow_null=True)
    tool_rules = Rules(required=False, allow_null=True)
    # Each fits into an entry of an index, whatever its letters.
    tags = Tags(child=Text(max_length=500), required=False, allow_null=True)
    metadata = Object(required=False, allow_null=True)
    timezone = TimeZone(required=False, allow_null=True, allow_blank=False, max_length=64)
    hidden = serializers.BooleanField(required=False, allow_null=True)
    message_buffer_autoclear = serializers.BooleanField(required=False, allow_null=True)
    max_files_open = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=2**31 - 1)
    per_file_view_window_char_limit = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=2**31 - 1
    )
    secrets = Object(required=False, allow_null=True)
    tool_exec_environment_variables = Object(required=False, allow_null=True)
    project_id = Text(required=False, allow_null=True)
    template_id = Text(required=False, allow_null=True)
    base_template_id = Text(required=False, allow_null=True)
    deployment_id = Text(required=False, allow_null=True)
    entity_id = Text(required=False, allow_null=True)
    block_ids = Strings(required=False, allow_null=True)
    tool_ids = Strings(required=False, allow_null=True)
    identity_ids = Strings(required=False, allow_null=True)
    folder_ids = Strings(required=False, allow_null=True)
    source_ids = Strings(required=False, allow_null=True)
    message_ids = Strings(required=False, allow_null=True)

    def validate_name(self, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[\w '\-.()]+", value):
            raise serializers.ValidationError("A name has letters, digits, spaces and _ - ' . ( ) only")
        return value

    def columns(self, agent: Agent | None = None) -> dict[str, Any]:
        """The validated fields as columns of Agent, of this one if it is there; what is null stays as it is."""
        given = {name: value for name, value in self.validated_data.items() if value is not None}
        columns = {name: given[name] for name in _AGENT_COLUMNS if name in given}
        origin = {name: given[name] for name in AGENT_ORIGIN if name in given}
        if origin:
            columns["labels_of_origin"] = (agent.labels_of_origin if agent else {}) | origin
        if "embedding" not in columns and (handle := (given.get("embedding_config") or {}).get("handle")):
            columns["embedding"] = handle
        return columns | model_columns(given, agent)

    def secret_values(self) -> dict[str, str] | None:
        given = self.validated_data
        chosen = (
            given.get("secrets") if given.get("secrets") is not None else given.get("tool_exec_environment_variables")
        )
        return None if chosen is None else {str(name): str(value) for name, value in chosen.items()}


class NewAgent(AgentFields):
    memory_blocks = BlockFields(many=True, required=False, allow_null=True)
    tools = Strings(required=False, allow_null=True)
    include_base_tools = serializers.BooleanField(default=True, allow_null=True)
    include_base_tool_rules = serializers.BooleanField(default=True, allow_null=True)
    initial_message_sequence = serializers.ListField(child=Object(is_bounded=False), required=False, allow_null=True)

    def validate_memory_blocks(self, blocks: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        labels = [block["label"] for block in blocks or ()]
        if len(set(labels)) < len(labels):
            raise serializers.ValidationError("Each block of an agent has a label of its own")
        return blocks


_AGENT_COLUMNS = (
    "name",
    "agent_type",
    "system",
    "description",
    "embedding",
    "compaction_settings",
    "retrieval",
    "tool_rules",
    "tags",
    "metadata",
    "timezone",
    "hidden",
    "message_buffer_autoclear",
    "max_files_open",
    "per_file_view_window_char_limit",
)


class ResetFields(serializers.Serializer):
    add_default_initial_messages = serializers.BooleanField(default=False, allow_null=True)
