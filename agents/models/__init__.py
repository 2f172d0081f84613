"""The rows of an agent's life. Foreign keys point down: to memory, tools and accounts."""

from agents.models.agent import Agent, AgentArchive, AgentBlock, AgentTool
from agents.models.approval import Approval
from agents.models.conversation import Conversation, Inbox
from agents.models.message import Message
from agents.models.run import TERMINAL, Run, Step, ToolAttempt

__all__ = [
    "TERMINAL",
    "Agent",
    "AgentArchive",
    "AgentBlock",
    "AgentTool",
    "Approval",
    "Conversation",
    "Inbox",
    "Message",
    "Run",
    "Step",
    "ToolAttempt",
]
