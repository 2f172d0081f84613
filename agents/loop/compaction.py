"""When the window is too full: which messages leave it, what is kept of them, and what is cut when nothing else helps.

Messages that leave stay in recall memory, where the agent can search them.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agents.errors import LLMError
from agents.loop.messages import Message
from agents.loop.ports import LLM, Abort, LLMRequest
from agents.loop.prompts import SUMMARIZE
from agents.loop.reply import fold
from tools.spec import ToolSpec

FULL = 0.9
"""The share of the model's window from which on messages are evicted."""

ROOMY = 0.7
"""The share that is left filled then, so that it does not happen again with the next message."""

SUMMARIZER_SHARE = 0.5
"""Of the summariser's own window: what it is given to read at once."""

OUT_OF_VIEW = "(Earlier messages are out of view. You can search them.)"
CUT = "\n[... {count} characters are left out here, because they do not fit the context window ...]\n"
_SHORTEST = 400

MODES = ("sliding_window", "all", "self_compact_sliding_window", "self_compact_all")


@dataclass(frozen=True, slots=True)
class CompactionSettings:
    """The API's `compaction_settings`.

    mode    `all`: everything before the current turn is summarised; `sliding_window`: the oldest `share` of it, or as
            much as has to leave. With `self_compact_` the agent's own prompt and model do it
    model   handle of the summariser; None: the agent's
    clip    characters that a summary may have
    """

    mode: str = MODES[0]
    model: str | None = None
    prompt: str = SUMMARIZE
    share: float = 0.3
    clip: int = 50_000

    @classmethod
    def of(cls, given: dict[str, Any] | None) -> "CompactionSettings":
        names = {"mode": "mode", "model": "model", "prompt": "prompt"}
        names |= {"sliding_window_percentage": "share", "clip_chars": "clip"}
        chosen = given or {}
        return cls(**{own: chosen[name] for name, own in names.items() if chosen.get(name)})

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
    failures  how often the provider has refused this very step as too long: each time half as much is kept

    No call is parted from its return. Turns leave as a whole, the oldest first; of the last one, earlier steps leave
    when it alone is too long.
    """
    total = fixed + sum(sizes)
    if total <= FULL * window and not failures:
        return 0
    budget = min(ROOMY * window, fixed + sum(sizes) / 2**failures)
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
        return turns[-1] if turns and turns[-1] else max(starts, default=0)
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


def shortened(history: Sequence[Message], sizes: Sequence[int], budget: float) -> tuple[Message, ...]:
    """The messages, with the middle of the longest texts left out until they are at most `budget` tokens.

    The last resort, for what cannot leave. The rows keep every word.
    """
    texts, left = list(history), list(sizes)
    while sum(left) > budget:
        longest = max(range(len(left)), key=left.__getitem__)
        target = max(left[longest] - (sum(left) - int(budget)), 1)
        texts[longest], left[longest], was = _cut(texts[longest], target / left[longest]), target, left[longest]
        if texts[longest] is history[longest] or target == was:
            break
    return tuple(texts)


def _cut(message: Message, share: float) -> Message:
    text = message.returned.text if message.returned else message.content
    if not isinstance(text, str) or len(text) <= _SHORTEST:
        return message
    half = max(int(len(text) * share) // 2 - len(CUT), _SHORTEST // 2)
    short = text[:half] + CUT.format(count=len(text) - 2 * half) + text[-half:]
    if message.returned:
        return replace(message, content=short, returned=replace(message.returned, text=short))
    return replace(message, content=short)


# What is kept of it ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Summarizer:
    """Who writes the summary, and how much it can read at once (tokens)."""

    llm: LLM
    handle: str
    window: int
    system: str
    tools: tuple[ToolSpec, ...] = ()


def summarised(leaving: Sequence[Message], who: Summarizer, settings: CompactionSettings, abort: Abort) -> str:
    """What the messages come to, in one text. A summary among them goes into the new one. Raises LLMError, Cancelled.

    Whatever does not fit the summariser's window at once is told in parts, each with the summary of those before it.
    """
    if settings.by_itself:
        asked = (*leaving, Message("user", settings.prompt))
        return _answer(LLMRequest(who.handle, who.system, asked, who.tools, "none"), who, settings, abort)
    summary = ""
    for part in _parts(transcript(leaving), int(who.window * SUMMARIZER_SHARE) * 3):
        told = f"Summary of what came before:\n{summary}\n\n" if summary else ""
        asked = (Message("user", f"{told}Conversation:\n{part}"),)
        summary = _answer(LLMRequest(who.handle, settings.prompt, asked), who, settings, abort)
    return summary


def _answer(request: LLMRequest, who: Summarizer, settings: CompactionSettings, abort: Abort) -> str:
    text = fold(who.llm.stream(request, abort), lambda event: None, str).text.strip()
    if not text:
        raise LLMError("empty_response", "The summariser gave an empty answer.", retryable=True)
    return text[: settings.clip]


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
    content = message.content
    text = content if isinstance(content, str) else " ".join(part.get("text", "[image]") for part in content)
    if text:
        yield f"{message.role}: {text}"
    for call in message.calls:
        yield f"{message.role} called {call.name}({call.arguments})"


def _parts(text: str, characters: int) -> Iterator[str]:
    """Pieces of at most so many characters, cut at ends of lines where there are any."""
    characters = max(characters, 1_000)
    while len(text) > characters:
        end = text.rfind("\n", characters // 2, characters) + 1 or characters
        yield text[:end]
        text = text[end:]
    yield text
