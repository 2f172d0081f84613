"""A tool, a call of it, and what came back: plain values that the loop and the executors share."""

from dataclasses import dataclass, field
from typing import Any, Literal

Effect = Literal["state", "read", "effect", "client", "ask"]
"""How a tool may be run.

state   it changes our own database only: runs inside the transaction that records its result, so exactly once
read    it changes nothing: runs outside any transaction and may be repeated
effect  it reaches the world: the intent is committed before it runs, and it is not repeated unless it is idempotent
client  it is the client's own: the run ends and asks for its return, with which another run goes on
ask     it asks other agents: the commit of its intent sends the message, the run waits without a worker, and what they
        reply is its return
"""

Status = Literal["success", "error"]


class ToolError(Exception):
    """Told to the model as the tool's return; the text says what to do instead."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What the model is shown of a tool, and what the loop must know to run it.

    `parameters` is a JSON schema of type object. `return_chars` caps the text given back to the model. `parallel`:
    calls of it may run at the same time as others of one answer.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    effect: Effect = "effect"
    idempotent: bool = False
    return_chars: int = 50_000
    parallel: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call, as the model wrote it: `arguments` is raw JSON text. `id` is ours, unique in its conversation."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolReturn:
    call_id: str
    name: str
    status: Status
    text: str
    stdout: list[str] | None = field(default=None)
    stderr: list[str] | None = field(default=None)
