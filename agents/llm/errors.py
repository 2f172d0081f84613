"""What went wrong with a model call, said once for both SDKs: their exceptions, and httpx2's below them, as LLMError.

Both SDKs wrap the transport's exception (`__cause__`), and both give HTTP errors `status_code`, `response` and `body`,
so nothing here needs to import either.
"""

import email.utils
import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2

from agents.errors import AgentError, LLMError
from agents.llm.provider import Provider
from agents.llm.sockets import Call

RETRY_AFTER_LIMIT = 900.0  # seconds
_MESSAGE_LIMIT = 500  # characters of the provider's text that we pass on

_OVERFLOW = re.compile(
    r"""context[_ ]length[_ ]exceeded | maximum\ context\ length | context\ window | context\ length\ of
    | prompt\ is\ too\ long | input\ (length|tokens?)\b.*\bexceed | input\ is\ too\ long
    | exceeds?\ (the\ )?(available\ |model'?s?\ |maximum\ )*context | exceed_context_size | context\ size
    | too\ many\ (input\ )?tokens | (longer|greater)\ than\ the\ (maximum\ )?(model|context)\ length
    | request_too_large | exceeds\ the\ maximum\ (allowed\ number\ of\ )?(bytes|tokens|size)
    | context\ overflow | tokens?\ to\ keep\ from\ the\ initial\ prompt | prompt\ too\ long | exceeded\ max\ context""",
    re.IGNORECASE | re.VERBOSE,
)
_QUOTA = re.compile(
    r"insufficient_quota|exceeded your current quota|billing|spend|credit balance|insufficient (credit|balance|fund)",
    re.IGNORECASE,
)
_SECRET = re.compile(r"\b(sk|pk|key|Bearer)[-_ ][\w*.-]{6,}", re.IGNORECASE)

# What the error types inside an event stream, where the status is always 200, stand for.
_STATUS_OF_TYPE = {
    "overloaded_error": 529,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "authentication_error": 401,
    "permission_error": 403,
    "billing_error": 402,
    "not_found_error": 404,
    "request_too_large": 413,
    "invalid_request_error": 400,
    "BadRequestError": 400,
    "context_length_exceeded": 400,
}


def explain(error: BaseException, provider: Provider, call: Call, started: bool) -> Exception | None:
    """The AgentError that this exception means, or None when it is nothing that a provider or a network does.

    `started`: whether the answer had begun to arrive.
    """
    if isinstance(error, AgentError):
        return error
    chain = list(_chain(error))
    own = next((cause for cause in chain if isinstance(cause, AgentError)), None)
    if own is not None:
        return own
    if getattr(error, "status_code", None) or hasattr(error, "body"):
        answered = _answered(error, provider)
        if answered is not None:
            return answered
    return next((told for cause in chain if (told := _transport(cause, provider, call, started))), None)


def cut_stream(provider: Provider) -> LLMError:
    return LLMError("cut_stream", f"{provider.name} ended its answer before it was complete.", retryable=True)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, outermost first."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


# The network below HTTP


def _transport(error: BaseException, provider: Provider, call: Call, started: bool) -> LLMError | None:
    if isinstance(error, httpx2.TimeoutException):
        return _timeout(error, provider, call)
    if isinstance(error, httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        return LLMError("configuration", f"The base URL of {provider.name} is no http(s) address.")
    if isinstance(error, httpx2.LocalProtocolError):
        return LLMError("configuration", f"The key or base URL of {provider.name} cannot be sent: see its spelling.")
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return LLMError("cut_stream", f"{provider.name} sent a piece of answer that is no JSON.", retryable=True)
    if isinstance(error, httpx2.RequestError):
        return cut_stream(provider) if started else _unreachable(error, provider)
    return None


def _timeout(error: httpx2.TimeoutException, provider: Provider, call: Call) -> LLMError:
    if call.expired:
        text = f"{provider.name} had not finished its answer after {provider.total:g} s."
    elif isinstance(error, httpx2.ConnectTimeout):
        text = f"{provider.name} ({_host(provider)}) did not accept a connection within {provider.connect:g} s."
    else:
        text = f"{provider.name} was silent for {provider.read:g} s."
    return LLMError("timeout", text, retryable=True)


def _unreachable(error: Exception, provider: Provider) -> LLMError:
    text = f"Cannot reach {provider.name} at {_host(provider)}: {error}. Is its base URL right, and is it running?"
    return LLMError("connection", _clean(text, provider), retryable=True)


def _host(provider: Provider) -> str:
    return urlsplit(provider.base_url).netloc.rpartition("@")[2]


# An error that the provider told


def _answered(error: BaseException, provider: Provider) -> LLMError | None:
    """From a response with an error status, or an error event within a stream that began well."""
    body = _inner(getattr(error, "body", None))
    status = getattr(error, "status_code", None)
    if status is None and body is None:
        return None
    if status is None or status < 300:
        status = _status_in(body)
    text = _clean(f"{provider.name}: {_told(body) or str(error)}", provider)
    response = getattr(error, "response", None)
    wait = retry_after(response.headers) if response is not None else None
    return from_status(status, text, _words(body, text), wait)


def from_status(status: int, text: str, words: str, wait: float | None) -> LLMError:
    """`words` is everything in which the provider may have named the reason; `wait` the seconds it asked for."""
    if status == 402 or (status == 429 and wait is None and _QUOTA.search(words)):
        return LLMError("quota", text, status=status)
    if status == 429:
        return LLMError("rate_limit", text, retryable=True, retry_after=wait, status=status)
    if status in (400, 413, 422) or (status == 500 and _OVERFLOW.search(words)):  # llama.cpp says 500
        return LLMError("context_overflow" if _OVERFLOW.search(words) else "bad_request", text, status=status)
    if status in (503, 529):
        return LLMError("overloaded", text, retryable=True, retry_after=wait, status=status)
    if status in (408, 409) or status >= 500:
        return LLMError("server_error", text, retryable=True, retry_after=wait, status=status)
    if status in (401, 403):
        return LLMError("authentication", text, status=status)
    if 300 <= status < 400:
        return LLMError(
            "configuration", f"{text} (it redirects: put the final address into its base URL)", status=status
        )
    return LLMError("not_found" if status == 404 else "bad_request", text, status=status)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the headers ask for, 0 to RETRY_AFTER_LIMIT; None when they ask for nothing that can be read."""
    seconds = _number(headers.get("retry-after-ms"), 0.001)
    if seconds is None:
        seconds = _number(headers.get("retry-after"), 1.0)
    if seconds is None:
        seconds = _until(headers.get("retry-after"))
    return None if seconds is None else min(max(seconds, 0.0), RETRY_AFTER_LIMIT)


def _number(text: str | None, unit: float) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value * unit if value == value else None


def _until(date: str | None) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(date or "").timestamp() - time.time()
    except (ValueError, TypeError):
        return None


def _inner(body: Any) -> Any:
    """The error itself: some wrap it as {"error": ...}, once or twice."""
    while isinstance(body, dict) and body.get("error"):
        body = body["error"]
    return body


def _status_in(body: Any) -> int:
    if not isinstance(body, dict):
        return 500
    for key in ("code", "type", "status"):
        value = body.get(key)
        if isinstance(value, int) and 400 <= value < 600:
            return value
        if str(value) in _STATUS_OF_TYPE:
            return _STATUS_OF_TYPE[str(value)]
    return 500


def _told(body: Any) -> str:
    if isinstance(body, dict):
        return str(body.get("message") or body.get("detail") or "")
    return body.strip() if isinstance(body, str) else ""


def _words(body: Any, text: str) -> str:
    named = [str(body.get(key) or "") for key in ("code", "type")] if isinstance(body, dict) else []
    return " ".join([*named, text])


def _clean(text: str, provider: Provider) -> str:
    """Short enough to store, and without keys: providers quote the one that they refuse."""
    if len(provider.api_key) >= 8:
        text = text.replace(provider.api_key, "[key]")
    text = _SECRET.sub("[key]", text)
    return text if len(text) <= _MESSAGE_LIMIT else text[: _MESSAGE_LIMIT - 3] + "..."
