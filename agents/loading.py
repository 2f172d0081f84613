"""Rows -> what a step starts from: one query for the agent with all that it was given, one for its messages."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Q

from agents import approvals
from agents.loop.compaction import FULL, LAST_RESORT, OUT_OF_VIEW, first_kept, paired, reduced, shortened
from agents.loop.context import skills
from agents.loop.messages import Message as Said
from agents.loop.messages import Reply, Usage
from agents.loop.state import MAX_STEPS, StepState, Tried
from agents.loop.style import style_for
from agents.loop.tokens import Counted, Rates, estimate_message, estimate_prompt, estimate_tool, scale
from agents.mail import replies
from agents.models import Conversation, Message, Step, ToolAttempt
from agents.prompt import Equipped, compiled_prompt, equipped, prompt_fingerprint
from agents.retry import settled
from agents.rows import INPUT, said, tool_return
from agents.specs import model_settings, response_format, tool_specs, with_thinking
from agents.turns import Turn
from tools.spec import ToolCall, ToolReturn

OVERFLOW = "context_overflow"

LEAST_SHOWN = 64
"""Tokens of a single message below which nothing is gained by showing the model less of it."""

RATES = Rates()
"""What this process has learnt of the models that it asks: each step brings the count of the one before."""

_IN_CONTEXT = """
SELECT id, seq, role, content, name, step_id, call_index FROM agents_message
 WHERE conversation_id = %s AND (seq = 1 OR seq = %s OR seq >= %s) ORDER BY seq
"""


class Row(NamedTuple):
    id: str
    seq: int
    role: str
    content: dict[str, Any]
    name: str | None
    step_id: str | None
    call_index: int

    def said(self) -> Said:
        return said(self.role, self.content, self.name)


@dataclass(frozen=True, slots=True)
class Window:
    """What is in context before the step, and what of it fits. Sizes are estimated tokens.

    summary   of what had left the context before, and its size
    rows      the messages, `history` what they say, and `sizes` theirs
    fixed     the size of everything else in the request: prompt, core memory, tools
    limit     tokens that the model takes, as a client is told
    scale     what the provider counts for each token that is estimated
    fits      the estimated tokens that the model takes, beside the longest answer that it is allowed
    first     the index in `rows` from which on they fit; the others are out of the context with the step's commit
    refused   how often the provider has found this very request too long
    """

    summary: Said | None
    summary_size: int
    rows: list[Row]
    history: tuple[Said, ...]
    sizes: list[int]
    fixed: int
    limit: int
    scale: float
    fits: float
    first: int
    refused: int

    def tokens(self, first: int = 0) -> int:
        """Of the request with the messages from `first` on, as the provider would count them."""
        return round((self.fixed + self.summary_size + sum(self.sizes[first:])) * self.scale)

    def has_more_to_give(self) -> bool:
        """Whether, behind the first that is kept, there is one that another window could begin with."""
        return any(message.role in ("user", "assistant") for message in self.history[self.first + 1 :])

    def shown(self) -> tuple[tuple[Said, ...], int]:
        """What the model is shown, and its size. Begins with somebody else's word, as providers want it."""
        kept, sizes = self.history[self.first :], self.sizes[self.first :]
        if self.summary:
            kept, sizes = (self.summary, *kept), [self.summary_size, *sizes]
        elif kept and kept[0].role != "user":
            beginning = Said("user", OUT_OF_VIEW, nudge=True)
            kept, sizes = (beginning, *kept), [estimate_message(beginning), *sizes]
        size = sum(sizes)
        room = FULL * self.fits - self.fixed
        if self.refused:
            room = min(room, reduced(size, self.refused))
        told = paired(shortened(kept, sizes, room))
        return told, size if size <= room else sum(map(estimate_message, told))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A step's start, and what it was made of."""

    state: StepState
    equipped: Equipped
    window: Window


def load(turn: Turn, window_of: Callable[[str], int]) -> Loaded:
    """What the step starts from. No connection is kept: what comes next waits for a model, and thousands of turns share
    a pool of twenty."""
    loaded = settled(lambda again: load_state(turn, window_of))
    connection.close()
    return loaded


def load_state(turn: Turn, window_of: Callable[[str], int]) -> Loaded:
    """`window_of` gives the tokens that fit into a model's window, by its handle."""
    conversation, options = turn.conversation, turn.run.options
    whole = equipped(conversation)
    agent = whole.agent
    handle = options.get("override_model") or conversation.model or agent.model
    window = conversation.context_window_limit or agent.context_window_limit or window_of(handle)
    turn.step.model, turn.step.context_window = handle, window
    turn.thinks_aloud = style_for(agent.agent_type).thinks_aloud
    tools = tool_specs(whole.tools, options.get("client_tools") or ())
    system, rows, recorded = _messages(turn)
    own_settings = conversation.model_settings or agent.model_settings
    form = own_settings.get("response_format") if conversation.model_settings else None
    settings = model_settings(own_settings | {"response_format": form or response_format(agent)})
    stored = _stored_prompt(whole, system)
    text = stored or compiled_prompt(whole, conversation, len(rows))
    besides = skills(options.get("client_skills") or ())
    fixed = estimate_prompt((options.get("override_system") or text) + besides) + sum(map(estimate_tool, tools))
    usable = _usable(window, window_of(handle), settings.max_output_tokens or 0)
    fits = _window(turn, whole.counted, rows, fixed, window, usable)
    kept, size = fits.shown()
    if fits.first or turn.compacted:
        stored, text = None, compiled_prompt(whole, conversation, len(kept))
    if stored is None and system is not None:
        turn.prompt = (system.id, {"text": text, "inputs": prompt_fingerprint(whole)})
    turn.step.estimated_tokens = fixed + size
    turn.can_shrink = fits.refused < LAST_RESORT and (size > LEAST_SHOWN or fits.has_more_to_give())
    turn.always_tokens = round(fixed * fits.scale)
    state = StepState(
        handle=handle,
        system=(options.get("override_system") or text) + besides,
        history=kept,
        tools=tools,
        style=style_for(agent.agent_type),
        settings=with_thinking(settings, options.get("enable_thinking")),
        rules=tuple(agent.tool_rules),
        no=turn.step.no,
        max_steps=options.get("max_steps") or MAX_STEPS,
        gated=frozenset(rule["tool_name"] for rule in agent.tool_rules if rule["type"] == "requires_approval"),
        **(_recorded(turn, recorded) if recorded else {}),
    )
    turn.gated = state.gated.union(tool.name for tool in tools if tool.effect == "client")
    return Loaded(state, whole, fits)


def _usable(limit: int, own: int, output: int) -> float:
    """Of the `limit`, the window that the prompt may fill to FULL: an answer of `output` tokens has to fit the model's
    `own` window beside it."""
    return min(limit, max(own - output, own / 2) / FULL)


def _window(turn: Turn, counted: Counted | None, rows: list[Row], fixed: int, limit: int, usable: float) -> Window:
    """What leaves the context is noted in the turn, for the step's first commit."""
    summary = next((row.said() for row in rows if row.seq == turn.conversation.summary_seq), None)
    summary_size = estimate_message(summary) if summary else 0
    rows = [row for row in rows if row.role != Message.Role.SUMMARY]
    history = tuple(row.said() for row in rows)
    sizes = [estimate_message(message) for message in history]
    by = scale_of(counted, turn.step.model, fixed + summary_size + sum(sizes))
    refused = turn.step.overflows if turn.step.error_code == OVERFLOW else 0
    first = first_kept(history, sizes, fixed + summary_size, int(usable / by), refused)
    if first:
        turn.context_from = rows[first].seq
    return Window(summary, summary_size, rows, history, sizes, fixed, limit, by, usable / by, first, refused)


def scale_of(counted: Counted | None, handle: str, estimated: int) -> float:
    """By what an estimate has to be multiplied. What was counted of the conversation's last call is learnt from."""
    if counted:
        RATES.learn(counted)
    return scale(estimated, handle, counted, RATES.of(handle))


def _stored_prompt(whole: Equipped, system: Row | None) -> str | None:
    """None when something in it has changed since, or there is none."""
    if system is not None and system.content.get("inputs") == prompt_fingerprint(whole):
        return str(system.content["text"])
    return None


def context_messages(conversation: Conversation) -> Q:
    """Which rows are in context: the system message, the summary, and all from `context_from` on."""
    said = Q(seq__gte=conversation.context_from) & ~Q(role=Message.Role.SUMMARY)
    return Q(conversation_id=conversation.id) & (Q(seq=1) | Q(seq=conversation.summary_seq) | said)


def place_in_context(row: Message) -> tuple[bool, bool, int]:
    """A sort key: the system message, the summary of what has left, then everything as it was said."""
    return row.seq != 1, row.role != Message.Role.SUMMARY, row.seq


def _messages(turn: Turn) -> tuple[Row | None, list[Row], list[Row]]:
    """The system message, the rows before this step's answer, and those from its answer on.

    The first step of a run that brings an answer to waiting calls has the answer of the model that made them.
    """
    with connection.cursor() as cursor:
        place = turn.conversation
        cursor.execute(_IN_CONTEXT, [place.id, place.summary_seq, place.context_from])
        found = cursor.fetchall()
    # All at once: a call for each takes twice as long.
    contents = json.loads(f"[{','.join([row[3] for row in found])}]")
    rows = [
        Row(id, seq, role, content, name, step_id, index)
        for (id, seq, role, _, name, step_id, index), content in zip(found, contents, strict=True)
    ]
    system = rows.pop(0) if rows and rows[0].role == Message.Role.SYSTEM else None
    asked = turn.answers["approval_request_id"] if turn.answers else None
    said = (Message.Role.ASSISTANT, Message.Role.TOOL)
    recorded = [row for row in rows if row.step_id == turn.step.id and row.call_index < INPUT and row.role in said]
    own = [row for row in rows if row.id == asked] + recorded
    known = {row.id for row in own}
    return system, [row for row in rows if row.id not in known and row.role != Message.Role.APPROVAL], own


def _recorded(turn: Turn, rows: list[Row]) -> dict[str, Any]:
    """What an earlier worker had stored of this step: the answer, the returns, and how far each other call had come."""
    step = turn.step
    answer = next(row.said() for row in rows if row.role == Message.Role.ASSISTANT)
    returns = [tool_return(row.content) for row in rows if row.role == Message.Role.TOOL]
    usage = Usage(
        step.prompt_tokens, step.completion_tokens, step.cached_tokens, step.cache_write_tokens, step.reasoning_tokens
    )
    assert isinstance(answer.content, str)
    return {
        "recorded": Reply(answer.content, answer.reasoning, answer.calls, step.finish or "stop", usage),
        "returned": {returned.call_id: returned for returned in returns},
        "tried": (tried := _tried(step)),
        "answers": (approvals.outcomes(turn.answers, answer.calls) if turn.answers else {})
        | _replies(turn, answer.calls, tried),
    }


def _replies(turn: Turn, calls: Iterable[ToolCall], tried: dict[str, Tried]) -> dict[str, ToolReturn]:
    """What other agents replied to calls of this step. Only one that was begun can have been sent."""
    begun = [call for call in calls if call.id in tried and tried[call.id].unfinished]
    return replies(turn, begun) if begun else {}


def _tried(step: Step) -> dict[str, Tried]:
    tried: dict[str, Tried] = {}
    for attempt in ToolAttempt.objects.filter(step_id=step.id).order_by("call_index", "attempt"):
        if attempt.status != ToolAttempt.Status.PLANNED:
            unfinished = attempt.finished_at is None
            tried[attempt.call_id] = Tried(attempt.attempt, unfinished)
    return tried
