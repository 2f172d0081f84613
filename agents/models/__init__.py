"""The rows of an agent's life. Foreign keys point down: to memory, tools and accounts."""

from agents.models.agent import Agent, AgentArchive, AgentBlock, AgentFile, AgentFolder, AgentTool
from agents.models.approval import Approval
from agents.models.callback import Callback
from agents.models.conversation import Conversation, Inbox
from agents.models.history import EmbeddedHistory, MessageVector
from agents.models.identity import AgentIdentity, BlockIdentity, Identity
from agents.models.identity_job import ExportPiece, IdentityJob
from agents.models.listing import ModelListing
from agents.models.message import Message
from agents.models.run import TERMINAL, Run, Step, ToolAttempt

__all__ = [
    "TERMINAL",
    "Agent",
    "AgentArchive",
    "AgentBlock",
    "AgentFile",
    "AgentFolder",
    "AgentIdentity",
    "AgentTool",
    "Approval",
    "BlockIdentity",
    "Callback",
    "Conversation",
    "EmbeddedHistory",
    "ExportPiece",
    "Identity",
    "IdentityJob",
    "Inbox",
    "Message",
    "MessageVector",
    "ModelListing",
    "Run",
    "Step",
    "ToolAttempt",
]
