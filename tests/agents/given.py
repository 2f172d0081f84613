"""What tests of the run machine start from: an agent, an accepted message, a worker that has claimed it."""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings

from accounts.fields import new_id
from accounts.models import Organization
from agents.accepting import Offer, accept
from agents.advancing import advance as step
from agents.creation import create_agent
from agents.ledger import StepLedger
from agents.llm.registry import context_window
from agents.loading import load_state
from agents.loop.ports import LLM, Abort
from agents.loop.step import Admitted
from agents.models import Agent, Approval, Conversation, Message, Run, Step, ToolAttempt
from agents.streaming import Wires
from agents.toolbox import CommitTools
from agents.turns import Turn
from memory.archival import Embed
from tests.agents.loop.doubles import Answer, Script, call, calls
from tools import registry
from tools.sandbox import Sandbox
from workers.claims import claim

LONG = 60.0


def organization(name: str = "Acme") -> Organization:
    return Organization.objects.create(name=name)


def agent(*tools: str, human: str = "", **fields: Any) -> Agent:
    """An agent with these tools and a block `human`, in an organization of its own unless one is given."""
    owner = fields.pop("organization", None) or organization()
    wanted = {"model": "demo/scripted", "include_base_tools": False, "tool_names": tools} | fields
    return create_agent(owner.id, blocks=[{"label": "human", "value": human, "limit": 100}], **wanted)


def place(agent: Agent) -> Conversation:
    """Its default conversation, as it is now."""
    return Conversation.objects.get(agent=agent, is_default=True)


def offer(text: str = "hello", otid: str | None = None, **fields: Any) -> Offer:
    said = {"id": new_id("message"), "role": "user", "content": text, "name": None, "otid": otid}
    return Offer(messages=[said], **{"options": {}} | fields)


def said(agent: Agent, text: str = "hello", **fields: Any) -> Run:
    """The run of a message to the agent."""
    return accept(place(agent), offer(text, **fields))


def claimed(agent: Agent, owner: str = "worker-1", lease: float = LONG) -> Turn:
    """The next step of the agent's conversation. A lease of 0 is over as soon as it begins."""
    turn = claim(place(agent).id, owner, lease)
    assert turn is not None, "there was nothing to claim"
    return turn


@cache
def sandbox() -> Sandbox:
    """One for all tests of this process: its zygote starts with the first call."""
    return Sandbox()


class Outfit:
    """agents.advancing.Outfit with one model for every handle."""

    def __init__(self, llm: LLM, wires: Wires | None = None, embed: Embed = lambda handle, text: None):
        self._llm = llm
        self.embed = embed
        self.sandbox = sandbox()
        self.wires = wires or Wires(settings.REDIS_URL, 60)

    def llm(self, handle: str) -> LLM:
        return self._llm

    def context_window(self, handle: str) -> int:
        return 32_768


def advance(
    agent: Agent, *answers: Answer, abort: Abort | None = None, embed: Embed = lambda handle, text: None
) -> Script:
    """Claims and steps, until every answer was asked for. What the model was asked is in the script."""
    script = Script(*answers)
    while len(script.asked) < len(answers):
        step(claimed(agent), Outfit(script, embed=embed), abort or Abort())
    return script


def waits_for_leave(
    agent: Agent, name: str = "send_message", argument: str = "message", queued: Callable[[], object] = lambda: None
) -> Approval:
    """A call of the agent that waits for an answer; its tool is one that needs a person's leave from now on.

    `queued` says more behind the message that leads to it, before it does.
    """
    rules = [rule for rule in agent.tool_rules if rule["tool_name"] != name]
    Agent.objects.filter(id=agent.id).update(tool_rules=[*rules, {"type": "requires_approval", "tool_name": name}])
    said(agent)
    queued()
    advance(agent, calls((name, {argument: "hi"})))
    return Approval.objects.get(agent=agent, answered_at=None)


def ledger(turn: Turn) -> StepLedger:
    loaded = load_state(turn, context_window)
    return StepLedger(turn, lambda: CommitTools(turn, loaded.equipped))


def admitted(turn: Turn, name: str, index: int = 0, attempt: int = 1, **arguments: Any) -> Admitted:
    """A call of the turn's answer, ready to be run."""
    registered = registry.find(name)
    assert registered is not None
    return Admitted(call(name, id=turn.call_id(index)), registered.spec, arguments, attempt)


# What has become of it


def fresh(run: Run) -> Run:
    return Run.objects.get(id=run.id)


def ended(run: Run) -> tuple[str, str | None, str | None]:
    """Status, stop reason and error code."""
    run = fresh(run)
    return run.status, run.stop_reason, run.error_code


def transcript(agent: Agent) -> list[str]:
    """Every message but the system's: role and text; the names of calls."""
    rows = Message.objects.filter(agent=agent).exclude(role="system").order_by("conversation_id", "seq")
    return [_line(row) for row in rows]


def _line(row: Message) -> str:
    names = ", ".join(call["name"] for call in row.content.get("calls", ()))
    return f"{row.role}: {row.text}{f'[{names}]' if names else ''}"


def tries(run: Run) -> list[tuple[str, int, str]]:
    rows = ToolAttempt.objects.filter(run=run).order_by("step__no", "call_index", "attempt")
    return [(row.name, row.attempt, row.status) for row in rows]


def steps(run: Run) -> list[str]:
    return list(Step.objects.filter(run=run).order_by("no").values_list("status", flat=True))


def twice(work: Callable[[bool], Any]) -> Any:
    """In the place of `settled`: the commit comes through, but the connection dies before anybody hears of it."""
    work(False)
    return work(True)
