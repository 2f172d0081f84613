"""Runs the tools that organizations write: their source, in the sandbox, with the variables of the agent that calls."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tools.abort import Abort
from tools.executor import as_text, returned
from tools.models import Tool
from tools.sandbox import Limits, Outcome, Refused, Runner
from tools.sandbox.jail.agent_state import NAME as AGENT_STATE
from tools.schema import SchemaError, function_name
from tools.spec import ToolCall, ToolReturn

LONGEST_SECONDS = 300.0

STOPPED = "The tool was stopped before it had returned. It may or may not have taken effect."


@dataclass(frozen=True, slots=True)
class Caller:
    """The agent that calls, if one does.

    variables  the tool's environment
    state      what the argument `agent_state` tells (tools/sandbox/jail/agent_state.py): plain values, `blocks` and
               `tools` among them
    """

    variables: Mapping[str, str]
    state: Mapping[str, Any] | None = None


def run(
    tool: Tool,
    arguments: Mapping[str, Any],
    call: ToolCall,
    sandbox: Runner,
    caller: Caller,
    abort: Abort | None = None,
) -> ToolReturn:
    """Errors of the tool, and of the jail, are in the return.

    The tool's metadata may say more: `timeout_seconds` (at most 300), and `hosts` that it may reach over HTTP.
    """
    limits, source = _limits(tool, sandbox.limits), tool.source_code or ""
    told = {AGENT_STATE: caller.state} if AGENT_STATE in source else {}
    hosts = tool.metadata.get("hosts")
    try:
        outcome = sandbox.run(
            source,
            function_name(source),  # models may be shown another name
            {**arguments, **told},
            classes=_classes(tool, source),
            variables=caller.variables,
            limits=limits,
            packages=_packages(tool, sandbox),
            hosts=tuple(map(str, hosts)) if isinstance(hosts, list) else (),
            abort=abort,
        )
    except (Refused, SchemaError) as refused:
        return returned(call, "error", f"The tool was not run. {refused}", tool.return_char_limit)
    return _return(outcome, tool, call, stopped=abort is not None and abort.reason is not None)


def _classes(tool: Tool, source: str) -> Mapping[str, Any]:
    """What the schema of its arguments describes, if the source names some of that and does not define it."""
    described = (tool.args_json_schema or {}).get("$defs") or {}
    if not any(name in source and f"class {name}" not in source for name in described):
        return {}
    return {name: schema for name, schema in described.items() if isinstance(schema, dict)}


def _packages(tool: Tool, sandbox: Runner) -> Path | None:
    """The folder of the tool's packages. Raises Refused where it is not there."""
    if not tool.pip_requirements:
        return None
    if sandbox.package_store is None:
        raise Refused("It needs packages, and this server installs none for tools.")
    if tool.package_state == Tool.Packages.FAILED:
        raise Refused(f"Its packages could not be installed: {tool.package_error}")
    if tool.package_state != Tool.Packages.READY:
        raise Refused("Its packages are still being installed. Try again in a minute.")
    folder = sandbox.package_store / tool.package_folder
    if not folder.is_dir():
        raise Refused("Its packages are not on this machine. Save the tool anew, and they are installed again.")
    return folder


def _limits(tool: Tool, limits: Limits) -> Limits:
    wanted = tool.metadata.get("timeout_seconds")
    if isinstance(wanted, int | float) and not isinstance(wanted, bool) and wanted > 0:
        seconds = min(float(wanted), LONGEST_SECONDS)
        return replace(limits, wall_seconds=seconds, cpu_seconds=int(seconds) + 1)
    return limits


def _return(outcome: Outcome, tool: Tool, call: ToolCall, stopped: bool) -> ToolReturn:
    lines = [text.splitlines() or None for text in (outcome.stdout, outcome.stderr)]
    if outcome.status == "success":
        return returned(call, "success", as_text(outcome.value), tool.return_char_limit, *lines)
    text = STOPPED if stopped else f"Error executing function {tool.name}: {outcome.error}"
    return returned(call, "error", text, tool.return_char_limit, *lines)
