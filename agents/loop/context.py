"""Build the context window: the compiled system prompt, and the request that goes to the model."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from agents.loop.ports import LLMRequest
from agents.loop.rules import ORDERING, sentence
from agents.loop.state import StepState
from agents.loop.style import HEARTBEAT_ARGUMENT, THINKING_ARGUMENT, Style
from memory.core import BlockText, render
from tools.spec import ToolSpec

PLACEHOLDER = "{CORE_MEMORY}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the prompt says of the agent's own place. They change all the time, so they come last, and only when
    something else made the prompt be compiled anew: the bytes before them stay the same, and providers' caches hit."""

    agent_id: str
    conversation_id: str
    compiled_at: datetime
    recalled: int  # messages that are stored, but not in context
    archived: int  # passages in archival memory


def compile_prompt(
    instructions: str,
    blocks: Iterable[BlockText],
    rules: Iterable[dict[str, Any]],
    style: Style,
    facts: Facts,
    directories: str = "",
) -> str:
    """The system prompt: instructions, core memory, tool rules, directories, facts."""
    memory = render(list(blocks), style.line_numbers)
    whole = instructions.replace(PLACEHOLDER, memory) if PLACEHOLDER in instructions else f"{instructions}\n\n{memory}"
    return "\n\n".join(part for part in (whole.strip(), _rules(rules), directories, _facts(facts)) if part)


def skills(offered: Sequence[Mapping[str, str]]) -> str:
    """What a client offers the agent to read, told behind the prompt: {name, description, location} each."""
    if not offered:
        return ""
    lines = [f"- {skill['name']} ({skill['location']}): {skill['description']}" for skill in offered]
    return "\n".join(["\n\n<available_skills>", *lines, "</available_skills>"])


def build_request(state: StepState) -> LLMRequest:
    """The one call of this step."""
    allowed = state.allowed()
    tools = [tool for tool in state.tools if tool.name in allowed.names]
    must_call = allowed.must_call or state.style.must_call
    return LLMRequest(
        handle=state.handle,
        system=state.system,
        messages=state.history,
        tools=tuple(_shown(tool, state) for tool in tools),
        tool_choice=_choice([tool.name for tool in tools], must_call),
        settings=replace(state.settings, parallel_tool_calls=False) if one_at_a_time(state) else state.settings,
    )


def one_at_a_time(state: StepState) -> bool:
    """Whether of several calls in one answer only the first counts."""
    return state.settings.parallel_tool_calls is False or any(rule["type"] in ORDERING for rule in state.rules)


def _choice(names: list[str], must_call: bool) -> str:
    if not must_call or not names:
        return "auto"
    return names[0] if len(names) == 1 else "required"


def _shown(tool: ToolSpec, state: StepState) -> ToolSpec:
    """The tool with the arguments that the agent's style adds to it."""
    first: dict[str, Any] = {}
    last: dict[str, Any] = {}
    if state.style.thinks_aloud:
        first[THINKING_ARGUMENT] = {
            "type": "string",
            "description": "What you think before you act. Private: the user does not see it as an answer.",
        }
    if state.style.asks_to_go_on and tool.name not in state.ruled("exit_loop"):
        last[HEARTBEAT_ARGUMENT] = {
            "type": "boolean",
            "description": "true if you want to act again when this tool has returned; false ends your turn.",
        }
    if not first and not last:
        return tool
    parameters = dict(tool.parameters)
    parameters["properties"] = first | dict(parameters.get("properties", {})) | last
    parameters["required"] = [*first, *parameters.get("required", []), *last]
    return replace(tool, parameters=parameters)


def _rules(rules: Iterable[dict[str, Any]]) -> str:
    known = [words for rule in rules if (words := sentence(rule))]
    if not known:
        return ""
    lines = "\n".join(f"<tool_rule>\n{words}\n</tool_rule>" for words in known)
    return f"<tool_usage_rules>\nThese rules bind the order in which you use tools.\n\n{lines}\n</tool_usage_rules>"


def _facts(facts: Facts) -> str:
    lines = [
        f"- AGENT_ID: {facts.agent_id}",
        f"- CONVERSATION_ID: {facts.conversation_id}",
        f"- System prompt last recompiled: {facts.compiled_at:%Y-%m-%d %I:%M:%S %p UTC%z}",
        f"- {facts.recalled} earlier messages of this conversation are in recall memory (conversation_search)",
    ]
    if facts.archived:
        lines.append(f"- {facts.archived} passages are in archival memory (archival_memory_search)")
    return "\n".join(["<memory_metadata>", *lines, "</memory_metadata>"])
