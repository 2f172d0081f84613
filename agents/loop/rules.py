"""Tool rules: which tools may be called next, with what arguments, and what must come before the end."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.spec import ToolReturn

Rule = dict[str, Any]
Done = Sequence[tuple[str, ToolReturn | None]]
"""The calls of a run so far, oldest first: the tool's name, and its return as far as there is one."""

SENTENCES = {
    "run_first": "{tool} is the first tool to call",
    "constrain_child_tools": "after {tool} you can only call {children}",
    "parent_last_tool": "you can call {children} only right after {tool}",
    "conditional": "what you can call after {tool} depends on what it returns",
    "max_count_per_step": "you can call {tool} at most {limit} times in one turn",
    "exit_loop": "{tool} ends your turn when you call it",
    "continue_loop": "after {tool} your turn goes on, so call another tool",
    "required_before_exit": "you have to call {tool} before your turn can end",
    "requires_approval": "a person has to approve each call of {tool}",
}

ORDERING = frozenset({"run_first", "constrain_child_tools", "parent_last_tool", "conditional", "max_count_per_step"})
"""Rules that a call can change the meaning of for the call after it: so there is one call at a time."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the rules leave of the agent's tools.

    must_call  the model has to call one of them
    prefilled  arguments that the rules give, by tool; they override the model's
    """

    names: frozenset[str]
    must_call: bool = False
    prefilled: dict[str, dict[str, Any]] = field(default_factory=dict)


def allowed(rules: Iterable[Rule], names: Iterable[str], done: Done) -> Allowed:
    """An empty set stays empty: then the model can only speak."""
    rules, every = tuple(rules), frozenset(names)
    first = [rule for rule in rules if rule["type"] == "run_first" and rule["tool_name"] in every]
    if first and not done:
        prefilled = {rule["tool_name"]: rule["args"] for rule in first if rule.get("args")}
        return Allowed(frozenset(rule["tool_name"] for rule in first), True, prefilled)
    left, must_call, prefilled = every, False, dict[str, dict[str, Any]]()
    last, returned = done[-1] if done else (None, None)
    for rule in rules:
        is_last = rule["tool_name"] == last
        match rule["type"]:
            case "constrain_child_tools" if is_last:
                left, must_call = left.intersection(rule["children"]), True
                prefilled |= {
                    node["name"]: node["args"] for node in rule.get("child_arg_nodes") or () if node.get("args")
                }
            case "conditional" if is_last:
                chosen = _chosen(rule, returned)
                if chosen is not None:
                    left, must_call = left & chosen, bool(chosen)
            case "parent_last_tool" if is_last:
                must_call = True
            case "parent_last_tool":
                left = left.difference(rule["children"])
            case "max_count_per_step" if sum(name == rule["tool_name"] for name, _ in done) >= rule["max_count_limit"]:
                left -= {rule["tool_name"]}
    return Allowed(left, must_call and bool(left), prefilled)


def missing_before_exit(rules: Iterable[Rule], names: Iterable[str], called: Iterable[str]) -> list[str]:
    """The tools that the turn cannot end without, of those that the agent has."""
    there, done = set(names), set(called)
    required = (rule["tool_name"] for rule in rules if rule["type"] == "required_before_exit")
    return [name for name in dict.fromkeys(required) if name in there and name not in done]


def sentence(rule: Rule) -> str | None:
    """What the model is told of a rule; the rule may bring its own words."""
    template = rule.get("prompt_template")
    if isinstance(template, str) and template.strip() and "{" not in template:
        return template.strip()
    words = SENTENCES.get(rule["type"])
    children = ", ".join(rule.get("children") or ()) or "no tool"
    return words and words.format(tool=rule["tool_name"], children=children, limit=rule.get("max_count_limit"))


def _chosen(rule: Rule, returned: ToolReturn | None) -> frozenset[str] | None:
    """The tool that a conditional rule names for what was returned; None: any."""
    text = returned.text if returned else ""
    for output, child in rule["child_output_mapping"].items():
        if _same(output, text):
            return frozenset({child})
    if rule.get("default_child"):
        return frozenset({rule["default_child"]})
    return frozenset() if rule.get("require_output_mapping") else None


def _same(output: str, text: str) -> bool:
    """A rule's output is text; a tool may return a number or a truth value, written as JSON or as Python does."""
    return output == text or _value(output) == _value(text)


def _value(text: str) -> Any:
    try:
        return json.dumps(
            json.loads({"True": "true", "False": "false", "None": "null"}.get(text, text)), sort_keys=True
        )
    except (ValueError, RecursionError):
        return text
