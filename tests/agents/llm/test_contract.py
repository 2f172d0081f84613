"""What every adapter must do, over HTTP and with the real SDKs."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agents.errors import Cancelled, LLMError
from agents.llm.registry import list_models
from agents.loop.events import TextDelta
from agents.loop.messages import Message, Usage
from agents.loop.ports import Abort, ModelSettings
from tests.agents.llm.conftest import KEY, Front, calls, done, seals, text, thought
from tools.spec import ToolCall, ToolReturn, ToolSpec

WEATHER = ToolSpec("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
CLOCK = ToolSpec("clock", "Tells the time.", {"type": "object", "properties": {}})

# Answers


def test_text_comes_in_deltas_and_ends_with_done(front: Front) -> None:
    front.fake.script(text="one two three four", chars=4)
    events = front.ask()
    assert text(events) == "one two three four"
    assert sum(isinstance(event, TextDelta) for event in events) == 5
    assert done(events).finish == "stop"


def test_the_first_delta_arrives_while_the_server_is_still_silent(front: Front) -> None:
    stall = 3 if front.kind == "openai" else 4  # chunks with the first two pieces of text in them
    front.fake.script(text="abcdef", chars=2, stall=stall)
    abort = Abort()
    events = front.stream("hi", abort)
    assert isinstance(next(events), TextDelta)
    abort.press("shutdown")
    with pytest.raises(Cancelled, match="shutdown"):
        list(events)


def test_a_thought_comes_before_the_text_and_is_closed(front: Front) -> None:
    front.fake.script(reasoning="let me see", text="yes", chars=4)
    events = front.ask()
    assert thought(events) == "let me see"
    assert text(events) == "yes"
    (end,) = seals(events)
    assert events.index(end) < next(n for n, event in enumerate(events) if isinstance(event, TextDelta))
    assert end.signature == ("seal" if front.kind == "anthropic" else None)


def test_one_call(front: Front) -> None:
    front.fake.script(calls=[{"name": "weather", "arguments": {"city": "Graz"}, "id": "id-1"}], text="I look.", chars=3)
    events = front.ask(front.request("hi", tools=(WEATHER,)))
    assert text(events) == "I look."
    assert calls(events) == [("weather", "id-1", '{"city": "Graz"}')]
    assert done(events).finish == "tool_calls"


@pytest.mark.parametrize("ids", [("a", "b"), ("call_0", "call_0"), ("", "")])
def test_several_calls_whatever_their_ids(front: Front, ids: tuple[str, str]) -> None:
    asked = [{"name": "weather", "arguments": {"city": city}, "id": i} for city, i in zip("AB", ids, strict=True)]
    front.fake.script(calls=asked, text="", chars=5)
    events = front.ask(front.request("hi", tools=(WEATHER,)))
    assert calls(events) == [("weather", i, f'{{"city": "{city}"}}') for city, i in zip("AB", ids, strict=True)]


def test_the_limit_on_output_is_told(front: Front) -> None:
    front.fake.script(text="and then", finish="length" if front.kind == "openai" else "max_tokens")
    assert done(front.ask()).finish == "length"


def test_a_refusal_is_told(front: Front) -> None:
    front.fake.script(text="I", finish="content_filter" if front.kind == "openai" else "refusal")
    assert done(front.ask()).finish == "content_filter"


USAGE = {
    "openai": {
        "prompt_tokens": 60,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens_details": {"reasoning_tokens": 5},
    },
    "anthropic": {
        "input_tokens": 10,
        "output_tokens": 9,
        "cache_read_input_tokens": 40,
        "cache_creation_input_tokens": 10,
        "output_tokens_details": {"thinking_tokens": 5},
    },
}


def test_usage_counts_cached_tokens_as_prompt(front: Front) -> None:
    front.fake.script(text="hi", usage=USAGE[front.kind])
    written = 10 if front.kind == "anthropic" else 0
    assert done(front.ask()).usage == Usage(prompt=60, completion=9, cached=40, cache_write=written, reasoning=5)


# Failures

CASES: list[tuple[int, dict[str, str], Any, str, bool]] = [
    (429, {"retry-after": "3"}, None, "rate_limit", True),
    (429, {}, None, "rate_limit", True),
    (429, {}, {"error": {"code": "insufficient_quota", "message": "You ran out"}}, "quota", False),
    (429, {}, {"error": {"type": "rate_limit_error", "message": "monthly spend limit reached"}}, "quota", False),
    (402, {}, None, "quota", False),
    (408, {}, None, "server_error", True),
    (409, {}, None, "server_error", True),
    (500, {}, None, "server_error", True),
    (502, {}, "<html>Bad gateway</html>", "server_error", True),
    (503, {}, None, "overloaded", True),
    (504, {}, None, "server_error", True),
    (529, {}, None, "overloaded", True),
    (401, {}, None, "authentication", False),
    (403, {}, None, "authentication", False),
    (404, {}, None, "not_found", False),
    (400, {}, None, "bad_request", False),
    (422, {}, None, "bad_request", False),
    (413, {}, {"error": {"type": "request_too_large", "message": "Too large"}}, "context_overflow", False),
    (307, {"location": "https://elsewhere.invalid/v1"}, None, "configuration", False),
]


@pytest.mark.parametrize(("status", "headers", "body", "code", "retryable"), CASES)
def test_an_error_status(front: Front, status: int, headers: Any, body: Any, code: str, retryable: bool) -> None:
    front.fake.script(status=status, headers=headers, body=body)
    error = front.fails()
    assert isinstance(error, LLMError)
    assert (error.code, error.retryable, error.status) == (code, retryable, status)
    assert front.fake.stats()["calls"] == 1  # the SDKs do not retry on their own


def test_what_the_provider_said_is_passed_on_without_the_key(front: Front) -> None:
    message = f"Incorrect key {KEY} (or sk-abc***xyz), see the manual"
    front.fake.script(status=401, body={"error": {"message": message}})
    told = str(front.fails())
    assert "see the manual" in told
    assert "sk-" not in told


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry-after": "3"}, 3), ({"retry-after-ms": "1500"}, 1.5), ({"retry-after": "99999"}, 900)],
)
def test_retry_after(front: Front, headers: dict[str, str], seconds: float) -> None:
    front.fake.script(status=429, headers=headers)
    error = front.fails()
    assert isinstance(error, LLMError)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    "wording",
    [
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000",
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
        "prompt too long; exceeded max context length by 12 tokens",
        "the request exceeds the available context size, try increasing it",
        "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context "
        "length of only 4096 tokens",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
    ],
)
def test_context_overflow_in_the_words_of_many_servers(front: Front, wording: str) -> None:
    front.fake.script(status=400, body={"error": {"message": wording}})
    error = front.fails()
    assert isinstance(error, LLMError)
    assert (error.code, error.retryable) == ("context_overflow", False)


def test_no_server(front: Front) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = front.at(f"http://127.0.0.1:{unused.getsockname()[1]}").fails()
    assert isinstance(error, LLMError)
    assert (error.code, error.retryable) == ("connection", True)
    assert "127.0.0.1" in str(error)


def test_no_such_host(front: Front) -> None:
    error = front.at("http://no-such-host.invalid").fails()
    assert isinstance(error, LLMError)
    assert (error.code, error.retryable) == ("connection", True)


def test_a_server_without_tls_where_tls_is_asked_for(front: Front) -> None:
    error = front.at(front.provider.base_url.replace("http:", "https:")).fails()
    assert isinstance(error, LLMError)
    assert (error.code, error.retryable) == ("connection", True)


@pytest.mark.parametrize(
    "how",
    [{"cut": 3}, {"cut": 0}, {"cut_bytes": 200}, {"finish": "", "done": False}],
    ids=["after chunks", "after the headers", "within a chunk", "politely"],
)
def test_a_cut_stream(front: Front, how: dict[str, Any]) -> None:
    front.fake.script(text="this is never said to its end", chars=4, **how)
    error = front.fails()
    assert isinstance(error, LLMError)
    assert (error.code, error.retryable) == ("cut_stream", True)


def test_a_chunk_that_is_no_json(front: Front) -> None:
    broken = 'event: message_start\ndata: {"type": "mess' if front.kind == "anthropic" else '{"choices": [{"del'
    front.fake.script(raw=[broken.removeprefix("data: ")] if front.kind == "openai" else ["x\n" + broken])
    error = front.fails()
    assert isinstance(error, LLMError)
    assert (error.code, error.retryable) == ("cut_stream", True)


@pytest.mark.parametrize(
    ("kind", "code"),
    [("overloaded_error", "overloaded"), ("api_error", "server_error"), ("rate_limit_error", "rate_limit")],
)
def test_an_error_within_the_stream(front: Front, kind: str, code: str) -> None:
    front.fake.script(text="I was about to", sse_error={"type": kind, "message": "Try later"})
    error = front.fails()
    assert isinstance(error, LLMError)
    assert (error.code, error.retryable) == (code, True)
    assert "Try later" in str(error)


def test_an_answer_over_4_mb(front: Front) -> None:
    front.fake.script(text="x" * (4 * 1024 * 1024), chars=65536)
    error = front.fails()
    assert isinstance(error, LLMError)
    assert (error.code, error.retryable) == ("server_error", False)
    assert "larger" in str(error)


def test_silence_before_the_headers(front: Front) -> None:
    front.fake.script(hang=True)
    error = front.limited(read=0.3).fails()
    assert isinstance(error, LLMError)
    assert (error.code, error.retryable) == ("timeout", True)
    assert "silent" in str(error)


def test_a_server_that_drips_for_ever_is_stopped_by_the_total(front: Front) -> None:
    front.fake.script(text="x" * 1000, chars=1, delay=0.05)
    error = front.limited(read=10, total=0.5).fails()
    assert isinstance(error, LLMError)
    assert (error.code, error.retryable) == ("timeout", True)
    assert "not finished" in str(error)


# Stopping

Pressed = Callable[[Abort, Callable[[], bool]], None]


@pytest.mark.parametrize("script", [{"hang": True}, {"text": "abcdefgh", "chars": 2, "stall": 3}], ids=["head", "body"])
@pytest.mark.parametrize("reused", [False, True], ids=["new connection", "reused connection"])
def test_a_silent_call_is_stopped_from_another_thread(
    front: Front, pressed_when: Pressed, script: dict[str, Any], reused: bool
) -> None:
    stream = _shared_adapter(front)
    if reused:
        list(stream("warm up", Abort()))
    front.fake.script(**script)
    abort = Abort()
    pressed_when(abort, lambda: bool(front.fake.stats()["active"]))
    with pytest.raises(Cancelled, match="cancelled"):
        list(stream("hi", abort))
    _wait_for(lambda: front.fake.stats()["active"] == 0)
    assert len({call["client_port"] for call in front.fake.calls()}) == 1


def test_a_button_pressed_before_the_call_sends_nothing(front: Front) -> None:
    abort = Abort()
    abort.press("deadline")
    error = front.fails("hi", abort)
    assert isinstance(error, Cancelled)
    assert error.reason == "deadline"
    assert front.fake.stats()["calls"] == 0


def test_other_calls_go_on_when_one_is_stopped(front: Front, pressed_when: Pressed) -> None:
    stream = _shared_adapter(front)
    front.fake.script({"match": "stop me", "hang": True}, {"match": "let me", "text": "done", "latency": 0.5})
    answers: list[str] = []
    other = threading.Thread(target=lambda: answers.append(text(list(stream("let me finish", Abort())))))
    other.start()
    abort = Abort()
    pressed_when(abort, lambda: front.fake.stats()["active"] == 2)
    with pytest.raises(Cancelled):
        list(stream("stop me", abort))
    other.join()
    assert answers == ["done"]


def test_a_connect_that_hangs_is_stopped(front: Front, pressed_when: Pressed) -> None:
    with _full_listener() as url:
        abort = Abort()
        began = threading.Event()
        pressed_when(abort, began.is_set)
        threading.Timer(0.2, began.set).start()
        error = front.at(url).limited(connect=6).fails("hi", abort)
    assert isinstance(error, Cancelled)
    assert not _timed_out(error)


def test_a_tls_handshake_that_hangs_is_stopped(front: Front, pressed_when: Pressed) -> None:
    with _silent_listener() as (url, accepted):
        abort = Abort()
        pressed_when(abort, accepted.is_set)
        error = front.at(url).limited(connect=6).fails("hi", abort)
    assert isinstance(error, Cancelled)
    assert not _timed_out(error)


def test_a_silent_stream_over_tls_is_stopped(
    front: Front, pressed_when: Pressed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate = _certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with _stalling_tls_listener(certificate) as (url, stalled):
        abort = Abort()
        pressed_when(abort, stalled.is_set)
        assert isinstance(front.at(url).fails("hi", abort), Cancelled)
    assert stalled.is_set()  # the handshake and the request went through before


def test_a_connect_that_hangs_times_out(front: Front) -> None:
    with _full_listener() as url:
        error = front.at(url).limited(connect=0.3).fails()
    assert isinstance(error, LLMError)
    assert (error.code, error.retryable) == ("timeout", True)


def test_connections_are_reused(front: Front) -> None:
    stream = _shared_adapter(front)
    front.fake.script(text="hi", delay=0.01, repeat=0)
    list(stream("hi", Abort()))
    for _ in range(5):
        list(stream("hi", Abort()))
    assert len({call["client_port"] for call in front.fake.calls()}) == 1


def test_many_calls_may_hang_at_once(front: Front) -> None:
    """More than the SDKs' or httpx2's own pools would let through."""
    stream = _shared_adapter(front)
    front.fake.script(hang=True, repeat=0)
    aborts = [Abort() for _ in range(150)]
    ended: list[str] = []

    def call(abort: Abort) -> None:
        try:
            list(stream("hi", abort))
        except Cancelled as error:
            ended.append(error.reason)

    threads = [threading.Thread(target=call, args=(abort,)) for abort in aborts]
    for thread in threads:
        thread.start()
    _wait_for(lambda: front.fake.stats()["active"] == len(aborts))
    for abort in aborts:
        abort.press("shutdown")
    for thread in threads:
        thread.join()
    assert ended == ["shutdown"] * len(aborts)


# What is sent


def test_the_key_and_the_model_are_sent_and_proxies_are_ignored(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    front.ask()
    headers = front.fake.calls()[-1]["headers"]
    assert KEY in (headers.get("authorization", "") + headers.get("x-api-key", ""))
    assert front.sent()["model"] == "fake-1"
    assert front.sent()["stream"] is True


def test_models_are_listed(front: Front) -> None:
    assert list_models(front.provider).models == ("fake-1", "fake-2")


def test_models_of_an_absent_server_are_a_reason(front: Front) -> None:
    listing = list_models(front.at("http://127.0.0.1:9").provider)
    assert listing.models == ()
    assert "Cannot reach" in str(listing.reason)


HISTORY = (
    Message("user", "Weather in Graz and the time?"),
    Message(
        "assistant",
        "I look.",
        calls=(ToolCall("call-1", "weather", '{"city": "Graz"}'), ToolCall("x" * 60, "clock", "{broken")),
    ),
    Message("tool", returned=ToolReturn("call-1", "weather", "success", "sunny")),
    Message("tool", returned=ToolReturn("x" * 60, "clock", "error", "no such argument")),
)


def test_temperature_and_output_limit(front: Front) -> None:
    front.ask(front.request("hi", settings=ModelSettings(temperature=0.5, max_output_tokens=77)))
    assert (front.sent()["temperature"], front.sent()["max_tokens"]) == (0.5, 77)


@pytest.mark.parametrize(
    ("choice", "by_openai", "by_anthropic"),
    [
        ("auto", "auto", None),
        ("required", "required", {"type": "any"}),
        ("none", "none", {"type": "none"}),
        ("clock", {"type": "function", "function": {"name": "clock"}}, {"type": "tool", "name": "clock"}),
    ],
)
def test_tool_choice(front: Front, choice: str, by_openai: Any, by_anthropic: Any) -> None:
    front.ask(front.request("hi", tools=(WEATHER, CLOCK), tool_choice=choice))
    assert front.sent().get("tool_choice") == (by_openai if front.kind == "openai" else by_anthropic)


def test_without_tools_nothing_is_said_about_them(front: Front) -> None:
    front.ask(front.request("hi", settings=ModelSettings(parallel_tool_calls=False)))
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & front.sent().keys()


def test_a_conversation_of_no_messages_is_refused_by_no_one(front: Front) -> None:
    assert done(front.ask(front.request()))


def _timed_out(error: BaseException | None) -> bool:
    """Whether the wait had come to its own end when the call was given up."""
    while error is not None:
        if isinstance(error, httpx2.TimeoutException):
            return True
        error = error.__cause__ or error.__context__
    return False


# Loopback servers that do not answer


@contextmanager
def _full_listener() -> Iterator[str]:
    """A port whose queue of connections is full, so that another connect waits."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        time.sleep(0.1)
        try:
            yield f"http://127.0.0.1:{address[1]}"
        finally:
            for filler in fillers:
                filler.close()


@contextmanager
def _silent_listener() -> Iterator[tuple[str, threading.Event]]:
    """A port that accepts and then says nothing, not even its part of a TLS handshake."""
    accepted = threading.Event()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        kept: list[socket.socket] = []

        def accept() -> None:
            kept.append(listener.accept()[0])
            kept[0].recv(1)  # the client's hello
            accepted.set()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", accepted
        thread.join(5)
        for connection in kept:
            connection.close()


@contextmanager
def _stalling_tls_listener(certificate: Path) -> Iterator[tuple[str, threading.Event]]:
    """A TLS server that sends the headers of a stream, and then nothing."""
    stalled = threading.Event()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hello\n\n")
                stalled.set()
                with contextlib.suppress(OSError):
                    while connection.recv(65536):
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", stalled
        thread.join(5)


def _certificate(folder: Path) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "perdure test")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    builder = builder.add_extension(address, False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "certificate.pem"
    file.write_bytes(secret + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return file


def _shared_adapter(front: Front) -> Callable[[str, Abort], Iterator[Any]]:
    """Calls that share one adapter, and so its connections."""
    from agents.llm.registry import Providers

    llm = Providers((front.provider,)).llm(front.handle)
    return lambda said, abort: llm.stream(front.request(said), abort)


def _wait_for(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends, "the condition never held"
        time.sleep(0.02)
