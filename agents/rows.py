"""The loop's values as message rows, and message rows as the loop's values."""

import json
from collections.abc import Sequence
from typing import Any

from agents.loop.compaction import packed_summary
from agents.loop.messages import Message as Said
from agents.loop.messages import Reasoning, Reply
from agents.loop.style import SPEECH_TOOL
from agents.models import Message, Step, ToolAttempt
from tools.spec import ToolCall, ToolReturn

SEARCHABLE_CHARS = 200_000  # a tsvector holds at most 1 MB
_BEFORE_INDEX = len("call_") + 20
INPUT = 1000  # `call_index` of the first message of an input; what the agent itself says counts from 0


def input_row(step: Step, conversation_id: str, accepted: dict[str, Any], *, seq: int, index: int) -> Message:
    """A message of the run's input, as its first step takes it up."""
    content = accepted["content"]
    return _row(
        step,
        conversation_id,
        id=accepted["id"],
        seq=seq,
        role=accepted["role"],
        call_index=INPUT + index,
        name=accepted.get("name"),
        otid=accepted.get("otid"),
        content=_input_content(accepted),
        text=flat_text(content),
    )


def opening_row(message: dict[str, Any], *, seq: int) -> Message:
    """A message that a conversation begins with; the caller says whose it is."""
    text = flat_text(message["content"])
    return Message(
        seq=seq,
        role=message["role"],
        name=message.get("name"),
        otid=message.get("otid"),
        content=_input_content(message),
        text=text[:SEARCHABLE_CHARS],
    )


def _input_content(accepted: dict[str, Any]) -> dict[str, Any]:
    """With whom it comes from, where its client says so."""
    sender = accepted.get("sender_id")
    return _body(accepted["role"], accepted["content"]) | ({"sender_id": sender} if sender else {})


def _body(role: str, content: str | list[dict[str, Any]] | dict[str, Any]) -> dict[str, Any]:
    if role == Message.Role.SYSTEM:
        return {"text": flat_text(content)}
    if role == Message.Role.ASSISTANT:
        return {"text": flat_text(content), "reasoning": [], "calls": []}
    return content if isinstance(content, dict) else {"content": content}


def reply_row(
    step: Step, conversation_id: str, reply: Reply, *, id: str, seq: int, waiting: Sequence[str] = ()
) -> Message:
    """`waiting`: the ids of its calls that have to be answered before anything of it runs."""
    calls = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in reply.calls]
    thoughts = [
        {"text": thought.text, "signature": thought.signature, "redacted": thought.redacted}
        for thought in reply.reasoning
    ]
    spoken = "\n".join(_speech(call) for call in reply.calls if call.name == SPEECH_TOOL)
    return _row(
        step,
        conversation_id,
        id=id,
        seq=seq,
        role=Message.Role.ASSISTANT,
        content={"text": reply.text, "reasoning": thoughts, "calls": calls}
        | ({"waiting": list(waiting)} if waiting else {}),
        text="\n".join(part for part in (reply.text, spoken) if part),
    )


def nudge_row(step: Step, conversation_id: str, text: str, *, id: str, seq: int) -> Message:
    """What the loop says to make the model go on."""
    said = json.dumps({"type": "heartbeat", "reason": text}, ensure_ascii=False)
    content = {"content": said, "nudge": True}
    return _row(step, conversation_id, id=id, seq=seq, role=Message.Role.USER, content=content, text="")


def summary_row(step: Step, conversation_id: str, summary: str, stats: dict[str, Any], *, id: str, seq: int) -> Message:
    """Not searched by recall memory, which has the messages themselves."""
    content = {"summary": summary, "stats": stats}
    place = seq % 2**31  # a step may have several
    return _row(
        step, conversation_id, id=id, seq=seq, role=Message.Role.SUMMARY, call_index=place, content=content, text=""
    )


def return_row(step: Step, conversation_id: str, returned: ToolReturn, *, id: str, seq: int) -> Message:
    return _row(
        step,
        conversation_id,
        id=id,
        seq=seq,
        role=Message.Role.TOOL,
        call_index=call_index(returned.call_id),
        name=returned.name,
        content={
            "call_id": returned.call_id,
            "name": returned.name,
            "status": returned.status,
            "text": returned.text,
            "stdout": returned.stdout,
            "stderr": returned.stderr,
        },
        text=returned.text,
    )


def call_id_of(step_id: str, index: int) -> str:
    """The id of the index-th call of a step's answer, the same in every claim."""
    return f"call_{step_id.removeprefix('step-').replace('-', '')[:20]}{index:02d}"


def call_index(call_id: str) -> int:
    """The way back. From the hundredth call on, the place has three digits."""
    return int(call_id[_BEFORE_INDEX:] or call_id[-2:])


def attempt_row(step: Step, call: ToolCall, index: int, epoch: int, **fields: Any) -> ToolAttempt:
    """The index-th call of the step's answer: planned, unless `fields` say more."""
    fields.setdefault("status", ToolAttempt.Status.PLANNED)
    return ToolAttempt(
        organization_id=step.organization_id,
        run_id=step.run_id,
        step_id=step.id,
        call_index=index,
        call_id=call.id,
        name=call.name,
        arguments=call.arguments,
        epoch=epoch,
        **fields,
    )


def _row(step: Step, conversation_id: str, *, text: str, **fields: Any) -> Message:
    return Message(
        organization_id=step.organization_id,
        agent_id=step.agent_id,
        conversation_id=conversation_id,
        run_id=step.run_id,
        step_id=step.id,
        text=text[:SEARCHABLE_CHARS],
        **fields,
    )


def said(role: str, content: dict[str, Any], name: str | None) -> Said:
    """A stored message as the loop's value. System messages within a conversation are told as the user's.

    Every step asks this of all that is in context: plain words, for a comparison with an enum's member costs more.
    """
    match role:
        case "user":
            return Said("user", _with_memories(content), name=name, nudge=content.get("nudge", False))
        case "assistant":
            return _answer(content, name)
        case "tool":
            returned = tool_return(content)
            return Said("tool", returned.text, returned=returned)
        case "system":
            return Said("user", json.dumps({"type": "system_message", "message": content["text"]}, ensure_ascii=False))
        case "summary":
            return Said("user", packed_summary(content["summary"]), nudge=True)
    return Said("user")  # an approval: the model is told what came of it, by the returns


def _answer(content: dict[str, Any], name: str | None) -> Said:
    thoughts, calls = content.get("reasoning"), content.get("calls")
    if not (thoughts or calls):
        return Said("assistant", content["text"], name=name)
    return Said(
        "assistant",
        content["text"],
        tuple(Reasoning(t["text"], t.get("signature"), t.get("redacted")) for t in thoughts or ()),
        tuple(ToolCall(c["id"], c["name"], c["arguments"]) for c in calls or ()),
        name=name,
    )


def _with_memories(content: dict[str, Any]) -> str | list[dict[str, Any]]:
    """What a user said, and what the agent's memory had on it (agents/retrieval.py)."""
    own, memories = content["content"], (content.get("retrieved") or {}).get("text")
    if not memories:
        return own
    return f"{own}\n\n{memories}" if isinstance(own, str) else [*own, {"type": "text", "text": memories}]


def tool_return(content: dict[str, Any]) -> ToolReturn:
    return ToolReturn(
        content["call_id"],
        content["name"],
        content["status"],
        content["text"],
        content.get("stdout"),
        content.get("stderr"),
    )


def flat_text(content: str | list[dict[str, Any]] | dict[str, Any]) -> str:
    """The text of a message's content; what is no text is left out."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return ""
    return "\n".join(part["text"] for part in content if part.get("type") == "text")


def _speech(call: ToolCall) -> str:
    try:
        return str(json.loads(call.arguments)["message"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
