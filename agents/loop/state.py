"""What a step starts from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.loop.messages import Message, Reply
from agents.loop.ports import ModelSettings
from agents.loop.rules import Allowed, allowed
from agents.loop.style import Style
from tools.spec import ToolCall, ToolReturn, ToolSpec

MAX_STEPS = 50

Round = tuple[tuple[ToolCall, ...], dict[str, ToolReturn]]
"""The calls of one answer, and their returns by call id."""


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
    gated     tools that run only when a person has approved the call
    answers   by call id, what was answered to calls of `recorded` that waited: None approves it, a return stands
              for it (it was denied, or the client ran it)
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
    gated: frozenset[str] = frozenset()
    answers: Mapping[str, ToolReturn | None] = field(default_factory=dict)

    def ruled(self, rule_type: str) -> frozenset[str]:
        """The names of the tools that a rule of this type speaks of."""
        return frozenset(rule["tool_name"] for rule in self.rules if rule.get("type") == rule_type)

    def rounds(self) -> list[Round]:
        """The calls of this turn's earlier steps with their returns, oldest first."""
        rounds: list[Round] = []
        for message in self.history:
            if message.role == "user" and not message.nudge:
                rounds.clear()
            elif message.calls:
                rounds.append((message.calls, {}))
            elif message.returned and rounds:
                rounds[-1][1][message.returned.call_id] = message.returned
        return rounds

    def allowed(self) -> Allowed:
        """The tools that may be called in this step."""
        done = [(call.name, returns.get(call.id)) for calls, returns in self.rounds() for call in calls]
        return allowed(self.rules, (tool.name for tool in self.tools), done)
