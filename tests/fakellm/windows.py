"""A model whose window is in its name, `fake-w3000`: longer requests are refused, and usage is what the fake counts."""

import json
import re
from dataclasses import replace
from typing import Any

from tests.fakellm.answers import Answer

JSON = dict[str, Any]

_WINDOW = re.compile(r"-w(\d+)$")
_TOKEN = re.compile(r"\w{1,4}|[^\w\s]")
_seen: dict[str, str] = {}


def count(text: str) -> int:
    """Tokens of this tokenizer: four letters, or a sign."""
    return len(_TOKEN.findall(text))


def prompt(body: JSON) -> str:
    """All that is told to the model, in the order in which providers cache it."""
    return "\n".join(json.dumps(body.get(part) or "", ensure_ascii=False) for part in ("tools", "system", "messages"))


def within(body: JSON, answer: Answer, path: str, conversation: str | None) -> Answer:
    """The answer as a model with a window gives it; other models know no limit."""
    found = _WINDOW.search(str(body.get("model")))
    if found is None or answer.status != 200:
        return answer
    text, openai = prompt(body), path.endswith("completions")
    tokens, window = count(text), int(found[1])
    if tokens > window:
        return replace(answer, status=400, body=_refusal(tokens, window, openai))
    if answer.usage is not None:
        return answer
    cached = count(_common(_seen.get(conversation or "", ""), text))
    _seen[conversation or ""] = text
    return replace(answer, usage=_usage(tokens, cached, count(answer.text or ""), openai))


def _common(one: str, other: str) -> str:
    """What both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return one[: next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))]


def _refusal(tokens: int, window: int, openai: bool) -> JSON:
    if openai:
        told = f"This model's maximum context length is {window} tokens. Your messages resulted in {tokens} tokens."
        return {"error": {"message": told, "type": "invalid_request_error", "code": "context_length_exceeded"}}
    told = f"prompt is too long: {tokens} tokens > {window} maximum"
    return {"type": "error", "error": {"type": "invalid_request_error", "message": told}}


def _usage(prompt: int, cached: int, completion: int, openai: bool) -> JSON:
    if openai:
        details = {"cached_tokens": cached}
        total = prompt + completion
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total,
                "prompt_tokens_details": details}  # fmt: skip
    return {"input_tokens": prompt - cached, "cache_read_input_tokens": cached, "output_tokens": completion}
