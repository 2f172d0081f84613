"""What clients may send of a tool, and the columns that it makes: mostly from the source, by tools/schema."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from agents.api.serializers import Object, Tags, Text
from agents.api.shapes.tools import PACKAGES
from agents.errors import BadRequest, invalid
from tools import packages
from tools.arguments import schema_fault
from tools.models import Tool
from tools.schema import NAME, SchemaError, schema_from_source

MAX_RETURN_CHARS = 1_000_000

_PLAIN = ("tags", "return_char_limit", "default_requires_approval", "enable_parallel_execution", "project_id")
_OF_SCHEMA = ("source_code", "json_schema", "args_json_schema", "description")
_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}, "required": []}


class Requirements(serializers.ListField):
    def __init__(self, **kwargs: Any):
        super().__init__(child=Object(), required=False, allow_null=True, **kwargs)


class Language(Text):
    """`python`. `json` is what the archived server reported of a tool whose type it had not been told."""

    def to_internal_value(self, data: Any) -> str:
        language = super().to_internal_value(data)
        if language not in ("python", "json", ""):
            raise serializers.ValidationError(f"Tools are written in python here, not in {language}")
        return language


class ToolFields(serializers.Serializer):
    """A PATCH sends some of them. What is null stays as it is."""

    source_code = Text()
    source_type = Language(required=False, allow_null=True)
    description = Text(required=False, allow_null=True)
    json_schema = Object(required=False, allow_null=True)
    args_json_schema = Object(required=False, allow_null=True)
    tags = Tags(required=False, allow_null=True)
    return_char_limit = serializers.IntegerField(
        min_value=1, max_value=MAX_RETURN_CHARS, required=False, allow_null=True
    )
    default_requires_approval = serializers.BooleanField(required=False, allow_null=True)
    enable_parallel_execution = serializers.BooleanField(required=False, allow_null=True)
    metadata_ = Object(required=False, allow_null=True)
    project_id = Text(required=False, allow_null=True)
    pip_requirements = Requirements()
    npm_requirements = Requirements()

    def validate_json_schema(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is None:
            return None
        name = value.get("name")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise serializers.ValidationError({"name": "Should be 1 to 64 of the letters a-z, digits, _ and -"})
        if not isinstance(value.get("description", ""), str):
            raise serializers.ValidationError({"description": "Should be a string"})
        if problem := schema_fault(value.get("parameters", _NO_PARAMETERS)):
            raise serializers.ValidationError({"parameters": problem})
        return {"description": "", "parameters": _NO_PARAMETERS} | value

    def validate_args_json_schema(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and (problem := schema_fault(value)):
            raise serializers.ValidationError(problem)
        return value


class ToolChange(ToolFields):
    source_code = Text(required=False, allow_null=True)


def columns_of_new(body: Any) -> dict[str, Any]:
    """Raises BadRequest for a source that has no schema."""
    given = _given(ToolFields(data=body))
    return _plain(given) | _derived(given, given["source_code"])


def columns_of_change(body: Any, tool: Tool) -> dict[str, Any]:
    """Raises BadRequest, also for a tool of the server whose source or schema is to change."""
    given = _given(ToolChange(data=body))
    if tool.mcp_server_id and "metadata_" in given:
        given["metadata_"] |= {"mcp": tool.metadata.get("mcp")}  # by which it is called
    if not any(name in given for name in _OF_SCHEMA):
        return _plain(given)
    if tool.mcp_server_id:
        raise BadRequest(f"{tool.name} is described by its MCP server. Change it there, and refresh the server here.")
    if tool.source_code is None:
        raise BadRequest(
            f"{tool.name} is a function of this server, whose code and description cannot be changed here. "
            "Create a tool of your own, and attach it by its id."
        )
    if given.keys() & {"source_code", "json_schema", "args_json_schema"}:
        return _plain(given) | _derived(given, given.get("source_code", tool.source_code))
    schema = tool.json_schema | {"description": given["description"]}
    return _plain(given) | {"description": given["description"], "json_schema": schema}


def derived_schema(source: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
    """The JSON schema of the source's last function. Raises BadRequest."""
    try:
        return schema_from_source(source, parameters)
    except SchemaError as error:
        raise BadRequest(f"Failed to derive json schema: {error}") from None


def _given(fields: ToolFields) -> dict[str, Any]:
    fields.is_valid(raise_exception=True)
    given = {name: value for name, value in fields.validated_data.items() if value is not None}
    if given.get("npm_requirements"):
        raise BadRequest("Tools are written in Python here and use no npm packages: leave npm_requirements out.")
    if given.get("pip_requirements") and not settings.ALLOW_TOOL_PACKAGES:
        raise BadRequest(
            "This server installs no packages for tools: leave pip_requirements out. "
            "An admin can allow them: PERDURE_TOOL_PACKAGES=1"
        )
    return given


def _plain(given: dict[str, Any]) -> dict[str, Any]:
    columns = {name: given[name] for name in _PLAIN if name in given}
    if "metadata_" in given:
        # What the shape of the tool adds to it is nothing that a client can say.
        columns["metadata"] = {name: value for name, value in given["metadata_"].items() if name != PACKAGES}
    if "pip_requirements" in given:
        try:
            columns |= packages.columns(given["pip_requirements"])
        except ValueError as error:
            raise invalid(["body", "pip_requirements"], str(error)) from None
    return columns


def _derived(given: dict[str, Any], source: str) -> dict[str, Any]:
    """All that follows from the source, and from the schemas that are given instead of its own.

    The last function is what runs, whatever name a given `json_schema` shows it by.
    """
    whole, arguments = given.get("json_schema"), given.get("args_json_schema")
    schema = derived_schema(source, whole["parameters"] if whole else arguments)
    if whole:
        schema = whole
    elif "description" in given:
        schema |= {"description": given["description"]}
    return {
        "name": schema["name"],
        "description": given.get("description", schema["description"]),
        "source_code": source,
        "json_schema": schema,
        "args_json_schema": arguments,
    }
