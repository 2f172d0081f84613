"""A full context is summarised before the model is asked: by a model, then noted in one commit of its own."""

import logging
from collections.abc import Callable
from functools import reduce
from operator import add

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Least

from accounts.fields import clean_text, new_id
from agents.errors import LLMError
from agents.faultpoints import faultpoint
from agents.loading import RATES, Loaded, load
from agents.loop.compaction import SUMMARY_SHARE, CompactionSettings, Summarizer, first_unsummarised, summarised
from agents.loop.messages import MOST_TOKENS, Usage
from agents.loop.ports import LLM, Abort
from agents.models import Conversation, Message, Step
from agents.retry import settled
from agents.rows import summary_row
from agents.specs import model_settings
from agents.statements import insert
from agents.turns import Turn, fence

log = logging.getLogger(__name__)

KIND = "compact"
"""The kind of a run that does nothing else."""


def compact(
    turn: Turn, loaded: Loaded, llm: Callable[[str], LLM], window_of: Callable[[str], int], abort: Abort
) -> Loaded:
    """Summarise what has to leave; the step as it starts now. Without a summary it still starts: with what fits.

    Asked for by the client itself, an error of the summariser is one of the run. Raises LLMError, Cancelled, Fenced.
    """
    wanted = turn.run.kind == KIND
    if loaded.state.recorded or not (wanted or loaded.window.first):
        return loaded
    if loaded.window.refused > 1 and not wanted:
        return loaded  # a summary has not helped: the rest leaves without one
    given = turn.run.options.get("compaction_settings") or loaded.equipped.agent.compaction_settings or {}
    settings = CompactionSettings.of(given, model_settings(given.get("model_settings") or {}))
    window = loaded.window
    fixed, fits = window.fixed + window.summary_size, int(window.fits)
    first = first_unsummarised(window.history, window.sizes, fixed, fits, settings, least=window.first, idle=wanted)
    if not first:
        return loaded
    used = [Usage()]
    leaving = (*([window.summary] if window.summary else []), *window.history[:first])
    try:
        text = summarised(leaving, _summarizer(loaded, settings, llm, window_of, used.append), settings, abort)
    except LLMError as error:
        if wanted:
            raise
        log.warning("%s: no summary (%s: %s); the oldest messages leave without one", turn.run.id, error.code, error)
        return loaded
    trigger = "requested" if wanted else "context_window_exceeded"
    _record(turn, loaded, text, first, trigger, reduce(add, used))
    return load(turn, window_of)


def _summarizer(
    loaded: Loaded,
    settings: CompactionSettings,
    llm: Callable[[str], LLM],
    window_of: Callable[[str], int],
    book: Callable[[Usage], None],
) -> Summarizer:
    state, fits = loaded.state, int(loaded.window.fits)
    handle = settings.model if settings.model and not settings.by_itself else state.handle
    window = int(window_of(handle) / RATES.of(handle)) if handle != state.handle else fits
    longest = int(SUMMARY_SHARE * min(window, fits))
    return Summarizer(llm(handle), handle, window, longest, state.system, state.tools, book)


def _record(turn: Turn, loaded: Loaded, text: str, first: int, trigger: str, used: Usage) -> None:
    window, message_id, text = loaded.window, new_id("message"), clean_text(text)
    stats = {
        "trigger": trigger,
        "context_window": window.limit,
        "context_tokens_before": window.tokens(),
        "context_tokens_after": window.tokens(first),
        "messages_count_before": len(window.rows) + 1 + (window.summary is not None),
        "messages_count_after": len(window.rows) - first + 2,
    }
    numbers = turn.number(2)

    def work(again: bool) -> list[Message]:
        faultpoint("c19")
        with transaction.atomic():
            if again and (stored := Message.objects.filter(id=message_id).first()):
                return [stored]
            seq = fence(turn.hold, 1)
            row = summary_row(turn.step, turn.conversation.id, text, stats, id=message_id, seq=seq)
            row.event_seq = numbers
            insert([row])
            kept_from = window.rows[first].seq if first < len(window.rows) else seq
            Conversation.objects.filter(id=turn.conversation.id).update(summary_seq=seq, context_from=kept_from)
            Step.objects.filter(id=turn.step.id).update(
                summary_prompt_tokens=Least(F("summary_prompt_tokens") + used.prompt, MOST_TOKENS),
                summary_completion_tokens=Least(F("summary_completion_tokens") + used.completion, MOST_TOKENS),
            )
            turn.conversation.summary_seq, turn.conversation.context_from = seq, kept_from
            return [row]

    stored = settled(work)
    faultpoint("c19")
    turn.context_from, turn.compacted = None, True
    turn.step.error_code = None  # the provider's refusal has been seen to
    turn.committed(stored, None)
