"""What agents say to each other: runs of the one that another's call has asked for.

The message is accepted by the commit that records the call's intent, so it is sent exactly once. Who waits for the
reply waits as a row: its run is queued until the asked run has ended, and holds neither a worker nor the lease of its
conversation.
"""

import json
from collections.abc import Sequence

from django.conf import settings
from django.db.models import Case, When

from accounts.fields import clean_text, new_id
from agents.events import failure_of
from agents.intake import take_number
from agents.models import TERMINAL, Agent, Conversation, Message, Run
from agents.statements import execute
from agents.turns import READY_AT, READY_NOW, Turn, fence
from tools.executor import returned
from tools.spec import Status, ToolCall, ToolError, ToolReturn

MAX_DEPTH = 8
"""How long a chain of agents may be that were each asked by the one before."""
MAX_RECIPIENTS = 32
RETURN_CHARS = 50_000
KIND = "agent_message"
ALL_TAGGED = "send_message_to_agents_matching_tags"

_WAITED_FOR = "It waits for your reply: what you say to the user in this turn is sent to it. Answer it, do not ask it."
_NOT_WAITED_FOR = 'It does not wait. To answer, call send_message_to_agent_async with other_agent_id "{id}".'

# From a conversation along those that wait, each for a run of the next, to the own one: then nobody could go on.
_RING = """
WITH RECURSIVE reached(place) AS (
     SELECT id FROM agents_conversation WHERE id = %s
      UNION
     SELECT asked.conversation_id FROM reached
       JOIN agents_run AS asker ON asker.conversation_id = reached.place AND asker.waits
            AND NOT (asker.status IN ('completed', 'failed', 'cancelled'))
       JOIN agents_run AS asked ON asked.asked_by_id = asker.id AND asked.is_awaited
            AND NOT (asked.status IN ('completed', 'failed', 'cancelled')))
SELECT 1 FROM reached WHERE place = %s
"""

# Two that ask each other in the same moment must see each other's question. Until the end of the transaction.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"

_WAIT = """
UPDATE agents_run SET status = 'queued', waits = TRUE,
       not_before = LEAST(clock_timestamp() + make_interval(secs => %s), deadline_at)
 WHERE id = %s RETURNING not_before
"""

_LOCK = "SELECT conversation_id FROM agents_run WHERE id = %s AND waits AND status = 'queued' FOR UPDATE"

_WAKE = """
UPDATE agents_run AS asker SET not_before = NULL
 WHERE id = %s AND NOT EXISTS (
       SELECT 1 FROM agents_run AS asked WHERE asked.asked_by_id = asker.id AND asked.is_awaited
          AND NOT (asked.status IN ('completed', 'failed', 'cancelled')))
RETURNING conversation_id
"""

# Those whose asked runs have all ended, or are gone, without that anybody woke them.
FORGOTTEN = """
WITH woken AS (
     UPDATE agents_run AS asker SET not_before = NULL
      WHERE waits AND status = 'queued' AND not_before > clock_timestamp() AND NOT EXISTS (
            SELECT 1 FROM agents_run AS asked WHERE asked.asked_by_id = asker.id AND asked.is_awaited
               AND NOT (asked.status IN ('completed', 'failed', 'cancelled')))
     RETURNING conversation_id)
UPDATE agents_inbox SET ready_at = clock_timestamp(), hinted_at = NULL
 WHERE conversation_id IN (SELECT conversation_id FROM woken)
"""


class Post:
    """tools.executor.Mail, for the calls of one turn. Inside the commit that records them."""

    def __init__(self, turn: Turn, sender: Agent, call_id: str):
        self._turn, self._sender, self._call_id = turn, sender, call_id

    def send(self, message: str, agent_id: str) -> None:
        self._accept(self._found(agent_id), message, is_awaited=False)

    def ask(self, message: str, agent_id: str) -> None:
        self._accept(self._found(agent_id), message, is_awaited=True)

    def ask_tagged(self, message: str, match_all: Sequence[str], match_some: Sequence[str]) -> None:
        if not match_all and not match_some:
            raise ToolError("Name at least one tag, in match_all or in match_some.")
        rows = Agent.objects.filter(organization_id=self._sender.organization_id).exclude(id=self._sender.id)
        rows = rows.filter(tags__contains=[*map(clean_text, match_all)]) if match_all else rows
        rows = rows.filter(tags__overlap=[*map(clean_text, match_some)]) if match_some else rows
        found = list(rows.order_by("id")[: MAX_RECIPIENTS + 1])
        if not found:
            raise ToolError("No other agent has these tags.")
        if len(found) > MAX_RECIPIENTS:
            raise ToolError(f"More than {MAX_RECIPIENTS} agents have these tags. Name more of them in match_all.")
        for agent in found:
            self._accept(agent, message, is_awaited=True)

    def _found(self, agent_id: str) -> Agent:
        if agent_id == self._sender.id:
            raise ToolError("This is your own id. Think for yourself, or name another agent.")
        wanted = clean_text(agent_id)  # written by a model
        agent = Agent.objects.filter(organization_id=self._sender.organization_id, id=wanted).first()
        if agent is None:
            raise ToolError(f"There is no agent with the id {agent_id!r}.")
        return agent

    def _accept(self, agent: Agent, message: str, *, is_awaited: bool) -> None:
        run = self._turn.run
        key = f"call:{run.id}:{self._turn.step.id}:{self._call_id}:{agent.id}"
        place = _default_of(agent)
        if Run.objects.filter(conversation_id=place.id, idempotency_key=key).exists():
            return  # this very commit had come through before, and nobody heard of it
        if run.depth >= MAX_DEPTH:
            raise ToolError(f"This is the end of a chain of {MAX_DEPTH} agents that asked each other. Answer yourself.")
        execute(_ONE_AT_A_TIME, [run.organization_id])
        if is_awaited and execute(_RING, [place.id, self._turn.conversation.id]):
            raise ToolError(
                f"Agent {agent.name} ({agent.id}) is waiting for your reply, directly or through others: answer, "
                "do not ask. What you say in this turn reaches it."
            )
        self._insert(agent, place, message, key, is_awaited)
        self._turn.also_ready.append(place.id)

    def _insert(self, agent: Agent, place: Conversation, message: str, key: str, is_awaited: bool) -> None:
        seq, deadline_at, asked = take_number(place.id)
        if asked:
            raise ToolError(f"Agent {agent.name} waits for a person's approval, and takes no message before that.")
        run = self._turn.run
        said = {"id": new_id("message"), "role": "user", "name": None, "otid": None, "sender_id": self._sender.id}
        Run.objects.create(
            organization_id=run.organization_id,
            agent_id=agent.id,
            conversation_id=place.id,
            seq=seq,
            kind=KIND,
            background=True,
            idempotency_key=key,
            fingerprint="",
            input=[said | {"content": _addressed(self._sender, message, is_awaited)}],
            deadline_at=deadline_at,
            asked_by_id=run.id,
            asked_by_call=self._call_id,
            is_awaited=is_awaited,
            depth=run.depth + 1,
        )


def _default_of(agent: Agent) -> Conversation:
    """In the words that the index conversation_default_of has for it."""
    default_of = Case(When(is_default=True, then="agent_id"))
    return Conversation.objects.annotate(default_of=default_of).get(default_of=agent.id)


def _addressed(sender: Agent, message: str, is_awaited: bool) -> str:
    how = _WAITED_FOR if is_awaited else _NOT_WAITED_FOR.format(id=sender.id)
    return f"[Message from another agent, {sender.name} ({sender.id}). {how}]\n{message}"


def wait(turn: Turn) -> None:
    """Put the run back until the replies are there, and give the conversation back. Inside the commit."""
    fence(turn.hold, 0, release=True)
    (until,) = execute(_WAIT, [settings.REPLY_SECONDS, turn.run.id])
    execute(READY_AT, [True, until, turn.conversation.id])


def wake(ended: Run) -> str | None:
    """When nothing more is missing, whoever had asked goes on; its conversation. Inside the transaction of the end."""
    if not ended.is_awaited or ended.asked_by_id is None:
        return None
    # Locked first, so that of two that end in the same moment the second sees the end of the first.
    if execute(_LOCK, [ended.asked_by_id]) is None:
        return None
    woken = execute(_WAKE, [ended.asked_by_id])
    if woken is None:
        return None
    execute(READY_NOW, [woken[0]])
    return str(woken[0])


def replies(turn: Turn, calls: Sequence[ToolCall]) -> dict[str, ToolReturn]:
    """What came back to the calls of this step that asked other agents, as far as any have."""
    runs = Run.objects.filter(asked_by_id=turn.run.id, is_awaited=True, asked_by_call__in=[call.id for call in calls])
    asked = list(runs.select_related("agent").order_by("agent_id"))
    return {
        call.id: _return(call, found) for call in calls if (found := [r for r in asked if r.asked_by_call == call.id])
    }


def _return(call: ToolCall, runs: Sequence[Run]) -> ToolReturn:
    told = [_reply(run) for run in runs]
    if call.name != ALL_TAGGED:
        ok, text = told[0]
        return returned(call, "success" if ok else "error", text, RETURN_CHARS)
    each = [
        {"agent_id": run.agent_id, "name": run.agent.name, "reply" if ok else "error": text}
        for run, (ok, text) in zip(runs, told, strict=True)
    ]
    status: Status = "success" if any(ok for ok, _ in told) else "error"
    return returned(call, status, json.dumps(each, ensure_ascii=False), RETURN_CHARS)


def _reply(run: Run) -> tuple[bool, str]:
    """Whether there is a reply, and it; or why there is none."""
    who = f"Agent {run.agent.name} ({run.agent_id})"
    if run.status not in TERMINAL:
        return False, f"{who} has not replied in time. It may still work on it, but its reply will not reach you."
    if run.status == Run.Status.CANCELLED:
        return False, f"{who} was stopped before it had replied."
    if run.status == Run.Status.FAILED:
        return False, f"{who} failed before it had replied: {failure_of(run)[1]}"
    said = Message.objects.filter(run_id=run.id, role=Message.Role.ASSISTANT).exclude(text="").order_by("seq")
    text = "\n".join(said.values_list("text", flat=True))
    if text:
        return True, text
    if run.stop_reason == "requires_approval":
        return False, f"{who} waits for a person's approval before it can go on. There is no reply."
    return False, f"{who} ended its turn without a reply."
