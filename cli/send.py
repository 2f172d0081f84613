"""`./perdure send`: one message, the answer on stdout. For scripts."""

from typing import Any

from cli.approvals import waiting_of
from cli.configuration import Refused
from cli.screen import content_text, printable
from cli.server import Pending, find_agent, server


def send(wanted: str, text: str) -> None:
    there = server()
    agent = find_agent(there, wanted)
    try:
        reply = there.post(f"/v1/agents/{agent['id']}/messages", {"input": text})
    except Pending as pending:
        raise Refused(f"{pending}\n{waiting_of(there, agent['id'])}") from None
    answer = answer_of(reply)
    if answer:
        print(printable(answer))
    if stop_reason(reply) == "requires_approval":
        raise Refused(waiting_of(there, agent["id"]) or "The turn waited for an answer, which it has got meanwhile.")
    refuse_unfinished(reply)


def answer_of(reply: dict[str, Any]) -> str:
    """The texts that the agent said to the user, in order."""
    said = (message for message in reply.get("messages", []) if message.get("message_type") == "assistant_message")
    return "\n".join(content_text(message.get("content")) for message in said)


def refuse_unfinished(reply: dict[str, Any]) -> None:
    reason = stop_reason(reply)
    if reason != "end_turn":
        raise Refused(f"The turn did not end by itself: {reason}.")


def stop_reason(reply: dict[str, Any]) -> Any:
    return (reply.get("stop_reason") or {}).get("stop_reason")
