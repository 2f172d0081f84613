"""One step of the loop: context -> model -> tools -> go on or stop.

What must survive a crash is handed to the ledger, commit by commit:

    the answer is committed before any tool runs, with the intent of the first tool that reaches the world;
    each such tool's result is committed together with the intent of the next one;
    tools that are marked for it run at the same time: their intents are in one commit, before the first of them begins;
    tools that change only our own database run inside the commit that records them;
    messages to other agents are sent by the last commit before the run waits for the replies.

So a step of plain text, or of memory edits, is one commit, and a step with n outside calls at most n + 1.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from agents.errors import LLMError
from agents.loop.context import build_request, one_at_a_time
from agents.loop.decision import REFUSAL, Asked, Decision, decide
from agents.loop.events import LLMEvent
from agents.loop.messages import Reply
from agents.loop.pictures import lessened
from agents.loop.ports import LLM, Abort, LLMRequest
from agents.loop.reply import fold
from agents.loop.state import StepState, Tried
from agents.loop.together import each, groups
from tools.arguments import parse
from tools.spec import ToolCall, ToolError, ToolReturn, ToolSpec

MAX_ATTEMPTS = 3
MAX_CALLS = 32  # of one answer

INTERRUPTED = json.dumps(
    {
        "status": "interrupted",
        "message": "The server stopped while this tool was running. It may or may not have taken effect. "
        "Check before you call it again.",
    }
)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A valid call, ready to be run: try number `attempt`, with these arguments."""

    call: ToolCall
    spec: ToolSpec
    arguments: dict[str, Any]
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Waiting:
    """A valid call that waits for a person's approval, or for the client that is to run it."""

    call: ToolCall
    by_client: bool


Ready = ToolReturn | Admitted
"""A result to record, or a call that changes only our own database and is run by the commit that records it."""


class Ledger(Protocol):
    """Where the step is made to last. Each method is one transaction; Fenced refuses it to a worker without hold."""

    def call_id(self, index: int) -> str: ...

    def commit(self, reply: Reply | None, ready: Sequence[Ready], starting: Sequence[Admitted]) -> list[ToolReturn]:
        """Record what is ready, and that `starting` are about to run. Gives the returns of what was ready."""
        ...

    def close(
        self, reply: Reply | None, ready: Sequence[Ready], conclude: Callable[[list[ToolReturn]], Decision]
    ) -> Decision:
        """Record what is ready, and what `conclude` makes of its returns."""
        ...

    def post(self, reply: Reply | None, ready: Sequence[Ready], asking: Sequence[Admitted]) -> list[ToolReturn]:
        """Record what is ready, send what `asking` have to say to other agents, and let the run wait for the replies.

        Where nothing can be sent, nothing is recorded, and the returns say why.
        """
        ...

    def suspend(self, reply: Reply, waiting: Sequence[Waiting]) -> Decision:
        """Record the answer, and that nothing of it runs before these calls are answered. The run ends."""
        ...


class Toolbox(Protocol):
    def run(self, admitted: Admitted, abort: Abort) -> ToolReturn:
        """Run a tool that reaches outside. Errors of the tool are in the return. Any thread may call it."""
        ...


def take_step(
    state: StepState, llm: LLM, toolbox: Toolbox, ledger: Ledger, emit: Callable[[LLMEvent], None], abort: Abort
) -> Decision:
    """Take the step that `state` stands before. Raises LLMError, Cancelled or Fenced; nothing half-done is stored."""
    fresh = None if state.recorded else _ask(state, llm, ledger, emit, abort)
    reply = state.recorded or fresh
    assert reply is not None
    admitted = {
        call.id: admit(call, state) if index < MAX_CALLS else _one_too_many(call)
        for index, call in enumerate(reply.calls)
        if call.id not in state.returned
    }
    if fresh and (waiting := [_waiting(item) for item in admitted.values() if _must_wait(item, state)]):
        return ledger.suspend(fresh, waiting)
    refused = frozenset(call_id for call_id, item in admitted.items() if _is_refusal(item))
    done: list[ToolReturn] = []
    ready: list[Ready] = []
    asking = [item for item in admitted.values() if isinstance(item, Admitted) and item.spec.effect == "ask"]
    others = [item for item in admitted.values() if item not in asking]
    for group in groups(others, _runs_beside_others):
        starting = [item for item in group if isinstance(item, Admitted) and item.spec.effect != "state"]
        if not starting:
            ready += group
            continue
        if abort.reason is not None and (fresh or ready):
            # What is known is kept: another worker, or the end of the run, goes on from there.
            ledger.commit(fresh, ready, ())
        abort.check()
        done += ledger.commit(fresh, ready, starting)
        fresh, missing = None, len(starting)
        for come in each(lambda item: toolbox.run(item, abort), starting):
            ready = list(come)
            missing -= len(come)
            if missing:
                done += ledger.commit(None, ready, ())
    if asking:
        # Last, so that everything else has its return when the run begins to wait.
        abort.check()
        refused_sends = ledger.post(fresh, ready, asking)
        if not refused_sends:
            return Asked()
        ready += refused_sends
    return ledger.close(
        fresh, ready, lambda last: decide(state, reply, _in_order(reply, state, [*done, *last]), refused)
    )


def admit(call: ToolCall, state: StepState) -> Ready:
    """The call with checked arguments, or the return that tells the model what is wrong with it."""
    if answer := state.answers.get(call.id):
        return answer
    spec = next((tool for tool in state.tools if tool.name == call.name), None)
    if spec is None:
        names = ", ".join(tool.name for tool in state.tools) or "none"
        return _refuse(call, f"there is no tool {call.name!r}. Your tools: {names}.")
    allowed = state.allowed()
    if call.name not in allowed.names:
        names = ", ".join(tool.name for tool in state.tools if tool.name in allowed.names) or "none"
        return _refuse(call, f"the tool rules do not allow {call.name} now. What you can call: {names}.")
    tried = state.tried.get(call.id, Tried())
    if tried.unfinished and not (spec.idempotent and tried.attempts < MAX_ATTEMPTS):
        return ToolReturn(call.id, call.name, "error", INTERRUPTED)
    try:
        arguments = _arguments(call, spec, state, allowed.prefilled.get(call.name, {}))
    except ToolError as error:
        return _refuse(call, str(error))
    return Admitted(call, spec, arguments, tried.attempts + 1)


def _ask(state: StepState, llm: LLM, ledger: Ledger, emit: Callable[[LLMEvent], None], abort: Abort) -> Reply:
    abort.check()
    reply = _answer(build_request(state), llm, ledger, emit, abort)
    if abort.reason != "shutdown":  # which an answer that is whole, and paid for, survives
        abort.check()
    if reply.is_empty and reply.finish == "content_filter":
        raise LLMError("content_filter", "The provider's content filter withheld the answer.")
    if reply.is_empty and reply.finish != "length":
        raise LLMError("empty_response", "The model gave an empty answer.", retryable=True)
    if one_at_a_time(state):
        reply = replace(reply, calls=reply.calls[:1])
    return reply


def _answer(request: LLMRequest, llm: LLM, ledger: Ledger, emit: Callable[[LLMEvent], None], abort: Abort) -> Reply:
    try:
        return fold(llm.stream(request, abort), emit, ledger.call_id)
    except LLMError as error:
        lesser = lessened(request, error)
        if lesser is None:
            raise
    return fold(llm.stream(lesser, abort), emit, ledger.call_id)


def _arguments(call: ToolCall, spec: ToolSpec, state: StepState, prefilled: dict[str, Any]) -> dict[str, Any]:
    """The call's checked arguments: without those that only the agent's style had added, and with those that a rule
    gives. Raises ToolError."""
    own = spec.parameters.get("properties", {})
    added = [name for name in state.style.arguments if name not in own]
    if not added and not prefilled:
        return parse(call.arguments, spec.parameters)
    needed = [name for name in spec.parameters.get("required", ()) if name not in prefilled]
    free: dict[str, Any] = {name: {} for name in (*added, *prefilled)}
    given = parse(call.arguments, spec.parameters | {"properties": own | free, "required": needed})
    arguments = {name: value for name, value in given.items() if name not in added}
    return parse(json.dumps(arguments | prefilled), spec.parameters) if prefilled else arguments


def _runs_beside_others(item: Ready) -> bool:
    return isinstance(item, Admitted) and item.spec.parallel and item.spec.effect != "state"


def _one_too_many(call: ToolCall) -> ToolReturn:
    return _refuse(call, f"an answer may have {MAX_CALLS} calls, and this one comes after them. Call again later.")


def _must_wait(item: Ready, state: StepState) -> bool:
    return isinstance(item, Admitted) and (item.spec.effect == "client" or item.call.name in state.gated)


def _waiting(item: Ready) -> Waiting:
    assert isinstance(item, Admitted)
    return Waiting(item.call, item.spec.effect == "client")


def _refuse(call: ToolCall, why: str) -> ToolReturn:
    return ToolReturn(call.id, call.name, "error", REFUSAL + why)


def _is_refusal(item: Ready) -> bool:
    return isinstance(item, ToolReturn) and item.text.startswith(REFUSAL)


def _in_order(reply: Reply, state: StepState, returns: Iterable[ToolReturn]) -> list[ToolReturn]:
    """All returns of the reply's calls: those of this claim, and those that an earlier one had stored."""
    found = state.returned | {returned.call_id: returned for returned in returns}
    return [found[call.id] for call in reply.calls if call.id in found]
