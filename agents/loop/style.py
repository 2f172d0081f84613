"""What sets the agent types apart, as data: there is one loop."""

from dataclasses import dataclass

SPEECH_TOOL = "send_message"
"""The tool through which agents speak whose plain text is no answer."""

THINKING_ARGUMENT = "thinking"
HEARTBEAT_ARGUMENT = "request_heartbeat"


@dataclass(frozen=True, slots=True)
class Style:
    """How an agent of one type converses.

    must_call     plain text is no answer: it speaks through the tool send_message
    asks_to_go_on every tool that does not end the turn takes `request_heartbeat`; without it the turn ends
    thinks_aloud  every tool takes the thought behind the call as its first argument
    line_numbers  core memory is shown with line numbers
    tools         the base tools that new agents of the type are given
    """

    must_call: bool = False
    asks_to_go_on: bool = False
    thinks_aloud: bool = False
    line_numbers: bool = False
    tools: tuple[str, ...] = ()
    rules: tuple[dict[str, str], ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments that the style adds to every tool."""
        thinking = (THINKING_ARGUMENT,) if self.thinks_aloud else ()
        return (*thinking, HEARTBEAT_ARGUMENT) if self.asks_to_go_on else thinking


def _speaks_by_tool(*tools: str) -> Style:
    rules = [{"type": "exit_loop", "tool_name": SPEECH_TOOL}]
    rules += [{"type": "continue_loop", "tool_name": name} for name in tools]
    return Style(must_call=True, asks_to_go_on=True, thinks_aloud=True, tools=(SPEECH_TOOL, *tools), rules=tuple(rules))


_LETTA_V1 = Style(line_numbers=True, tools=("conversation_search", "memory_replace", "memory_insert"))

STYLES: dict[str, Style] = {
    "letta_v1_agent": _LETTA_V1,
    "memgpt_agent": _speaks_by_tool(
        "conversation_search", "core_memory_append", "core_memory_replace", "memory", "memory_apply_patch"
    ),
    "memgpt_v2_agent": _speaks_by_tool("conversation_search", "memory_replace", "memory_insert"),
    "sleeptime_agent": Style(
        line_numbers=True,
        tools=("memory_replace", "memory_insert", "memory_rethink", "memory_finish_edits"),
        rules=({"type": "exit_loop", "tool_name": "memory_finish_edits"},),
    ),
    "react_agent": Style(),
    "workflow_agent": Style(),
}


def style_for(agent_type: str) -> Style:
    """Types that have no entry of their own converse like `letta_v1_agent`."""
    return STYLES.get(agent_type, _LETTA_V1)
