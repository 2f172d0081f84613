"""Anthropic's messages API, with extended thinking and prompt caching."""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from anthropic import Anthropic
from anthropic.types import RawMessageStreamEvent

from agents.llm.calls import LISTING_SECONDS, Chunks, chunks, listed
from agents.llm.errors import cut_stream
from agents.llm.history import Part, arguments_of, parts_of, unsupported, wire_id
from agents.llm.provider import Provider
from agents.llm.sockets import http_client
from agents.loop.events import CallDelta, CallStart, Done, Finish, LLMEvent, ReasoningDelta, ReasoningEnd, TextDelta
from agents.loop.messages import Message, Reasoning, Usage
from agents.loop.ports import Abort, LLMRequest
from tools.spec import ToolReturn, ToolSpec

_CACHE: Part = {"type": "ephemeral"}
_CONTINUED = "(conversation continues)"
_LEAST_THINKING = 1024  # tokens; the API refuses less
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_FINISH: dict[str, Finish] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class AnthropicLLM:
    """Calls Anthropic's models. Thread-safe; its connections are shared by all calls of the process."""

    def __init__(self, provider: Provider):
        self._provider = provider
        self._client = _client(provider)
        self._messages = self._client.messages

    def stream(self, request: LLMRequest, abort: Abort) -> Iterator[LLMEvent]:
        asked = body(request)

        def create() -> Chunks[RawMessageStreamEvent]:
            return cast(Chunks[RawMessageStreamEvent], self._messages.create(**asked))

        reader = _Reader()
        for event in chunks(self._provider, abort, create):
            yield from reader.read(event)
        if not reader.stopped:
            raise cut_stream(self._provider)
        yield reader.done()


def list_models(provider: Provider) -> tuple[tuple[str, ...], str | None]:
    """The provider's model names, or why there are none."""

    def names() -> tuple[str, ...]:
        with _client(provider, LISTING_SECONDS) as client:
            return tuple(model.id for model in client.models.list(limit=1000).data or ())

    return listed(provider, names)


def _client(provider: Provider, seconds: float | None = None) -> Anthropic:
    connect, read = seconds or provider.connect, seconds or provider.read
    return Anthropic(
        api_key=provider.api_key,
        base_url=provider.base_url,
        max_retries=0,
        http_client=http_client(connect, read),
        # A compressed answer could be larger than the limit on what is read.
        default_headers={"Accept-Encoding": "identity"},
    )


# The request


def body(request: LLMRequest) -> dict[str, Any]:
    """The arguments of messages.create."""
    asked: dict[str, Any] = {
        "model": request.handle.partition("/")[2],
        "messages": _cached(_messages(request)),
        "stream": True,
        **_limits(request),
    }
    if request.system.strip():
        asked["system"] = [{"type": "text", "text": request.system, "cache_control": _CACHE}]
    if request.tools:
        asked["tools"] = _tools(request)
        if choice := _tool_choice(request):
            asked["tool_choice"] = choice
    if output := _output(request):
        asked["output_config"] = output
    return asked


def _limits(request: LLMRequest) -> dict[str, Any]:
    """max_tokens, and thinking or temperature: the API takes no temperature while it thinks."""
    settings = request.settings
    most = settings.max_output_tokens or _usual_output(request.handle)
    if settings.thinking_budget and _may_think(request):
        budget = max(settings.thinking_budget, _LEAST_THINKING)
        most = most if most > budget else budget + most
        return {"max_tokens": most, "thinking": {"type": "enabled", "budget_tokens": budget}}
    if settings.temperature is None:
        return {"max_tokens": most}
    # The SDK no longer has the argument, because the newest models have no temperature; the API still takes it.
    return {"max_tokens": most, "extra_body": {"temperature": settings.temperature}}


def _usual_output(handle: str) -> int:
    """max_tokens is not optional, and the oldest models allow little."""
    if re.search(r"claude-3-(haiku|opus|sonnet)", handle):
        return 4_096
    return 8_192 if "claude-3-5" in handle else 16_384


def _may_think(request: LLMRequest) -> bool:
    """The API refuses thinking where a tool is forced, and within a turn of tools that began without a thought."""
    if request.tools and request.tool_choice not in ("auto", "none"):
        return False
    last = next((message for message in reversed(request.messages) if not message.returned), None)
    if last is None or last.role != "assistant" or not last.calls:
        return True
    return any(_thought(thought) for thought in last.reasoning)


def _tools(request: LLMRequest) -> list[Part]:
    tools = [_tool(tool, request.settings.strict) for tool in request.tools]
    tools[-1]["cache_control"] = _CACHE
    return tools


def _tool(tool: ToolSpec, strict: bool | None) -> Part:
    wire: Part = {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
    if strict:
        wire["strict"] = True
    return wire


def _tool_choice(request: LLMRequest) -> Part | None:
    """None leaves the default, which is auto."""
    single = {"disable_parallel_tool_use": True} if request.settings.parallel_tool_calls is False else {}
    match request.tool_choice:
        case "auto":
            return {"type": "auto", **single} if single else None
        case "none":
            return {"type": "none"}
        case "required":
            return {"type": "any", **single}
        case name:
            return {"type": "tool", "name": name, **single}


def _output(request: LLMRequest) -> Part:
    """Effort, and the answer's JSON schema; the API knows no schemaless JSON mode."""
    output: Part = {}
    if request.settings.reasoning_effort in _EFFORTS:
        output["effort"] = request.settings.reasoning_effort
    wanted = request.settings.response_format or {}
    schema = wanted.get("schema") or (wanted.get("json_schema") or {}).get("schema")
    if wanted.get("type") == "json_schema" and schema:
        output["format"] = {"type": "json_schema", "schema": schema}
    return output


def _messages(request: LLMRequest) -> list[Part]:
    """Messages of alternating roles, the first of them the user's."""
    wire: list[Part] = []
    for message in request.messages:
        role, blocks = _role(message), _blocks(message)
        if not blocks:
            continue
        if wire and wire[-1]["role"] == role:
            wire[-1]["content"].extend(blocks)
        else:
            wire.append({"role": role, "content": blocks})
    if not wire or wire[0]["role"] != "user":
        wire.insert(0, {"role": "user", "content": [{"type": "text", "text": _CONTINUED}]})
    return wire


def _role(message: Message) -> str:
    return "assistant" if message.role == "assistant" and not message.returned else "user"


def _blocks(message: Message) -> list[Part]:
    if message.returned:
        return [_result(message.returned)]
    thoughts = [block for thought in message.reasoning if (block := _thought(thought))]
    said = [_part(part) for part in parts_of(message)]
    uses = [
        {"type": "tool_use", "id": wire_id(call.id), "name": call.name, "input": arguments_of(call.arguments)}
        for call in message.calls
    ]
    # Thoughts alone are no answer that may be sent back.
    return [*thoughts, *said, *uses] if said or uses else []


def _thought(thought: Reasoning) -> Part | None:
    """Only what the provider sealed may go back; other thoughts are not its own."""
    if thought.redacted:
        return {"type": "redacted_thinking", "data": thought.redacted}
    if thought.signature:
        return {"type": "thinking", "thinking": thought.text, "signature": thought.signature}
    return None


def _result(returned: ToolReturn) -> Part:
    block: Part = {"type": "tool_result", "tool_use_id": wire_id(returned.call_id)}
    if returned.text.strip():
        block["content"] = returned.text
    if returned.status == "error":
        block["is_error"] = True
    return block


def _part(part: Part) -> Part:
    if part.get("type") == "text":
        return {"type": "text", "text": part["text"]}
    source = part.get("source") or {}
    if part.get("type") == "image" and source.get("type") == "url":
        return {"type": "image", "source": {"type": "url", "url": source["url"]}}
    if part.get("type") == "image" and source.get("type") == "base64":
        kept = {key: source[key] for key in ("type", "media_type", "data")}
        return {"type": "image", "source": kept}
    return {"type": "text", "text": unsupported(part)}


def _cached(messages: list[Part]) -> list[Part]:
    """Marks the end of the conversation, so that the next call finds all of it in the cache; and where the last call
    ended, because a cache is looked for no more than twenty blocks back, and an answer may have brought more."""
    for message in (messages[-1], *messages[-3:-2]):
        last = message["content"][-1]
        if last["type"] not in ("thinking", "redacted_thinking"):
            last["cache_control"] = _CACHE
    return messages


# The answer


class _Reader:
    """Raw events in, our events out. `stopped`: the provider said that the message is complete."""

    def __init__(self) -> None:
        self.stopped = False
        self._reason: str | None = None
        self._usage: dict[str, int] = {}
        self._calls = 0
        self._block: Any = None
        self._signature = ""
        self._arguments = False

    def read(self, event: RawMessageStreamEvent) -> Iterator[LLMEvent]:
        match event.type:
            case "message_start":
                self._count(getattr(event.message, "usage", None))
            case "content_block_start":
                yield from self._start(event.content_block)
            case "content_block_delta":
                yield from self._delta(event.delta)
            case "content_block_stop":
                yield from self._stop()
            case "message_delta":
                self._reason = event.delta.stop_reason or self._reason
                self._count(event.usage)
            case "message_stop":
                self.stopped = True

    def done(self) -> Done:
        read, written = self._used("cache_read_input_tokens"), self._used("cache_creation_input_tokens")
        usage = Usage(
            prompt=self._used("input_tokens") + read + written,
            completion=self._used("output_tokens"),
            cached=read,
            cache_write=written,
            reasoning=self._used("thinking_tokens"),
        )
        return Done(_FINISH.get(self._reason or "", "stop"), usage)

    def _start(self, block: Any) -> Iterator[LLMEvent]:
        self._block, self._signature, self._arguments = block, "", False
        if block.type == "tool_use":
            yield CallStart(self._calls, block.name, block.id or "")
        elif block.type == "redacted_thinking":
            yield ReasoningEnd(redacted=block.data)
        elif block.type == "text" and block.text:
            yield TextDelta(block.text)
        elif block.type == "thinking" and block.thinking:
            yield ReasoningDelta(block.thinking)

    def _delta(self, delta: Any) -> Iterator[LLMEvent]:
        match delta.type:
            case "text_delta" if delta.text:
                yield TextDelta(delta.text)
            case "thinking_delta" if delta.thinking:
                yield ReasoningDelta(delta.thinking)
            case "signature_delta":
                self._signature += delta.signature
            case "input_json_delta" if delta.partial_json:
                self._arguments = True
                yield CallDelta(self._calls, delta.partial_json)

    def _stop(self) -> Iterator[LLMEvent]:
        block, self._block = self._block, None
        if block is None:
            return
        if block.type == "thinking":
            yield ReasoningEnd(signature=self._signature or block.signature or None)
        elif block.type == "tool_use":
            if not self._arguments:
                yield CallDelta(self._calls, json.dumps(block.input or {}))
            self._calls += 1

    def _count(self, usage: Any) -> None:
        """The numbers are cumulative, and those that did not change may be left out."""
        for part in (usage, getattr(usage, "output_tokens_details", None)):
            told = vars(part) if part else {}
            self._usage.update({name: value for name, value in told.items() if isinstance(value, int)})

    def _used(self, name: str) -> int:
        return self._usage.get(name, 0)
