"""What a step starts from."""

from dataclasses import dataclass, field
from typing import Any

from agents.loop.messages import Message, Reply
from agents.loop.ports import ModelSettings
from agents.loop.style import Style
from tools.spec import ToolReturn, ToolSpec

MAX_STEPS = 50


@dataclass(frozen=True, slots=True)
class Tried:
    """What is known of earlier tries at a call: how many, and whether one was begun whose end nobody saw."""

    attempts: int = 0
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class StepState:
    """An agent in a conversation, before step `no` (1, 2, ...) of a run.

    system    the compiled system prompt
    history   what is in context, oldest first, without the system message
    recorded  the answer to this step, if a worker that died had stored it: the model is not asked again
    returned  the returns that belong to `recorded` and are stored, by call id
    tried     tries at calls of `recorded` that have no return yet, by call id
    """

    handle: str
    system: str
    history: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    style: Style = field(default_factory=Style)
    settings: ModelSettings = field(default_factory=ModelSettings)
    rules: tuple[dict[str, Any], ...] = ()
    no: int = 1
    max_steps: int = MAX_STEPS
    recorded: Reply | None = None
    returned: dict[str, ToolReturn] = field(default_factory=dict)
    tried: dict[str, Tried] = field(default_factory=dict)

    def ruled(self, rule_type: str) -> frozenset[str]:
        """The names of the tools that a rule of this type speaks of."""
        return frozenset(rule["tool_name"] for rule in self.rules if rule.get("type") == rule_type)
