"""The admin of agents: what they are, what they said, and what became of their runs."""

from agents.admin.agent import AgentAdmin
from agents.admin.approval import ApprovalAdmin
from agents.admin.callback import CallbackAdmin
from agents.admin.conversation import ConversationAdmin
from agents.admin.folder import FileAdmin, FolderAdmin
from agents.admin.history import EmbeddedHistoryAdmin
from agents.admin.identity import IdentityAdmin, IdentityJobAdmin
from agents.admin.ledger import MessageAdmin, RunAdmin, StepAdmin, ToolAttemptAdmin
from agents.admin.tool import UsedToolAdmin

__all__ = [
    "AgentAdmin",
    "ApprovalAdmin",
    "CallbackAdmin",
    "ConversationAdmin",
    "EmbeddedHistoryAdmin",
    "FileAdmin",
    "FolderAdmin",
    "IdentityAdmin",
    "IdentityJobAdmin",
    "MessageAdmin",
    "RunAdmin",
    "StepAdmin",
    "ToolAttemptAdmin",
    "UsedToolAdmin",
]
