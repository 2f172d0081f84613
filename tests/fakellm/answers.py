"""What the fake answers to a request: scripted, directed by the user's message, or by default."""

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any

_DIRECTIVE = re.compile(r"^\s*!(say|think|call|sleep|delay|status|cut|hang|stall)\b[ ]?(.*)$", re.MULTILINE)
_THEN = re.compile(r"^\s*!then\s*$", re.MULTILINE)
_MARK = re.compile(r"\[conversation ([\w.-]+)\]")
_AGENT = re.compile(r"AGENT_ID: (\S+)")
_CONVERSATION = re.compile(r"CONVERSATION_ID: (\S+)")


@dataclass(frozen=True)
class Answer:
    """One scripted answer. Times are seconds.

    calls       [{"name", "arguments" (object or raw text), "id" (optional)}]
    usage       token counts in the words of the wire format; None: made up; False: not sent at all
    finish      the finish or stop reason; None: the fitting one; "": none is sent
    latency     before the status line          delay     between two chunks
    chars       characters in a chunk of text   stall     go silent after so many chunks (-1: never)
    status      other than 200: an error, with `headers` and `body` (object or raw text)
    hang        accept the request and say nothing
    cut         close the connection after so many chunks (-1: never)
    cut_bytes   the same, after so many bytes of the body
    sse_error   an error object sent as an event behind the chunks, after which nothing comes
    done        whether the last event ([DONE], message_stop) is sent
    raw         lines of `data: ` to send instead of all that (each a text, or an object)
    """

    text: str | None = None
    reasoning: str = ""
    signature: str = "seal"
    redacted: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    usage: Any = None
    finish: str | None = None
    latency: float = 0.0
    delay: float = 0.0
    chars: int = 16
    status: int = 200
    headers: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    hang: bool = False
    stall: int = -1
    cut: int = -1
    cut_bytes: int = -1
    sse_error: Any = None
    done: bool = True
    raw: list[Any] | None = None


class Scripts:
    """The answers that are still to be given."""

    def __init__(self) -> None:
        self._waiting: list[dict[str, Any]] = []

    def add(self, scripts: list[dict[str, Any]]) -> None:
        for script in scripts:
            Answer(**{key: value for key, value in script.items() if key not in ("match", "repeat")})
        self._waiting.extend(dict(script) for script in scripts)

    def clear(self) -> None:
        self._waiting.clear()

    def take(self, user: str) -> Answer | None:
        matching = (script for script in self._waiting if "match" in script and script["match"] in user)
        in_turn = (script for script in self._waiting if "match" not in script)
        script = next(matching, None) or next(in_turn, None)
        if script is None:
            return None
        left = script.get("repeat", 1)
        if left == 1:
            self._waiting.remove(script)
        elif left > 1:
            script["repeat"] = left - 1
        return Answer(**{key: value for key, value in script.items() if key not in ("match", "repeat")})


@dataclass(frozen=True)
class Asked:
    """What matters of a request: the last user message, the calls made since, the last return, whose it is."""

    user: str
    step: int
    returned: str | None
    conversation: str | None


def asked(body: dict[str, Any]) -> Asked:
    messages = body.get("messages") or []
    user, position = _last_user(messages)
    step = sum(message.get("role") == "assistant" for message in messages[position + 1 :])
    returned = _returned(messages[-1]) if messages else None
    return Asked(user, step, returned, _marker(user, body))


def answer_to(request: Asked, scripts: Scripts) -> Answer:
    scripted = scripts.take(request.user)
    if scripted is not None:
        return scripted if scripted.text is not None or scripted.calls else replace(scripted, text=_usual(request))
    return directed(request) or Answer(text=_usual(request))


def directed(request: Asked) -> Answer | None:
    """The answer that the user's message asks for at this step."""
    if "!" not in request.user:
        return None
    parts = _THEN.split(request.user)
    if request.step >= len(parts):
        return None
    found = _DIRECTIVE.findall(parts[request.step])
    return _follow(found, request) if found else None


def _follow(directives: list[tuple[str, str]], request: Asked) -> Answer:
    wanted: dict[str, Any] = {"calls": []}
    for word, rest in directives:
        _FOLLOW[word](wanted, rest.strip())
    if "text" not in wanted and not wanted["calls"]:
        wanted["text"] = _usual(request)
    return Answer(**wanted)


def _call(wanted: dict[str, Any], rest: str) -> None:
    name, _, arguments = rest.partition(" ")
    wanted["calls"].append({"name": name, "arguments": arguments.strip() or "{}"})


def _status(wanted: dict[str, Any], rest: str) -> None:
    status, _, headers = rest.partition(" ")
    wanted.update(status=int(status), headers=json.loads(headers) if headers.strip() else {})


_FOLLOW: dict[str, Any] = {
    "say": lambda wanted, rest: wanted.update(text=rest),
    "think": lambda wanted, rest: wanted.update(reasoning=rest),
    "call": _call,
    "sleep": lambda wanted, rest: wanted.update(latency=float(rest)),
    "delay": lambda wanted, rest: wanted.update(delay=float(rest)),
    "status": _status,
    "cut": lambda wanted, rest: wanted.update(cut=int(rest)),
    "hang": lambda wanted, rest: wanted.update(hang=True),
    "stall": lambda wanted, rest: wanted.update(stall=int(rest)),
}


def _usual(request: Asked) -> str:
    return f"ok: {request.user}" if request.returned is None else f"returned: {request.returned}"


def _last_user(messages: list[dict[str, Any]]) -> tuple[str, int]:
    for position in range(len(messages) - 1, -1, -1):
        message = messages[position]
        if message.get("role") == "user" and (text := _unpacked(_text(message.get("content")))) is not None:
            return text, position
    return "", -1


def _unpacked(text: str) -> str | None:
    """The message within a JSON envelope; None for what is no message of a user."""
    if not text.startswith("{"):
        return text or None
    try:
        envelope = json.loads(text)
    except ValueError:
        return text
    if envelope.get("type") == "heartbeat":
        return None
    return str(envelope.get("message", text))


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content or () if part.get("type") == "text")


def _returned(message: dict[str, Any]) -> str | None:
    """The text of a tool's return, if that is what the conversation ends with."""
    if message.get("role") == "tool":
        return _text(message.get("content"))
    content = message.get("content")
    last = content[-1] if isinstance(content, list) and content else {}
    return _text(last.get("content")) if last.get("type") == "tool_result" else None


def _marker(user: str, body: dict[str, Any]) -> str | None:
    if found := _MARK.search(user):
        return found.group(1)
    system = _system(body)
    found = _CONVERSATION.search(system)
    agent = _AGENT.search(system)
    return f"{agent.group(1) if agent else ''}/{found.group(1)}" if found else None


def _system(body: dict[str, Any]) -> str:
    if "system" in body:
        return _text(body["system"])
    first = (body.get("messages") or [{}])[0]
    return _text(first.get("content")) if first.get("role") == "system" else ""
