"""Speaking to other agents."""

from tools.executor import ToolContext
from tools.registry import tool


@tool(effect="ask", type="letta_multi_agent_core", tags=["letta_multi_agent_core"])
def send_message_to_agent_and_wait_for_reply(context: ToolContext, message: str, other_agent_id: str) -> None:
    """Say something to another agent, and get its reply.

    Args:
        message: What the other agent is to read. It is told who you are, but does not know what you know.
        other_agent_id: Id of the other agent, "agent-" and what follows.
    """
    context.mail.ask(message, other_agent_id)


@tool(effect="state", type="letta_multi_agent_core", tags=["letta_multi_agent_core"])
def send_message_to_agent_async(context: ToolContext, message: str, other_agent_id: str) -> str:
    """Say something to another agent, without waiting. If it has something to say to that, it sends you a message.

    Args:
        message: What the other agent is to read. It is told who you are, but does not know what you know.
        other_agent_id: Id of the other agent, "agent-" and what follows.
    """
    context.mail.send(message, other_agent_id)
    return "The message was sent."


@tool(effect="ask", type="letta_multi_agent_core", tags=["letta_multi_agent_core"])
def send_message_to_agents_matching_tags(
    context: ToolContext, message: str, match_all: list[str], match_some: list[str]
) -> None:
    """Say something to every agent with certain tags, and get their replies.

    Args:
        message: What the other agents are to read. They are told who you are, but do not know what you know.
        match_all: Tags that an agent must all have. May be empty.
        match_some: Tags of which an agent must have at least one. May be empty.
    """
    context.mail.ask_tagged(message, match_all, match_some)
