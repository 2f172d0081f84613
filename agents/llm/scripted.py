"""demo/scripted: a stand-in for a model, so that the product can be tried before a provider is configured.

It is no LLM and says so. It knows a dozen English phrases, decides from the request alone, and works the whole loop:
thoughts, memory tools, searches, answers.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agents.errors import LLMError
from agents.llm.history import arguments_of, text_of
from agents.loop import tokens
from agents.loop.events import (
    CallDelta,
    CallStart,
    Done,
    Finish,
    LLMEvent,
    ReasoningDelta,
    ReasoningEnd,
    TextDelta,
)
from agents.loop.messages import Message, Usage
from agents.loop.ports import Abort, LLMRequest
from agents.loop.style import HEARTBEAT_ARGUMENT, SPEECH_TOOL, THINKING_ARGUMENT
from tools.spec import ToolReturn, ToolSpec

_WORDS = re.compile(r"\S*\s+|\S+")
_LINE_NUMBER = re.compile(r"^ *\d+→ ?", re.MULTILINE)
_LOOKED_AT = 2_000  # characters of a message in which a question is looked for: it takes the square of them
_ECHO = 120  # characters
_QUOTE = 600

_INTRODUCTION = (
    "I am a scripted stand-in, not a language model, so I understand only a few phrases: tell me your name or "
    "what you like, ask me what I know about you, or say 'file away: ...' and later 'search your archive for ...'. "
    "To talk to a real model, set OPENAI_API_KEY, ANTHROPIC_API_KEY or OLLAMA_BASE_URL, restart the server, and "
    "give this agent a model such as openai/gpt-4o-mini."
)


@dataclass(frozen=True, slots=True)
class Move:
    """What to do: a thought, then a call of `tool`, or `text` as the answer."""

    thought: str
    text: str = ""
    tool: str = ""
    arguments: tuple[tuple[str, str], ...] = ()


class ScriptedLLM:
    def stream(self, request: LLMRequest, abort: Abort) -> Iterator[LLMEvent]:
        abort.check()
        move = _spoken(decide(request), request)
        written = 0
        for event in _events(move, request):
            abort.check()
            written += _size(event)
            yield event
        finish: Finish = "tool_calls" if move.tool else "stop"
        yield Done(finish, Usage(prompt=tokens.estimate_request(request), completion=-(-written // 4)))


# What to do


def decide(request: LLMRequest) -> Move:
    """The next move of a conversation."""
    last = request.messages[-1] if request.messages else Message("user")
    if last.returned:
        return _after(last.returned, request)
    said = _user_text(last)
    return next((move for rule in _RULES if (move := rule(said, request))), None) or _introduce(said)


def _after(returned: ToolReturn, request: LLMRequest) -> Move:
    """Tell what the tool did. What it was asked is in the call that it answers."""
    if returned.status == "error":
        return Move("The tool did not work.", f"That did not work: {_clip(returned.text, _QUOTE)}")
    asked = _arguments(returned.call_id, request)
    tell = _TELL.get(returned.name)
    if tell is None:
        return Move("The tool is done.", f"The tool {returned.name} returned: {_clip(returned.text, _QUOTE)}")
    return Move("I have what I need to answer.", tell(asked, returned.text))


def _told_stored(asked: dict[str, str], _: str) -> str:
    fact = asked.get("content") or asked.get("new_string") or "it"
    return f"I stored this in my core memory, in the block 'human': {fact}"


def _told_filed(asked: dict[str, str], _: str) -> str:
    return f"I filed this in my archive: {asked.get('content', 'it')}"


def _told_found(asked: dict[str, str], found: str) -> str:
    return f"I searched for '{asked.get('query', '')}' and found: {_clip(found, _QUOTE)}"


def _told_sent(_: dict[str, str], __: str) -> str:
    return "My message has been sent."


_TELL: dict[str, Callable[[dict[str, str], str], str]] = {
    "core_memory_append": _told_stored,
    "memory_insert": _told_stored,
    "archival_memory_insert": _told_filed,
    "archival_memory_search": _told_found,
    "conversation_search": _told_found,
    SPEECH_TOOL: _told_sent,
}


# The phrases, in the order in which they are tried


def _recall_user(said: str, request: LLMRequest) -> Move | None:
    phrases = r"what(?:'s| is) my name|what do you know about me|who am i\b|what do i like|what did i tell you"
    if not re.search(phrases, said, re.IGNORECASE):
        return None
    known = block_value(request.system, "human")
    if not known:
        return Move(
            "My block about the user is empty.", "I know nothing about you yet. Tell me your name, for example."
        )
    return Move("I look at what my core memory says about the user.", f"My core memory says about you:\n{known}")


def _file(said: str, request: LLMRequest) -> Move | None:
    found = re.search(r"\b(?:file away|archive)(?:\s+(?:this|that))?\s*[:,]?\s+(.+)", said, re.IGNORECASE | re.DOTALL)
    if not found or re.search(r"\b(?:your|the|my)\s+archive\b", said, re.IGNORECASE):
        return None
    return _call("This belongs in the archive.", request, "archival_memory_insert", content=found.group(1).strip())


def _search_archive(said: str, request: LLMRequest) -> Move | None:
    patterns = (
        r"what did you file (?:away )?about (.+)",
        r"(?:search|look (?:up )?(?:in )?)\s*(?:in )?(?:your|the) archive (?:for|about) (.+)",
        r"(?:search|look)(?: up| for)? (.+?) in (?:your|the) archive",
    )
    query = _first(patterns, said)
    return _call("I search my archive.", request, "archival_memory_search", query=query) if query else None


def _search_conversation(said: str, request: LLMRequest) -> Move | None:
    query = _first((r"what did we (?:talk|speak|say) about\b(.*)", r"do you (?:recall|remember)\b(.*)"), said)
    if query is None:
        return None
    words = re.sub(r"^(?:(?:that|when|what|about|we|i|said|talked|spoke|before)\b\s*)+", "", query, flags=re.IGNORECASE)
    return _call("I search our conversation.", request, "conversation_search", query=words or said)


def _store(said: str, request: LLMRequest) -> Move | None:
    fact = _fact(said)
    if not fact:
        return None
    thought = f"The user told me something that I should keep: {fact}"
    insert = _call(thought, request, "memory_insert", label="human", new_string=fact)
    return _call(thought, request, "core_memory_append", label="human", content=fact) or insert


def _fact(said: str) -> str | None:
    """What a sentence says about its speaker, in the third person where that is simple."""
    forms = (
        (r"\bmy name(?:'s| is) ([^.,!?\n]+)", "The user's name is {}."),
        (r"\bremember (?:that )?([^!?\n]+)", "{}"),
        (r"\bi (?:really )?(like|love|prefer|hate) ([^.!?\n]+)", "The user {}s {}."),
        (r"\b(?:i am|i'm) ([^.!?\n]+)", "The user is {}."),
    )
    for pattern, form in forms:
        if found := re.search(pattern, said, re.IGNORECASE):
            return form.format(*(group.strip() for group in found.groups()))
    return None


_RULES: tuple[Callable[[str, LLMRequest], Move | None], ...] = (
    _recall_user,
    _search_archive,
    _file,
    _search_conversation,
    _store,
)


def _introduce(said: str) -> Move:
    echo = f"You said: '{_clip(said, _ECHO)}'. " if said.strip() else ""
    return Move("No phrase that I know.", echo + _INTRODUCTION)


def _call(thought: str, request: LLMRequest, tool: str, **arguments: str) -> Move | None:
    """The call, if the tool is offered and allowed now."""
    if _offered(request, tool) is None:
        return None
    return Move(thought, tool=tool, arguments=tuple(arguments.items()))


def _first(patterns: tuple[str, ...], said: str) -> str | None:
    for pattern in patterns:
        if found := re.search(pattern, said[:_LOOKED_AT], re.IGNORECASE):
            return found.group(1).strip(" \t.?!")
    return None


# Reading the request


def block_value(system: str, label: str) -> str:
    """The value of a memory block, as the system prompt renders it, without line numbers; empty when there is none."""
    _, _, block = system.partition(f"<{label}>")
    value, end, _ = block.partition("<value>")[2].partition("</value>")
    return _LINE_NUMBER.sub("", value).strip() if end else ""


def _user_text(message: Message) -> str:
    """What the user typed: the text, or the message within a JSON envelope."""
    text = text_of(message)
    if not text.startswith("{"):
        return text
    envelope = arguments_of(text)
    return str(envelope.get("message", text))


def _offered(request: LLMRequest, name: str) -> ToolSpec | None:
    if request.tool_choice == "none" or request.tool_choice not in ("auto", "required", name):
        return None
    return next((tool for tool in request.tools if tool.name == name), None)


def _arguments(call_id: str, request: LLMRequest) -> dict[str, str]:
    calls = (call for message in reversed(request.messages) for call in message.calls)
    found = next((call for call in calls if call.id == call_id), None)
    return {name: str(value) for name, value in arguments_of(found.arguments).items()} if found else {}


def _clip(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


# Writing the answer


def _spoken(move: Move, request: LLMRequest) -> Move:
    """An answer goes through SPEECH_TOOL where that tool is offered; agents of that kind are heard through it only."""
    if move.tool or _offered(request, SPEECH_TOOL) is None:
        return move
    last = request.messages[-1] if request.messages else None
    if last and last.returned and last.returned.name == SPEECH_TOOL:
        return move
    return Move(move.thought, tool=SPEECH_TOOL, arguments=(("message", move.text),))


def _events(move: Move, request: LLMRequest) -> Iterator[LLMEvent]:
    for word in _WORDS.findall(move.thought):
        yield ReasoningDelta(word)
    yield ReasoningEnd()
    if not move.tool:
        yield from (TextDelta(word) for word in _WORDS.findall(move.text))
        return
    tool = _offered(request, move.tool)
    if tool is None:
        raise LLMError("configuration", f"demo/scripted cannot call {move.tool}: it is not offered.")
    yield CallStart(0, move.tool, "scripted")
    yield from (CallDelta(0, piece) for piece in _WORDS.findall(json.dumps(_completed(move, tool))))


def _completed(move: Move, tool: ToolSpec) -> dict[str, object]:
    """The arguments, with those that the loop adds to a tool's schema."""
    known = tool.parameters.get("properties", {})
    arguments: dict[str, object] = dict(move.arguments)
    if THINKING_ARGUMENT in known:
        arguments = {THINKING_ARGUMENT: move.thought, **arguments}
    if HEARTBEAT_ARGUMENT in known:
        arguments[HEARTBEAT_ARGUMENT] = move.tool != SPEECH_TOOL
    return arguments


def _size(event: LLMEvent) -> int:
    match event:
        case TextDelta(text) | ReasoningDelta(text):
            return len(text)
        case CallDelta(_, arguments):
            return len(arguments)
    return 0
