"""After the tools: does the agent go on (a heartbeat), or has it finished, and why."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from agents.loop.messages import Reply
from agents.loop.rules import missing_before_exit
from agents.loop.state import StepState
from agents.loop.style import HEARTBEAT_ARGUMENT
from tools.spec import ToolCall, ToolReturn

INVALID_IN_A_ROW = 3
SAME_IN_A_ROW = 5
REFUSAL = "Invalid tool call: "
"""How the return of a call begins that was never run."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The loop goes on with another step. `nudge` is what the model is told to make it go on."""

    nudge: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over. `stop_reason` is one of the API's; `error_code` is set when it failed, and says more."""

    stop_reason: str
    error_code: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Other agents were asked. The run waits for their replies, and then this step goes on."""


Decision = Heartbeat | Finished | Asked


def decide(state: StepState, reply: Reply, returns: Sequence[ToolReturn], refused: frozenset[str]) -> Decision:
    """`returns` belong to the calls of `reply`, in their order; `refused` are the ids of calls that were not valid."""
    if not reply.calls:
        return _spoke(state, reply)
    failed = _gone_astray(state, reply, returns, refused)
    if failed:
        return failed
    if any(call.name in state.ruled("exit_loop") and call.id not in refused for call in reply.calls):
        return _at_the_end(state, reply, refused, Finished("tool_rule"))
    if not _goes_on(state, reply, returns):
        return _at_the_end(state, reply, refused, Finished("end_turn"))
    return _next(state)


def _next(state: StepState, nudge: str | None = None) -> Decision:
    return Heartbeat(nudge) if state.no < state.max_steps else Finished("max_steps")


def _at_the_end(state: StepState, reply: Reply, refused: frozenset[str], end: Finished) -> Decision:
    """The end, unless a tool that has to be called first was not."""
    called = [call.name for calls, _ in state.rounds() for call in calls]
    called += [call.name for call in reply.calls if call.id not in refused]
    missing = missing_before_exit(state.rules, (tool.name for tool in state.tools), called)
    if not missing:
        return end
    return _next(state, f"Your turn cannot end yet: call {' and '.join(missing)} first.")


def _spoke(state: StepState, reply: Reply) -> Decision:
    if reply.finish == "length":
        return Finished("max_tokens_exceeded", "max_tokens_exceeded", "The answer was cut at the model's output limit.")
    if state.style.must_call:
        return Finished("no_tool_call", "no_tool_call", "The model answered without calling a tool.")
    return _at_the_end(state, reply, frozenset(), Finished("end_turn"))


def _goes_on(state: StepState, reply: Reply, returns: Sequence[ToolReturn]) -> bool:
    if not state.style.asks_to_go_on:
        return True
    return (
        any(returned.status == "error" for returned in returns)
        or any(call.name in _leads_on(state) for call in reply.calls)
        or any(_asks_for_heartbeat(call) for call in reply.calls)
    )


def _leads_on(state: StepState) -> frozenset[str]:
    """The tools after which a rule asks for another call."""
    return state.ruled("continue_loop") | state.ruled("constrain_child_tools") | state.ruled("conditional")


def _asks_for_heartbeat(call: ToolCall) -> bool:
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return False
    return isinstance(arguments, dict) and arguments.get(HEARTBEAT_ARGUMENT) in (True, "true", "True")


def _gone_astray(
    state: StepState, reply: Reply, returns: Sequence[ToolReturn], refused: frozenset[str]
) -> Finished | None:
    """Stop a model that can't make a valid call, or makes the same one for ever."""
    rounds = [*state.rounds(), (reply.calls, {returned.call_id: returned for returned in returns})]
    if refused.issuperset(call.id for call in reply.calls):
        streak = _streak([all(_was_refused(call, done) for call in calls) for calls, done in rounds])
        if streak >= INVALID_IN_A_ROW:
            return Finished("invalid_tool_call", "invalid_tool_calls", f"{streak} invalid tool calls in a row.")
    latest = _signature(*rounds[-1])
    if _streak([_signature(calls, done) == latest for calls, done in rounds]) >= SAME_IN_A_ROW:
        return Finished(
            "error", "loop_detected", f"The same call came back with the same result {SAME_IN_A_ROW} times."
        )
    return None


def _was_refused(call: ToolCall, returns: dict[str, ToolReturn]) -> bool:
    returned = returns.get(call.id)
    return returned is not None and returned.status == "error" and returned.text.startswith(REFUSAL)


def _signature(calls: tuple[ToolCall, ...], returns: dict[str, ToolReturn]) -> list[tuple[str, str, str]]:
    return [(call.name, call.arguments, returns[call.id].text if call.id in returns else "") for call in calls]


def _streak(flags: list[bool]) -> int:
    """How many of the last are true, without a gap."""
    length = 0
    for flag in reversed(flags):
        if not flag:
            break
        length += 1
    return length
