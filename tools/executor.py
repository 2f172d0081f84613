"""Run one call of a registered tool, and turn whatever comes of it into a ToolReturn."""

import json
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from django.db import InterfaceError, OperationalError, transaction

from accounts.fields import clean_text
from memory.archival import Archival, Found, PassageTooLong
from memory.core import BlockEditError, CoreMemory
from memory.recall import Near
from memory.search import SearchError
from tools.abort import Abort
from tools.registry import RegisteredTool
from tools.sandbox import Runner
from tools.spec import Status, ToolCall, ToolError, ToolReturn

TOLD_TO_MODEL = (ToolError, BlockEditError, SearchError, PassageTooLong)

IN_COMMIT = ("state", "ask")
"""The effects of tools that run inside a transaction of ours."""

_SERVER_PATHS = (str(Path(__file__).resolve().parent.parent), sys.prefix, sys.base_prefix)


class Mail(Protocol):
    """Messages to other agents of the organization. Each raises ToolError where one cannot be sent."""

    def send(self, message: str, agent_id: str) -> None: ...

    def ask(self, message: str, agent_id: str) -> None: ...

    def ask_tagged(self, message: str, match_all: Sequence[str], match_some: Sequence[str]) -> None: ...


class FileChange(Protocol):
    """Paths of files that were opened, each with the lines that are shown, and of files that were closed."""

    opened: list[str]
    closed: list[str]


class Files(Protocol):
    """The files of the agent's folders. Each raises ToolError where it cannot be done."""

    def open(self, requests: Sequence[Mapping[str, Any]], close_all_others: bool) -> FileChange: ...

    def grep(self, pattern: str, include: str | None, context_lines: int, offset: int) -> str: ...

    def search(self, query: str, limit: int) -> tuple[Found, dict[str, str]]: ...


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a trusted tool may know and use besides its arguments.

    `effect_key` is the same when the same call is run again. `messages` is the queryset that recall memory searches,
    and `near` tells which of them are near by their vectors; without it words alone count.
    `abort` is the stop button of what waits; a tool of kind "state" has none, and no sandbox.
    """

    organization_id: str
    agent_id: str
    conversation_id: str
    effect_key: str
    core: CoreMemory
    archival: Archival
    messages: Any
    mail: Mail
    files: Files
    now: datetime
    near: Near | None = None
    sandbox: Runner | None = None
    abort: Abort | None = None


def run(
    registered: RegisteredTool,
    arguments: dict[str, Any],
    context: ToolContext,
    call: ToolCall,
    return_chars: int | None = None,
) -> ToolReturn:
    """A tool that fails changes nothing: its rows and its edits of core memory are taken back.

    return_chars  how much of the return the model is given, where it is not as the tool itself says

    Raises only what a tool inside a transaction gets from a database that is away: then the step has to run again.
    """
    before, limit = context.core.blocks, return_chars or registered.spec.return_chars
    try:
        return returned(call, "success", as_text(_called(registered, arguments, context)), limit)
    except TOLD_TO_MODEL as error:
        context.core.restore(before)
        return returned(call, "error", str(error), limit)
    except Exception as error:
        context.core.restore(before)
        if registered.spec.effect in IN_COMMIT and isinstance(error, OperationalError | InterfaceError):
            raise
        text = f"Error executing function {call.name}: {type(error).__name__}: {error}"
        return returned(call, "error", _without_paths(text), limit, stderr=_traceback(error))


def _called(registered: RegisteredTool, arguments: dict[str, Any], context: ToolContext) -> Any:
    # A savepoint, because after a failed statement the transaction that records the result could not go on.
    with transaction.atomic() if registered.spec.effect in IN_COMMIT else nullcontext():
        if registered.takes_context:
            return registered.function(context, **arguments)
        return registered.function(**arguments)


def as_text(result: Any) -> str:
    """What a tool returned, as models read it."""
    if result is None or isinstance(result, str):
        return str(result)
    return json.dumps(result, ensure_ascii=False, default=str)


def returned(
    call: ToolCall,
    status: Status,
    text: str,
    limit: int,
    stdout: list[str] | None = None,
    stderr: list[str] | None = None,
) -> ToolReturn:
    shown = clean_text(_cut(text, limit))
    return ToolReturn(call.id, call.name, status, shown, _clean(stdout), _clean(stderr))


def _clean(lines: list[str] | None) -> list[str] | None:
    return lines and [clean_text(line) for line in lines]


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    excess = f"{len(text)} > {limit}"
    return f"{text[:limit]}... [NOTE: function output was truncated since it exceeded the character limit: {excess}]"


def _traceback(error: Exception) -> list[str]:
    """Like Python's own, but with the names of modules for the paths of files: users may read it."""
    places = [
        f"  {frame.f_globals.get('__name__')}, line {line}, in {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals is not globals()
    ]
    last = [_without_paths(line.rstrip("\n")) for line in traceback.format_exception_only(error)]
    return ["Traceback (most recent call last):", *places, *last]


def _without_paths(text: str) -> str:
    for path in sorted(_SERVER_PATHS, key=len, reverse=True):
        text = text.replace(path, "…")
    return text
