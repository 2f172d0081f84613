"""Chat completions: OpenAI's own service, and everything that speaks its protocol (Ollama, vLLM, LM Studio, ...)."""

import json
import re
from collections.abc import Iterator
from typing import Any

from openai import OpenAI, Stream

from agents.errors import LLMError
from agents.llm.calls import LISTING_SECONDS, Chunks, chunks, listed
from agents.llm.errors import cut_stream
from agents.llm.history import Part, arguments_of, parts_of, text_of, unsupported, wire_id
from agents.llm.provider import Provider
from agents.llm.sockets import http_client
from agents.llm.textforms import CallHolder, ThinkSplitter, calls_in
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
from tools.spec import ToolCall, ToolSpec

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_REASONING_MODEL = re.compile(r"o\d|gpt-5(?!-chat)")
_FINISH: dict[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


class OpenAILLM:
    """Calls the models of one provider. Thread-safe; its connections are shared by all calls of the process."""

    def __init__(self, provider: Provider):
        self._provider = provider
        self._client = _client(provider)

    def stream(self, request: LLMRequest, abort: Abort) -> Iterator[LLMEvent]:
        asked = body(request, self._provider)

        def create() -> Chunks[Any]:
            # The SDK's plain post: chat.completions.create spends half of a call's CPU time on checking the request
            # against types and on making an object of every chunk, which compatible servers then do not quite fit.
            return self._client.post(
                "/chat/completions", body=asked, cast_to=object, stream=True, stream_cls=Stream[object]
            )

        offered = frozenset(tool.name for tool in request.tools)
        reader = _Reader(offered, text_forms=not self._provider.is_openai_itself)
        for chunk in chunks(self._provider, abort, create):
            yield from reader.read(chunk)
        if not reader.finish:
            raise cut_stream(self._provider)
        yield from reader.end()


def list_models(provider: Provider) -> tuple[tuple[str, ...], str | None]:
    """The provider's model names, or why there are none."""

    def names() -> tuple[str, ...]:
        with _client(provider, LISTING_SECONDS) as client:
            return tuple(model.id for model in client.models.list().data or ())

    return listed(provider, names)


def _client(provider: Provider, seconds: float | None = None) -> OpenAI:
    connect, read = seconds or provider.connect, seconds or provider.read
    return OpenAI(
        api_key=provider.api_key,
        base_url=provider.base_url,
        max_retries=0,
        http_client=http_client(connect, read),
        # A compressed answer could be larger than the limit on what is read.
        default_headers={"Accept-Encoding": "identity"},
    )


# The request


def body(request: LLMRequest, provider: Provider) -> dict[str, Any]:
    """The JSON body of POST /chat/completions."""
    model = request.handle.partition("/")[2]
    asked: dict[str, Any] = {
        "model": model,
        "messages": _messages(request),
        "stream": True,
        "stream_options": {"include_usage": True},
        **_settings(request, provider, model),
    }
    if request.tools:
        asked["tools"] = [_tool(tool, request.settings.strict) for tool in request.tools]
        asked["tool_choice"] = _tool_choice(request.tool_choice)
        if request.settings.parallel_tool_calls is not None:
            asked["parallel_tool_calls"] = request.settings.parallel_tool_calls
    return asked


def _settings(request: LLMRequest, provider: Provider, model: str) -> dict[str, Any]:
    settings, itself = request.settings, provider.is_openai_itself
    reasons = bool(_REASONING_MODEL.match(model))
    limit = "max_completion_tokens" if itself else "max_tokens"
    chosen = {
        limit: settings.max_output_tokens,
        "response_format": settings.response_format,
        # OpenAI refuses a temperature from its reasoning models and an effort from all others.
        "temperature": None if itself and reasons else settings.temperature,
        "reasoning_effort": settings.reasoning_effort if reasons or not itself else None,
    }
    if not itself and settings.reasoning_effort == "minimal":
        del chosen["reasoning_effort"]  # OpenAI's word: other servers refuse it
    return {name: value for name, value in chosen.items() if value is not None}


def _tool(tool: ToolSpec, strict: bool | None) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    if strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _tool_choice(choice: str) -> str | dict[str, Any]:
    if choice in ("auto", "required", "none"):
        return choice
    return {"type": "function", "function": {"name": choice}}


def _messages(request: LLMRequest) -> list[dict[str, Any]]:
    system = [{"role": "system", "content": request.system}] if request.system else []
    said = [wire for message in request.messages if (wire := _message(message))]
    return [*system, *said]


def _message(message: Message) -> dict[str, Any] | None:
    if message.returned:
        returned = message.returned
        return {"role": "tool", "tool_call_id": wire_id(returned.call_id), "content": returned.text}
    if message.role == "assistant":
        return _assistant(message)
    # Chat templates of local models know a system message in the first place only.
    wire: dict[str, Any] = {"role": "user", "content": _content(message)}
    if message.name and _NAME.fullmatch(message.name):
        wire["name"] = message.name
    return wire


def _assistant(message: Message) -> dict[str, Any] | None:
    text = text_of(message)
    if not (text or message.calls):
        return None
    wire: dict[str, Any] = {"role": "assistant", "content": text or None}
    if message.calls:
        wire["tool_calls"] = [_past_call(call) for call in message.calls]
    return wire


def _past_call(call: ToolCall) -> dict[str, Any]:
    arguments = json.dumps(arguments_of(call.arguments), ensure_ascii=False)
    return {"id": wire_id(call.id), "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _content(message: Message) -> str | list[Part]:
    if isinstance(message.content, str):
        return message.content
    parts = parts_of(message)
    if all(part.get("type") == "text" for part in parts):
        return text_of(message)  # some servers take lists for pictures only
    return [_part(part) for part in parts]


def _part(part: Part) -> Part:
    if part.get("type") == "text":
        return {"type": "text", "text": part["text"]}
    source = part.get("source") or {}
    if part.get("type") == "image" and source.get("type") == "url":
        return {"type": "image_url", "image_url": {"url": source["url"]}}
    if part.get("type") == "image" and source.get("type") == "base64":
        url = f"data:{source['media_type']};base64,{source['data']}"
        detail = {"detail": source["detail"]} if source.get("detail") in ("low", "high", "auto") else {}
        return {"type": "image_url", "image_url": {"url": url} | detail}
    return {"type": "text", "text": unsupported(part)}


# The answer


class _Reader:
    """Chunks in, events out. `finish` is the provider's word for why it ended, once it has said so."""

    def __init__(self, offered: frozenset[str], text_forms: bool):
        self.finish: str | None = None
        self._offered = offered
        self._think = ThinkSplitter() if text_forms else None
        self._holder = CallHolder() if text_forms and offered else None
        self._calls = _Calls()
        self._thinking = False
        self._usage = Usage()

    def read(self, chunk: Any) -> Iterator[LLMEvent]:
        if not isinstance(chunk, dict):
            return
        if chunk.get("usage"):
            self._usage = _usage(chunk["usage"])
        for choice in chunk.get("choices") or ():
            if not choice.get("index"):
                yield from self._delta(choice.get("delta") or {})
                self.finish = choice.get("finish_reason") or self.finish
        if self.finish == "error":
            raise LLMError("server_error", "The provider broke its answer off with an error.", retryable=True)

    def end(self) -> Iterator[LLMEvent]:
        """What was held back, and Done."""
        yield from self._close_thought()
        if self._think:
            yield from self._text_events(self._think.end())
        yield from self._held()
        yield Done(self._finish(), self._usage)

    def _delta(self, delta: dict[str, Any]) -> Iterator[LLMEvent]:
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if thought and isinstance(thought, str):
            self._thinking = True
            yield ReasoningDelta(thought)
        text = delta.get("content") or delta.get("refusal")
        if text:
            yield from self._close_thought()
            yield from self._text_events(self._think.feed(text) if self._think else [TextDelta(text)])
        for call in delta.get("tool_calls") or ():
            yield from self._close_thought()
            yield from self._calls.read(call)

    def _close_thought(self) -> Iterator[LLMEvent]:
        if self._thinking:
            self._thinking = False
            yield ReasoningEnd()

    def _text_events(self, events: Any) -> Iterator[LLMEvent]:
        for event in events:
            if isinstance(event, TextDelta) and self._holder:
                event = TextDelta(self._holder.feed(event.text))
            if not isinstance(event, TextDelta) or event.text:
                yield event

    def _held(self) -> Iterator[LLMEvent]:
        """Text that looked like a call, as what it turned out to be."""
        text = self._holder.rest() if self._holder else ""
        calls = calls_in(text, set(self._offered)) if text and not self._calls.count else []
        for name, arguments in calls:
            yield from self._calls.whole(name, arguments)
        if text and not calls:
            yield TextDelta(text)

    def _finish(self) -> Finish:
        """Servers say "stop" behind calls too, and have words of their own."""
        finish = _FINISH.get(self.finish or "", "stop")
        return "tool_calls" if finish == "stop" and self._calls.count else finish


class _Calls:
    """Puts tool calls together from deltas whose index or id may be missing, repeated or reused.

    A delta begins a new call when its index is new; or when it names a tool and its id is another one, or the call so
    far is complete or of another name. Everything else goes on with the call of its index, or with the latest.
    """

    def __init__(self) -> None:
        self.count = 0
        self._calls: list[_OpenCall] = []
        self._by_index: dict[int, _OpenCall] = {}

    def read(self, delta: dict[str, Any]) -> Iterator[LLMEvent]:
        function = delta.get("function") or {}
        index, call_id, name = delta.get("index"), delta.get("id") or "", function.get("name") or ""
        arguments = _text(function.get("arguments"))
        call = self._open(index, call_id, name, arguments)
        if call is None:
            if not name:
                return  # a fragment of no call
            call = self._new(index, call_id, name)
            yield CallStart(call.number, name, call_id)
        if arguments:
            call.arguments += arguments
            yield CallDelta(call.number, arguments)

    def whole(self, name: str, arguments: str) -> Iterator[LLMEvent]:
        call = self._new(None, "", name)
        yield CallStart(call.number, name)
        yield CallDelta(call.number, arguments)

    def _open(self, index: int | None, call_id: str, name: str, arguments: str) -> "_OpenCall | None":
        call = self._latest() if index is None else self._by_index.get(index)
        return None if call is None or (name and call.is_over(call_id, name, arguments)) else call

    def _latest(self) -> "_OpenCall | None":
        return self._calls[-1] if self._calls else None

    def _new(self, index: int | None, call_id: str, name: str) -> "_OpenCall":
        call = _OpenCall(self.count, call_id, name)
        self.count += 1
        self._calls.append(call)
        if index is not None:
            self._by_index[index] = call
        return call


class _OpenCall:
    def __init__(self, number: int, call_id: str, name: str):
        self.number = number
        self.id = call_id
        self.name = name
        self.arguments = ""

    def is_over(self, call_id: str, name: str, arguments: str) -> bool:
        """Whether a delta of these is the beginning of another call."""
        other = bool(call_id and call_id != self.id) or name != self.name
        return other or bool(arguments.strip() and _is_object(self.arguments))


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _text(arguments: Any) -> str:
    """Arguments as JSON text; some servers send the object itself."""
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return json.dumps(arguments, ensure_ascii=False)


def _usage(usage: dict[str, Any]) -> Usage:
    prompt, completion = (usage.get(f"{side}_tokens_details") or {} for side in ("prompt", "completion"))
    return Usage(
        prompt=_number(usage, "prompt_tokens"),
        completion=_number(usage, "completion_tokens"),
        cached=_number(prompt, "cached_tokens"),
        reasoning=_number(completion, "reasoning_tokens"),
    )


def _number(of: dict[str, Any], name: str) -> int:
    value = of.get(name)
    return value if isinstance(value, int) else 0
