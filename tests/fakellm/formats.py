"""An answer as bytes: events of a stream, or one JSON body, in OpenAI's and in Anthropic's format."""

import json
from collections.abc import Iterator
from typing import Any

from tests.fakellm.answers import Answer

JSON = dict[str, Any]


def openai_events(answer: Answer, model: str) -> list[bytes]:
    if answer.raw is not None:
        return [_data(line) for line in answer.raw]
    head = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1, "model": model}
    events = [_data({**head, "choices": [{"index": 0, "delta": delta}]}) for delta in _openai_deltas(answer)]
    if answer.sse_error is not None:
        return [*events, _data({"error": answer.sse_error})]
    if answer.finish != "":
        finish = answer.finish or ("tool_calls" if answer.calls else "stop")
        events.append(_data({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}))
    if answer.usage is not False:
        events.append(_data({**head, "choices": [], "usage": answer.usage or _openai_usage(answer)}))
    return [*events, b"data: [DONE]\n\n"] if answer.done else events


def openai_body(answer: Answer, model: str) -> JSON:
    message: JSON = {"role": "assistant", "content": answer.text}
    if answer.calls:
        message["tool_calls"] = [_openai_call(call, n) for n, call in enumerate(answer.calls)]
    finish = answer.finish or ("tool_calls" if answer.calls else "stop")
    choice = {"index": 0, "message": message, "finish_reason": finish}
    head = {"id": "chatcmpl-fake", "object": "chat.completion", "created": 1, "model": model}
    return {**head, "choices": [choice], "usage": answer.usage or _openai_usage(answer)}


def _openai_deltas(answer: Answer) -> Iterator[JSON]:
    yield {"role": "assistant", "content": ""}
    for piece in _pieces(answer.reasoning, answer.chars):
        yield {"reasoning_content": piece}
    for piece in _pieces(answer.text or "", answer.chars):
        yield {"content": piece}
    for n, call in enumerate(answer.calls):
        whole = _openai_call(call, n)
        arguments = whole["function"].pop("arguments")
        yield {"tool_calls": [{**whole, "function": {**whole["function"], "arguments": ""}}]}
        for piece in _pieces(arguments, answer.chars):
            yield {"tool_calls": [{"index": n, "function": {"arguments": piece}}]}


def _openai_call(call: JSON, n: int) -> JSON:
    function = {"name": call["name"], "arguments": _arguments(call)}
    return {"index": n, "id": call.get("id", f"call_{n}"), "type": "function", "function": function}


def _openai_usage(answer: Answer) -> JSON:
    words = len((answer.text or "").split()) + 8 * len(answer.calls)
    return {"prompt_tokens": 100, "completion_tokens": words, "total_tokens": 100 + words}


def anthropic_events(answer: Answer, model: str) -> list[bytes]:
    if answer.raw is not None:
        return [_event(line) for line in answer.raw]
    usage = {"input_tokens": 100, "output_tokens": 1, **(answer.usage or {})}
    message = {"id": "msg_fake", "type": "message", "role": "assistant", "model": model, "content": []}
    events = [_event({"type": "message_start", "message": {**message, "usage": usage}})]
    for index, (block, deltas) in enumerate(_anthropic_blocks(answer)):
        events.append(_event({"type": "content_block_start", "index": index, "content_block": block}))
        events.extend(_event({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas)
        events.append(_event({"type": "content_block_stop", "index": index}))
    if answer.sse_error is not None:
        return [*events, _event({"type": "error", "error": answer.sse_error})]
    if answer.finish != "":
        stop = answer.finish or ("tool_use" if answer.calls else "end_turn")
        told = {"output_tokens": (answer.usage or {}).get("output_tokens", len((answer.text or "").split()))}
        events.append(_event({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": told}))
    return [*events, _event({"type": "message_stop"})] if answer.done else events


def anthropic_body(answer: Answer, model: str) -> JSON:
    blocks = []
    for block, deltas in _anthropic_blocks(answer):
        joined = "".join(delta.get("text") or delta.get("partial_json") or "" for delta in deltas)
        if block["type"] == "text":
            blocks.append({**block, "text": joined})
        elif block["type"] == "tool_use":
            blocks.append({**block, "input": json.loads(joined or "{}")})
    usage = answer.usage or {"input_tokens": 100, "output_tokens": len((answer.text or "").split())}
    stop = answer.finish or ("tool_use" if answer.calls else "end_turn")
    head = {"id": "msg_fake", "type": "message", "role": "assistant", "model": model}
    return {**head, "content": blocks, "stop_reason": stop, "usage": usage}


def _anthropic_blocks(answer: Answer) -> Iterator[tuple[JSON, list[JSON]]]:
    """Each content block as it starts, and the deltas that fill it."""
    if answer.reasoning:
        thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(answer.reasoning, answer.chars)]
        sealed = {"type": "signature_delta", "signature": answer.signature}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*thoughts, sealed]
    if answer.redacted:
        yield {"type": "redacted_thinking", "data": answer.redacted}, []
    if answer.text:
        pieces = _pieces(answer.text, answer.chars)
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]
    for n, call in enumerate(answer.calls):
        block = {"type": "tool_use", "id": call.get("id", f"toolu_{n}"), "name": call["name"], "input": {}}
        pieces = _pieces(_arguments(call), answer.chars)
        yield block, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def _arguments(call: JSON) -> str:
    arguments = call.get("arguments", "{}")
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _pieces(text: str, chars: int) -> list[str]:
    return [text[at : at + chars] for at in range(0, len(text), chars)]


def _data(line: Any) -> bytes:
    return f"data: {line if isinstance(line, str) else json.dumps(line)}\n\n".encode()


def _event(line: Any) -> bytes:
    return _data(line) if isinstance(line, str) else f"event: {line['type']}\n".encode() + _data(line)
