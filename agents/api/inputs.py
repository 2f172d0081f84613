"""What a client sends to a conversation -> an offer for a run, or every fault with its place."""

import hashlib
import re
import uuid
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from accounts.fields import new_id
from accounts.keys import Principal
from agents.accepting import Offer
from agents.api.answers import answers_of, client_tools_of, is_answer
from agents.api.requests import check_known, refuse
from agents.errors import InvalidRequest, invalid
from agents.wire import TYPES
from tools.guard import check_url

ROLES = ("user", "system", "assistant")
MAX_MESSAGES = 100
MAX_OPENING = 10_000
MAX_STEPS = 1000
SKILL_FIELDS = ("name", "description", "location")

# What the source of an image has, by its type. `letta` is what the archived server told clients of images that it had
# stored; it told their data, too.
IMAGES = {"url": ("url",), "base64": ("media_type", "data"), "letta": ("media_type", "data")}
# Possessive: a picture may have millions of characters, and is gone over once, whatever stands at its end.
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]++={0,2}+\s*+")

NOT_SERVED = ("return_logprobs", "return_token_ids")

# What is kept with the run, because its steps or its readers need it.
OPTIONS = (
    "max_steps",
    "use_assistant_message",
    "assistant_message_tool_name",
    "assistant_message_tool_kwarg",
    "include_return_message_types",
    "override_model",
    "override_system",
    "include_compaction_messages",
    "stream_tokens",
    "callback_url",
)

_TYPES: dict[str, tuple[type, str]] = {
    "max_steps": (int, "a whole number"),
    "use_assistant_message": (bool, "true or false"),
    "assistant_message_tool_name": (str, "a string"),
    "assistant_message_tool_kwarg": (str, "a string"),
    "include_compaction_messages": (bool, "true or false"),
    "include_return_message_types": (list, "a list of strings"),
    "override_model": (str, "a string"),
    "override_system": (str, "a string"),
    "callback_url": (str, "a string"),
    "streaming": (bool, "true or false"),
    "stream_tokens": (bool, "true or false"),
    "background": (bool, "true or false"),
    "include_pings": (bool, "true or false"),
}


def offer_of(
    request: HttpRequest, principal: Principal, body: Mapping[str, Any], kind: str, *, background: bool = False
) -> Offer:
    """Raises InvalidRequest."""
    return offer_of_body(
        principal,
        body,
        kind,
        background=background,
        key=request.headers.get("Idempotency-Key"),
        is_retry=request.headers.get("x-stainless-retry-count", "0") not in ("", "0"),
    )


def offer_of_body(
    principal: Principal,
    body: Mapping[str, Any],
    kind: str,
    *,
    background: bool = False,
    key: str | None = None,
    is_retry: bool = False,
) -> Offer:
    """`key`: what the client calls this request, so that a repeat of it is recognized."""
    _check_types(body)
    check_known(body.get("include_return_message_types") or (), TYPES, ["body", "include_return_message_types"])
    refuse(body, *NOT_SERVED)
    answers = answers_of(body)
    messages, otids = answered_messages(body) if answers else messages_of(body)
    if body.get("callback_url") is not None:
        _check_callback(body["callback_url"])
    options = {name: body[name] for name in OPTIONS if body.get(name) is not None}
    if body.get("client_tools"):
        options["client_tools"] = client_tools_of(body["client_tools"])
    if body.get("client_skills"):
        options["client_skills"] = skills_of(body["client_skills"])
    if body.get("enable_thinking") is not None:
        options["enable_thinking"] = _switch(["body", "enable_thinking"], body["enable_thinking"])
    if body.get("system") is not None and "override_system" not in options:
        options["override_system"] = str(body["system"])
    return Offer(
        messages=messages,
        options=options,
        kind=kind,
        background=background,
        idempotency_key=_key(key, otids),
        key_id=principal.key_id,
        is_retry=is_retry,
        answers=answers,
    )


def messages_of(body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """The messages of a request with the ids they will have, and the otids that the client itself gave."""
    given, text = body.get("messages"), body.get("input")
    if given is not None and text is not None:
        raise invalid(["body"], "Cannot specify both 'input' and 'messages'. Use one or the other.")
    if text is not None:
        given = [{"role": "user", "content": text}]
    if given is None:
        raise invalid(["body"], "Specify either 'input' or 'messages'.", "missing")
    if not isinstance(given, list):
        raise invalid(["body", "messages"], "Should be a list", "list_type")
    if not given:
        raise invalid(["body", "messages"], "Messages must not be empty", "too_short")
    messages = _messages(["body", "messages"], given, MAX_MESSAGES)
    otids = [message["otid"] for message in messages if message["otid"]]
    return [_with_otid(message) for message in messages], otids


def opening_of(given: list[Any] | None) -> list[dict[str, Any]]:
    """What an agent begins with, which may be all that it has said elsewhere."""
    return [
        _with_otid(message) for message in _messages(["body", "initial_message_sequence"], given or [], MAX_OPENING)
    ]


def _messages(place: list[str | int], given: list[Any], most: int) -> list[dict[str, Any]]:
    if len(given) > most:
        raise invalid(place, f"At most {most} messages can be sent at once", "too_long")
    return [_message([*place, index], message) for index, message in enumerate(given)]


def _with_otid(message: dict[str, Any]) -> dict[str, Any]:
    return message | {"otid": message["otid"] or str(uuid.uuid4())}


def skills_of(given: Any) -> list[dict[str, str]]:
    """`client_skills`: what the client offers the agent to read, for this request only."""
    place = ["body", "client_skills"]
    if not isinstance(given, list):
        raise invalid(place, "Should be a list", "list_type")
    return [_skill([*place, index], skill) for index, skill in enumerate(given)]


def _skill(place: list[str | int], skill: Any) -> dict[str, str]:
    if not isinstance(skill, dict):
        raise invalid(place, "Should be an object", "model_type")
    for name in SKILL_FIELDS:
        if not isinstance(skill.get(name), str):
            raise invalid([*place, name], "Should be a string", "string_type")
    return {name: skill[name] for name in SKILL_FIELDS}


def _switch(place: list[str | int], value: Any) -> bool:
    """The client's type for it is a string."""
    known = {"true": True, "false": False}
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.lower() not in known:
        raise invalid(place, "Should be true or false", "bool_type")
    return known[value.lower()]


def answered_messages(body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """The message that brings an answer, as far as accepting it needs it: its otid, the client's own or ours."""
    given = body["messages"][0].get("otid")
    if given is not None and not isinstance(given, str):
        raise invalid(["body", "messages", 0, "otid"], "Should be a string", "string_type")
    return [{"otid": given or str(uuid.uuid4())}], [given] if given else []


def _message(place: list[str | int], message: Any) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise invalid(place, "Should be an object", "model_type")
    if is_answer(message):
        raise invalid(place, "Answer the waiting tool calls by themselves, in a request with no other message")
    if message.get("type", "message") != "message":
        raise invalid([*place, "type"], "Should be 'message', 'approval' or 'tool_return'", "literal_error")
    if message.get("role") not in ROLES:
        raise invalid([*place, "role"], f"Should be one of {', '.join(ROLES)}", "enum")
    for name in ("name", "otid", "sender_id", "group_id"):
        if message.get(name) is not None and not isinstance(message[name], str):
            raise invalid([*place, name], "Should be a string", "string_type")
    return {
        "id": new_id("message"),
        "role": message["role"],
        "content": _content([*place, "content"], message.get("content")),
        "name": message.get("name"),
        "otid": message.get("otid"),
        "sender_id": message.get("sender_id"),
    }


def _content(place: list[str | int], content: Any) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise invalid(place, "Should be a string or a list of content parts", "union")
    return [_part([*place, index], part) for index, part in enumerate(content)]


def _part(place: list[str | int], part: Any) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return dict(part)
    if kind == "image" and isinstance(part.get("source"), dict):
        return part | {"source": _source([*place, "source"], part["source"])}
    raise invalid(place, "Should be a text part or an image part with a source", "union")


def _source(place: list[str | int], source: dict[str, Any]) -> dict[str, Any]:
    """Of an image. What no provider could be shown is refused here: it would stay in context, and fail every turn."""
    kind = source.get("type")
    if kind not in tuple(IMAGES):
        raise invalid([*place, "type"], "Should be 'url' or 'base64'", "literal_error")
    for name in IMAGES[kind]:
        if not isinstance(source.get(name), str) or not source[name]:
            raise invalid([*place, name], "Should be a string that says something", "string_type")
    if kind == "url":
        return source
    if not _BASE64.fullmatch(source["data"]):
        raise invalid([*place, "data"], "Should be base64, without `data:` before it", "value_error")
    return source | {"type": "base64"}


def _check_types(body: Mapping[str, Any]) -> None:
    problems = [
        {"loc": ["body", name], "msg": f"Should be {words}", "type": f"{kind.__name__}_type"}
        for name, (kind, words) in _TYPES.items()
        if body.get(name) is not None and (not isinstance(body[name], kind) or (kind is int and body[name] is True))
    ]
    steps = body.get("max_steps")
    if not problems and steps is not None and not 1 <= steps <= MAX_STEPS:
        problems.append(
            {"loc": ["body", "max_steps"], "msg": f"Should be from 1 to {MAX_STEPS}", "type": "less_than_equal"}
        )
    if problems:
        raise InvalidRequest(problems)


def _check_callback(url: str) -> None:
    try:
        check_url(url)
    except ValueError as error:
        raise invalid(["body", "callback_url"], str(error), "url_parsing") from None


def _key(given: str | None, otids: list[str]) -> str | None:
    """What makes a repeat of this request recognizable: the client's own key, or the otids that it chose."""
    if given:
        return f"key:{given}"
    return f"otid:{hashlib.sha256(' '.join(otids).encode('utf-8', 'replace')).hexdigest()}" if otids else None
