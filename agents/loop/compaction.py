"""When the window is too full: which messages leave it, what is kept of them, and what is cut when nothing else helps.

Messages that leave stay in recall memory, where the agent can search them.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, TypeVar

from agents.errors import LLMError
from agents.loop.messages import Message, Usage
from agents.loop.ports import LLM, Abort, LLMRequest, ModelSettings
from agents.loop.prompts import SUMMARIZE
from agents.loop.reply import fold
from agents.loop.tokens import (
    BYTES_PER_TOKEN,
    PER_MESSAGE,
    beginning,
    estimate,
    estimate_message,
    estimate_prompt,
    estimate_tool,
)
from tools.spec import ToolCall, ToolReturn, ToolSpec

Rest = TypeVar("Rest", str, tuple[Message, ...])

FULL = 0.9
"""The share of the model's window from which on messages are evicted."""

ROOMY = 0.7
"""The share that is left filled then, so that it does not happen again with the next message."""

SUMMARIZER_SHARE = 0.75
"""Of the summariser's own window: its instructions and what it is given to read at once. The rest is for its answer."""

SUMMARY_SHARE = 0.2
"""Of a window: what a summary in it may take."""

LEAST_PIECE = 64
"""Tokens that a summariser must be able to read at once, to be worth asking."""

MOST_CALLS = 24
"""Of the summariser for one summary. Of a text that needs more, the oldest part is left out."""

LAST_RESORT = 3
"""So often refused as too long, a request is sent with nothing in it that can be left out."""

OUT_OF_VIEW = "(Earlier messages are out of view. You can search them.)"
CUT = "\n[... {count} characters left out ...]\n"
LOST = "What this call has returned is not known any more."
AGREED = "Understood. I answer with the summary, and with nothing else."
GO_ON = "Please do as you were told."
_BEFORE = "Summary of what came before:\n{summary}\n\n"
_SHORTEST = 120
_AROUND = (
    6 * PER_MESSAGE + estimate(_BEFORE + AGREED + GO_ON) + 8
)  # tokens of a summariser's request beside all that it tells

MODES = ("sliding_window", "all", "self_compact_sliding_window", "self_compact_all")


@dataclass(frozen=True, slots=True)
class CompactionSettings:
    """The API's `compaction_settings`.

    mode    `all`: everything before the current turn is summarised; `sliding_window`: the oldest `share` of it, or as
            much as has to leave. With `self_compact_` the agent's own prompt and model do it
    model   handle of the summariser; None: the agent's
    clip    characters that a summary may have
    call    how to call the summariser
    ack     the summariser is shown to have agreed to its instructions, which keeps some models from answering the
            conversation instead
    """

    mode: str = MODES[0]
    model: str | None = None
    prompt: str = SUMMARIZE
    share: float = 0.3
    clip: int = 50_000
    ack: bool = False
    call: ModelSettings = field(default_factory=ModelSettings)

    @classmethod
    def of(cls, given: dict[str, Any] | None, call: ModelSettings | None = None) -> "CompactionSettings":
        names = {"mode": "mode", "model": "model", "prompt": "prompt", "prompt_acknowledgement": "ack"}
        names |= {"sliding_window_percentage": "share", "clip_chars": "clip"}
        chosen = given or {}
        return cls(
            **{own: chosen[name] for name, own in names.items() if chosen.get(name)}, call=call or ModelSettings()
        )

    @property
    def by_itself(self) -> bool:
        return self.mode.startswith("self_compact")

    @property
    def everything(self) -> bool:
        return self.mode.endswith("all")


# What leaves ----------------------------------------------------------------------------------------------------------


def first_kept(history: Sequence[Message], sizes: Sequence[int], fixed: int, window: int, failures: int = 0) -> int:
    """The index of the first message that stays in context; 0 when all of it fits.

    sizes     tokens of each message of `history`, and `fixed` those of everything else in the request
    failures  how often the provider has refused this very step as too long: each time half as much is kept, and in the
              end no more than must be

    No call is parted from its return. Turns leave as a whole, the oldest first; of the last one, earlier steps leave
    when it alone is too long.
    """
    total = fixed + sum(sizes)
    if total <= FULL * window and not failures:
        return 0
    budget = min(ROOMY * window, fixed + reduced(sum(sizes), failures))
    starts = _starts(history)
    return next((index for index in starts if fixed + sum(sizes[index:]) <= budget), starts[-1] if starts else 0)


def first_unsummarised(
    history: Sequence[Message],
    sizes: Sequence[int],
    fixed: int,
    window: int,
    settings: CompactionSettings,
    *,
    least: int,
    idle: bool,
) -> int:
    """The index of the first message that stays beside the summary; 0 when nothing can leave.

    least  so many have to leave
    idle   no turn is under way, so that everything may leave
    """
    starts = [*_starts(history), *([len(history)] if idle and history else [])]
    turns = [index for index in starts if index == len(history) or _is_said(history[index])]
    if settings.everything:
        return max(turns[-1] if turns and turns[-1] else max(starts, default=0), least)
    wanted = [index for index in starts if index >= max(settings.share * len(history), least)]
    return next((index for index in wanted if fixed + sum(sizes[index:]) <= ROOMY * window), max(wanted, default=0))


def _starts(history: Sequence[Message]) -> list[int]:
    """Where what is kept may begin: with what a user said, or with an answer of the last turn."""
    turns = [index for index, message in enumerate(history) if _is_said(message)]
    last = turns[-1] if turns else 0
    steps = [index for index, message in enumerate(history) if index > last and message.role == "assistant"]
    return turns + steps


def _is_said(message: Message) -> bool:
    return message.role == "user" and not message.nudge


def reduced(tokens: float, failures: int) -> float:
    """What of so many tokens may stay in a request that was refused so often."""
    return 0 if failures >= LAST_RESORT else tokens / 2**failures


def shortened(history: Sequence[Message], sizes: Sequence[int], budget: float) -> tuple[Message, ...]:
    """The messages, with the middle of the longest texts left out until they are at most `budget` tokens.

    The last resort, for what cannot leave: of each message something remains. The rows keep every word.
    """
    if sum(sizes) <= budget:
        return tuple(history)
    most = _most(sizes, budget)
    pairs = zip(history, sizes, strict=True)
    return tuple(_cut(message, most / size) if size > most else message for message, size in pairs)


def _most(sizes: Sequence[int], budget: float) -> float:
    """What one of them may have at most, so that all together have `budget`."""
    left = max(budget, 0)
    for position, size in enumerate(sorted(sizes)):
        share = left / (len(sizes) - position)
        if size >= share:
            return share
        left -= size
    return max(sizes, default=0)


def _cut(message: Message, share: float) -> Message:
    """About this share of it. Thoughts go as a whole, because a provider's seal is on the whole."""
    text = _middle_out(_flat(message.content), share)
    calls = tuple(replace(call, arguments=_fewer(call.arguments, share)) for call in message.calls)
    if message.returned:
        return replace(message, content=text, returned=replace(message.returned, text=text))
    return replace(message, content=text, calls=calls, reasoning=())


def _middle_out(text: str, share: float) -> str:
    half = max(int(len(text) * share) - len(CUT), _SHORTEST - len(CUT)) // 2
    if len(text) <= 2 * half + len(CUT):
        return text
    return text[:half] + CUT.format(count=len(text) - 2 * half) + text[-half:]


def _fewer(arguments: str, share: float) -> str:
    """Arguments are JSON, and stay it."""
    short = _middle_out(arguments, share)
    return arguments if short == arguments else json.dumps({"shortened": short}, ensure_ascii=False)


def _flat(content: str | list[dict[str, Any]]) -> str:
    return content if isinstance(content, str) else " ".join(part.get("text", "[image]") for part in content)


def paired(history: Sequence[Message]) -> tuple[Message, ...]:
    """Every call with one return right behind it, as providers want it.

    The rows have it so. Whatever may have been done to them, one half alone would have every later request refused.
    """
    if not any(message.calls or message.returned for message in history):
        return tuple(history)
    told: list[Message] = []
    waiting: dict[str, ToolCall] = {}
    for message in history:
        if message.returned:
            if waiting.pop(message.returned.call_id, None):
                told.append(message)
            continue
        told += map(_lost, waiting.values())
        told.append(message)
        waiting = {call.id: call for call in message.calls}
    return (*told, *map(_lost, waiting.values()))


def _lost(call: ToolCall) -> Message:
    return Message("tool", LOST, returned=ToolReturn(call.id, call.name, "error", LOST))


# What is kept of it ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Summarizer:
    """Who writes the summary.

    window   what it can read at once, and `longest` what it may write: tokens, as they are estimated
    system   the agent's own prompt and `tools`, for one that sums up its own conversation
    book     is told what each call has used
    """

    llm: LLM
    handle: str
    window: int
    longest: int
    system: str
    tools: tuple[ToolSpec, ...] = ()
    book: Callable[[Usage], None] = lambda usage: None

    def room(self, instructions: int) -> int:
        """For what it is to read, beside its instructions and the summary of what came before."""
        return int(self.window * SUMMARIZER_SHARE) - instructions - self.longest - _AROUND


def summarised(leaving: Sequence[Message], who: Summarizer, settings: CompactionSettings, abort: Abort) -> str:
    """What the messages come to, in one text. A summary among them goes into the new one. Raises LLMError, Cancelled.

    Whatever does not fit the summariser's window at once is told in pieces, each with the summary of those before it.
    """
    prompt = estimate(settings.prompt)
    own = who.room(estimate_prompt(who.system) + sum(map(estimate_tool, who.tools)) + prompt)
    whole = paired(leaving)
    if settings.by_itself and own >= LEAST_PIECE and whole:

        def ask_itself(summary: str, piece: tuple[Message, ...]) -> str:
            before = (Message("user", _before(summary)),) if summary else ()
            agreed = (Message("assistant", AGREED), Message("user", GO_ON)) if settings.ack else ()
            asked = (*before, *piece, Message("user", settings.prompt), *agreed)
            request = LLMRequest(who.handle, who.system, asked, who.tools, "none", settings.call)
            return _answer(request, who, settings, abort)

        return _piece_by_piece(whole, own, _some, ask_itself)

    def ask(summary: str, piece: str) -> str:
        agreed = (Message("user", GO_ON), Message("assistant", AGREED)) if settings.ack else ()
        asked = (*agreed, Message("user", f"{_before(summary)}Conversation:\n{piece}"))
        return _answer(LLMRequest(who.handle, settings.prompt, asked, settings=settings.call), who, settings, abort)

    room = who.room(prompt)
    newest = transcript(leaving)[-MOST_CALLS * max(room, 0) * BYTES_PER_TOKEN // 2 :]
    return _piece_by_piece(newest, room, _lines_of, ask)


def _piece_by_piece(
    rest: Rest, room: int, take: Callable[[Rest, int], tuple[Rest, Rest]], ask: Callable[[str, Rest], str]
) -> str:
    """`take` gives a piece of at most so many tokens, and what is left. A refusal makes the pieces smaller."""
    summary = ""
    for _ in range(MOST_CALLS):
        if room < LEAST_PIECE:
            break
        piece, left = take(rest, room)
        try:
            summary, rest = ask(summary, piece), left
        except LLMError as error:
            if error.code != "context_overflow":
                raise
            room //= 2
        if not rest:
            return summary
    raise LLMError(
        "context_overflow",
        "The summariser's context window is too small for this conversation. "
        "Give compaction_settings a model with a larger one.",
    )


def _before(summary: str) -> str:
    return _BEFORE.format(summary=summary) if summary else ""


def _lines_of(text: str, room: int) -> tuple[str, str]:
    """Cut at the end of a line where there is one."""
    piece = beginning(text, room)
    if len(piece) < len(text):
        piece = piece[: piece.rfind("\n", len(piece) // 2) + 1 or len(piece)]
    return piece, text[len(piece) :]


def _some(messages: tuple[Message, ...], room: int) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """No call is parted from its return; calls and returns that are too long together are shortened."""
    sizes = [estimate_message(message) for message in messages]
    is_end = [*(later.returned is None for later in messages[1:]), True]
    ends = [(index + 1, size) for index, size in enumerate(accumulate(sizes)) if is_end[index]]
    end = max((index for index, size in ends if size <= room), default=ends[0][0])
    return shortened(messages[:end], sizes[:end], room), messages[end:]


def _answer(request: LLMRequest, who: Summarizer, settings: CompactionSettings, abort: Abort) -> str:
    reply = fold(who.llm.stream(request, abort), lambda event: None, str)
    who.book(reply.usage)
    text = reply.text.strip()
    if not text:
        raise LLMError("empty_response", "The summariser gave an empty answer.", retryable=True)
    return beginning(text[: settings.clip], who.longest)


def packed_summary(summary: str) -> str:
    """As the model reads it, and clients that do not know of summaries."""
    message = f"Earlier messages of this conversation are out of view. Here is a summary of them:\n{summary}"
    return json.dumps({"type": "system_alert", "message": message}, ensure_ascii=False)


def transcript(messages: Iterable[Message]) -> str:
    return "\n".join(line for message in messages for line in _lines(message))


def _lines(message: Message) -> Iterator[str]:
    if message.returned:
        yield f"{message.returned.name} returned: {message.returned.text}"
        return
    text = _flat(message.content)
    if text:
        yield f"{message.role}: {text}"
    for call in message.calls:
        yield f"{message.role} called {call.name}({call.arguments})"
