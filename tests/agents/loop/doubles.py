"""The loop's outside, in memory: a model that follows a script, tools that are functions, a ledger that is a list."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agents.loop.decision import Decision, Finished
from agents.loop.events import CallDelta, CallStart, Done, Finish, LLMEvent, ReasoningDelta, ReasoningEnd, TextDelta
from agents.loop.messages import Message, Reply, Usage
from agents.loop.ports import Abort, LLMRequest
from agents.loop.state import StepState, Tried
from agents.loop.step import Admitted, Ready, Waiting, take_step
from tools.spec import ToolCall, ToolReturn, ToolSpec

Answer = list[LLMEvent] | Exception


# What a model may answer


def says(text: str, finish: Finish = "stop") -> list[LLMEvent]:
    """Plain text, word by word."""
    words = [TextDelta(word) for word in text.split(" ")]
    spaced: list[LLMEvent] = [word if index == 0 else TextDelta(f" {word.text}") for index, word in enumerate(words)]
    return [*(event for event in spaced if event != TextDelta("")), Done(finish, Usage(10, 5))]


def calls(*asked: tuple[str, dict[str, Any] | str], text: str = "", thought: str = "") -> list[LLMEvent]:
    """Tool calls, each (name, arguments); arguments that are text go out as they are, valid JSON or not."""
    events: list[LLMEvent] = [ReasoningDelta(thought), ReasoningEnd()] if thought else []
    events += [TextDelta(text)] if text else []
    for index, (name, arguments) in enumerate(asked):
        raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
        events += [CallStart(index, name, "call_0"), CallDelta(index, raw[:3]), CallDelta(index, raw[3:])]
    return [*events, Done("tool_calls", Usage(10, 5))]


class Script:
    """A model that gives these answers, one a call, and keeps what it was asked.

    `before` is called with the number of each event before it is given out, for tests that stop the wait.
    """

    def __init__(self, *answers: Answer, before: Callable[[int], None] = lambda number: None):
        self._answers = list(answers)
        self._before = before
        self.asked: list[LLMRequest] = []

    def stream(self, request: LLMRequest, abort: Abort) -> Iterator[LLMEvent]:
        self.asked.append(request)
        assert len(self.asked) <= len(self._answers), f"nobody expected call {len(self.asked)} of the model"
        answer = self._answers[len(self.asked) - 1]
        if isinstance(answer, Exception):
            raise answer
        for number, event in enumerate(answer):
            self._before(number)
            yield event


# Tools


def spec(name: str, *required: str, **fields: Any) -> ToolSpec:
    """A tool that takes these strings. It reaches the world, unless `effect` says otherwise."""
    properties = {argument: {"type": "string"} for argument in required}
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return ToolSpec(name, f"The tool {name}.", parameters, **fields)


class Box:
    """Tools that reach the world: each is a function of its arguments. Writes its runs into `journal`."""

    def __init__(self, journal: list[str], **functions: Callable[..., str]):
        self._journal = journal
        self._functions = functions

    def run(self, admitted: Admitted, abort: Abort) -> ToolReturn:
        call = admitted.call
        self._journal.append(f"run {call.name} {admitted.attempt}")
        function = self._functions.get(call.name, lambda **arguments: f"{call.name} is done")
        return ToolReturn(call.id, call.name, "success", function(**admitted.arguments))


# The ledger


@dataclass
class MemoryLedger:
    """What was committed, in order, as lines of `journal`, and as the messages that a next claim would find."""

    journal: list[str]
    step: int = 1
    messages: list[Message] = field(default_factory=list)
    started: dict[str, int] = field(default_factory=dict)  # tries that were begun, by call id
    decision: Decision | None = None

    def call_id(self, index: int) -> str:
        return f"call_{self.step}_{index}"

    def commit(self, reply: Reply | None, ready: Sequence[Ready], starting: Sequence[Admitted]) -> list[ToolReturn]:
        returns = self._record(reply, ready)
        self.started |= {item.call.id: item.attempt for item in starting}
        names = ", ".join(item.call.name for item in starting)
        self._line(reply, returns, f"start {names}" if names else "stop")
        return returns

    def close(
        self, reply: Reply | None, ready: Sequence[Ready], conclude: Callable[[list[ToolReturn]], Decision]
    ) -> Decision:
        returns = self._record(reply, ready)
        self.decision = conclude(returns)
        end = self.decision.stop_reason if isinstance(self.decision, Finished) else "heartbeat"
        self._line(reply, returns, end)
        return self.decision

    def post(self, reply: Reply | None, ready: Sequence[Ready], asking: Sequence[Admitted]) -> list[ToolReturn]:
        if refused := [ToolReturn(i.call.id, i.call.name, "error", "nobody") for i in asking if "nobody" in str(i)]:
            return refused
        returns = self._record(reply, ready)
        self._line(reply, returns, f"post {', '.join(item.call.name for item in asking)}")
        return []

    def suspend(self, reply: Reply, waiting: Sequence[Waiting]) -> Decision:
        self._record(reply, ())
        self.decision = Finished("requires_approval")
        self._line(reply, (), f"ask {', '.join(item.call.name for item in waiting)}")
        return self.decision

    def _record(self, reply: Reply | None, ready: Sequence[Ready]) -> list[ToolReturn]:
        if reply:
            self.messages.append(Message("assistant", reply.text, reply.reasoning, reply.calls))
        returns = [item if isinstance(item, ToolReturn) else _run_state_tool(item) for item in ready]
        self.messages += [Message("tool", returned.text, returned=returned) for returned in returns]
        return returns

    def _line(self, reply: Reply | None, returns: Iterable[ToolReturn], end: str) -> None:
        parts = ["answer"] if reply else []
        parts += [f"{returned.name}:{returned.status}" for returned in returns]
        self.journal.append(f"commit {', '.join([*parts, end])}")

    def resumed(self, state: StepState) -> StepState:
        """`state` as the next worker finds it, when this one has died after its last commit."""
        answer = next((message for message in self.messages if message.role == "assistant"), None)
        if answer is None:
            return state
        returned = {m.returned.call_id: m.returned for m in self.messages if m.returned}
        tried = {id: Tried(count, unfinished=id not in returned) for id, count in self.started.items()}
        reply = Reply(str(answer.content), answer.reasoning, answer.calls, "tool_calls")
        return replace(state, recorded=reply, returned=returned, tried=tried)


def _run_state_tool(admitted: Admitted) -> ToolReturn:
    return ToolReturn(admitted.call.id, admitted.call.name, "success", json.dumps(admitted.arguments))


# All of it together


@dataclass
class Conversation:
    """An agent that takes steps until its run is over.

    journal   everything that happened, in order: commits, and runs of tools that reach the world
    emitted   what a reader was shown
    """

    state: StepState
    llm: Script
    functions: dict[str, Callable[..., str]] = field(default_factory=dict)
    journal: list[str] = field(default_factory=list)
    emitted: list[LLMEvent] = field(default_factory=list)
    abort: Abort = field(default_factory=Abort)
    ledger: MemoryLedger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = MemoryLedger(self.journal, self.state.no)

    def step(self) -> Decision:
        box = Box(self.journal, **self.functions)
        return take_step(self.state, self.llm, box, self.ledger, self.emitted.append, self.abort)

    def turn(self) -> Finished:
        """Steps until the end."""
        while not isinstance(decision := self.step(), Finished):
            self.state = replace(
                self.state,
                no=self.state.no + 1,
                history=(*self.state.history, *self.ledger.messages),
                recorded=None,
                returned={},
                tried={},
            )
            self.ledger = MemoryLedger(self.journal, self.state.no)
        return decision


def agent(*tools: ToolSpec, said: str = "hello", **fields: Any) -> StepState:
    """An agent with these tools that was just spoken to."""
    return StepState("demo/script", "You are an agent.", (Message("user", said),), tools, **fields)


def call(name: str, arguments: str = "{}", id: str = "call_1_0") -> ToolCall:
    return ToolCall(id, name, arguments)
