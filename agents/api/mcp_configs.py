"""What clients may say of an MCP server, and the columns that it makes. Secrets go in, and only their ends come out."""

import re
from typing import Any

from rest_framework import serializers

from agents.api.serializers import Object, Strings, Text
from agents.api.shapes.values import Shape, moment
from agents.errors import BadRequest, invalid
from tools.guard import check_url, origin
from tools.mcp.secrets import HIDDEN, OnlyTheEnd, sealed, shown
from tools.models import McpServer

MAX_NAME = 200
MAX_ENTRIES = 100

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_NOT_YOURS = ("host", "connection", "content-length", "transfer-encoding", "accept-encoding")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")


class Pairs(Object):
    """Names with texts."""

    def to_internal_value(self, data: Any) -> dict[str, str]:
        pairs = super().to_internal_value(data)
        if len(pairs) > MAX_ENTRIES:
            raise serializers.ValidationError(f"Should have {MAX_ENTRIES} entries at most")
        for name, value in pairs.items():
            if not isinstance(value, str):
                raise serializers.ValidationError({name: "Should be a string"})
            if problem := self.problem(name, value.removeprefix(HIDDEN)):
                raise serializers.ValidationError({name: problem})
        return pairs

    def problem(self, name: str, value: str) -> str | None:
        raise NotImplementedError


class Headers(Pairs):
    def problem(self, name: str, value: str) -> str | None:
        if not _HEADER.fullmatch(name) or name.lower() in _NOT_YOURS:
            return "Is no header that can be set"
        return None if _HEADER_VALUE.fullmatch(value) else "A header's value has no control characters"


class Variables(Pairs):
    def problem(self, name: str, value: str) -> str | None:
        if not _VARIABLE.fullmatch(name):
            return "Is no name of a variable"
        return "A variable's value has no NUL character" if "\x00" in value else None


class ConfigFields(serializers.Serializer):
    """Of all three kinds. In a change, what is null or left out stays; "" and {} take it away."""

    mcp_server_type = serializers.ChoiceField(choices=McpServer.Type.choices, required=False)
    server_url = Text(required=False, allow_null=True, max_length=4000)
    auth_header = Text(required=False, allow_null=True)
    auth_token = Text(required=False, allow_null=True, max_length=20_000)
    custom_headers = Headers(required=False, allow_null=True)
    command = Text(required=False, allow_null=True, max_length=4000)
    args = Strings(required=False, allow_null=True)
    env = Variables(required=False, allow_null=True)

    def validate_server_url(self, value: str | None) -> str | None:
        try:
            if value is not None:
                check_url(value)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None
        return value

    def validate_auth_header(self, value: str | None) -> str | None:
        if value and (problem := Headers().problem(value, "")):
            raise serializers.ValidationError(problem)
        return value

    def validate_auth_token(self, value: str | None) -> str | None:
        if value and (problem := Headers().problem("X", value.removeprefix(HIDDEN))):
            raise serializers.ValidationError(problem)
        return value


class McpServerFields(serializers.Serializer):
    server_name = Text(max_length=MAX_NAME, allow_blank=False)
    config = ConfigFields()


class McpServerChange(serializers.Serializer):
    server_name = Text(max_length=MAX_NAME, allow_blank=False, required=False, allow_null=True)
    config = ConfigFields(required=False, allow_null=True)


def columns_of(given: dict[str, Any], before: McpServer | None, stdio_is_allowed: bool) -> dict[str, Any]:
    """`given`: validated fields of one of the two. Raises InvalidRequest, or BadRequest where commands are off."""
    columns: dict[str, Any] = {"name": given["server_name"]} if given.get("server_name") else {}
    config = {name: value for name, value in (given.get("config") or {}).items() if value is not None}
    if not config and before:
        return columns
    kind = config.get("mcp_server_type") or (before.server_type if before else _kind(config))
    if kind == McpServer.Type.STDIO and not stdio_is_allowed:
        raise BadRequest(
            "MCP servers that are commands (stdio) are off on this server, since they run with its workers' rights. "
            "An admin can allow them: PERDURE_ALLOW_MCP_STDIO=1"
        )
    same = before if before and (before.server_type == "stdio") == (kind == "stdio") else None
    try:
        return columns | (_by_command(config, same) if kind == "stdio" else _over_network(kind, config, same))
    except OnlyTheEnd as error:
        problem = f"Of {error} only the end is given, and what it was is not kept for this place. Give it whole"
        raise invalid(["body", "config"], problem) from None


def mcp_server_shape(server: McpServer) -> Shape:
    head: Shape = {
        "id": server.id,
        "server_name": server.name,
        "mcp_server_type": server.server_type,
        "organization_id": server.organization_id,
        "health": server.health,
        "health_error": server.error,
        "checked_at": moment(server.checked_at),
        "synced_at": moment(server.synced_at),
        "created_by_id": server.created_by_id,
        "last_updated_by_id": server.last_updated_by_id,
    }
    if server.server_type == McpServer.Type.STDIO:
        return head | {"command": server.command, "args": server.args, "env": shown(server.secrets, "env:") or None}
    return head | {
        "server_url": server.url,
        "auth_header": server.auth_header,
        "auth_token": shown(server.secrets, "auth_token").get(""),
        "custom_headers": shown(server.secrets, "header:") or None,
    }


def _kind(config: dict[str, Any]) -> str:
    """As the contract has it: a command is stdio, and a URL alone is streamable HTTP."""
    return McpServer.Type.STDIO if "command" in config else McpServer.Type.STREAMABLE_HTTP


def _over_network(kind: str, config: dict[str, Any], before: McpServer | None) -> dict[str, Any]:
    url = config.get("server_url") or (before.url if before else "")
    if not url:
        raise invalid(["body", "config", "server_url"], "This field is required", "missing")
    # Secrets stay with the place that they were given for: else whoever may change the URL could read them there.
    kept = before.secrets if before and origin(before.url) == origin(url) else {}
    token = {"auth_token": config["auth_token"]} if config.get("auth_token") else {}
    secrets = _kept(kept, "auth_token", config.get("auth_token")) | sealed(
        token | _prefixed("header:", config.get("custom_headers")), kept
    )
    secrets |= {} if config.get("custom_headers") is not None else _kept(kept, "header:", None)
    header = config.get("auth_header", before.auth_header if before else None) or None
    return {"server_type": kind, "url": url, "auth_header": header, "secrets": secrets, "command": "", "args": []}


def _by_command(config: dict[str, Any], before: McpServer | None) -> dict[str, Any]:
    command = config.get("command") or (before.command if before else "")
    if not command:
        raise invalid(["body", "config", "command"], "This field is required", "missing")
    args = config.get("args", before.args if before else [])
    if any("\x00" in text for text in (command, *args)):
        raise invalid(["body", "config", "args"], "Should have no NUL character", "string_type")
    kept = before.secrets if before and before.command == command else {}
    env = config.get("env")
    secrets = _kept(kept, "env:", env) | sealed(_prefixed("env:", env), kept)
    return {
        "server_type": McpServer.Type.STDIO, "command": command, "args": args, "secrets": secrets,
        "url": "", "auth_header": None,
    }  # fmt: skip


def _kept(secrets: dict[str, Any], prefix: str, given: Any) -> dict[str, Any]:
    """Those of the prefix, where nothing else is given."""
    return {name: entry for name, entry in secrets.items() if name.startswith(prefix)} if given is None else {}


def _prefixed(prefix: str, pairs: dict[str, str] | None) -> dict[str, str]:
    return {f"{prefix}{name}": value for name, value in (pairs or {}).items()}
