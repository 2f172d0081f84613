"""What fills the context window of a conversation, part by part, in the tokens that its provider would count."""

from dataclasses import dataclass
from typing import Any

from agents.llm.registry import context_window
from agents.loading import context_messages, place_in_context, scale_of
from agents.loop.context import build_request
from agents.loop.rules import ORDERING
from agents.loop.state import StepState
from agents.loop.style import style_for
from agents.loop.tokens import estimate, estimate_message, estimate_prompt, estimate_tool
from agents.models import Conversation, Message
from agents.prompt import Equipped, block_texts, compiled_prompt, equipped, prompt_fingerprint
from agents.rows import said
from agents.specs import tool_specs
from memory.core import render
from tools.spec import ToolSpec

_RULES, _DIRECTORIES, _FACTS = "<tool_usage_rules>", "<directories>", "<memory_metadata>"


@dataclass(frozen=True, slots=True)
class Prompt:
    """The parts of a compiled system prompt; a part that is not there is empty."""

    instructions: str
    memory: str
    rules: str
    directories: str
    facts: str


def prompt_parts(whole: Equipped, text: str) -> Prompt:
    """The facts stand last, the directories and the rules before them: nothing in a block is taken for any of them."""
    agent = whole.agent
    body, mark, facts = text.rpartition(_FACTS)
    folders = ""
    if whole.folders and _DIRECTORIES in body:
        body, _, folders = body.rpartition(_DIRECTORIES)
    rules = body.rpartition(_RULES)[2] if agent.tool_rules and body.rstrip().endswith("</tool_usage_rules>") else ""
    return Prompt(
        instructions=agent.system,
        memory=render(block_texts(whole.blocks), style_for(agent.agent_type).line_numbers),
        rules=f"{_RULES}{rules}".strip() if rules else "",
        directories=f"{_DIRECTORIES}{folders}".strip() if folders else "",
        facts=mark + facts,
    )


@dataclass(frozen=True, slots=True)
class Filling:
    """A window as the next step would fill it.

    rows    what is in context, in its order: the system message, the summary, what was said
    text    the compiled prompt, and `prompt` its parts
    tokens  of each part: system, core_memory, tool_usage_rules, directories, external_memory_summary,
            functions_definitions, summary_memory, messages
    limit   tokens that fit
    """

    equipped: Equipped
    rows: list[Message]
    text: str
    prompt: Prompt
    tools: tuple[ToolSpec, ...]
    tokens: dict[str, int]
    limit: int

    @property
    def total(self) -> int:
        return sum(self.tokens.values())


def filling(place: Conversation) -> Filling:
    whole = equipped(place)
    rows = sorted(Message.objects.filter(context_messages(place)).defer("terms"), key=place_in_context)
    text = _current_prompt(whole, place, rows)
    prompt, tools, handle = prompt_parts(whole, text), _tools(whole), place.model or whole.agent.model
    estimated = _estimated(prompt, tools, rows)
    by = scale_of(whole.counted, handle, sum(estimated.values()))
    tokens = {name: round(size * by) for name, size in estimated.items()}
    limit = place.context_window_limit or whole.agent.context_window_limit or context_window(handle)
    return Filling(whole, rows, text, prompt, tools, tokens, limit)


def _estimated(prompt: Prompt, tools: tuple[ToolSpec, ...], rows: list[Message]) -> dict[str, int]:
    told = [row for row in rows if row.seq != 1 and row.role != Message.Role.APPROVAL]
    sizes = [(row.role, estimate_message(said(row.role, row.content, row.name))) for row in told]
    return {
        "system": estimate_prompt(prompt.instructions),
        "core_memory": estimate(prompt.memory),
        "tool_usage_rules": estimate(prompt.rules),
        "directories": estimate(prompt.directories),
        "external_memory_summary": estimate(prompt.facts),
        "functions_definitions": sum(map(estimate_tool, tools)),
        "summary_memory": sum(size for role, size in sizes if role == Message.Role.SUMMARY),
        "messages": sum(size for role, size in sizes if role != Message.Role.SUMMARY),
    }


def _current_prompt(whole: Equipped, place: Conversation, rows: list[Message]) -> str:
    """The stored one, or what the next step would compile in its place."""
    stored: dict[str, Any] = next((row.content for row in rows if row.seq == 1), {})
    if stored.get("inputs") == prompt_fingerprint(whole):
        return str(stored["text"])
    return compiled_prompt(whole, place, len(rows) - 1)


def _tools(whole: Equipped) -> tuple[ToolSpec, ...]:
    """The tools as the model is shown them, with the arguments that the agent's style adds."""
    agent, specs = whole.agent, tool_specs(whole.tools)
    style, rules = style_for(agent.agent_type), tuple(rule for rule in agent.tool_rules if rule["type"] not in ORDERING)
    return build_request(StepState(agent.model, "", (), specs, style=style, rules=rules)).tools
