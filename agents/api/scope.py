"""Every query starts here: the rows of the organization that asks. Another's row is not found, as if it never was."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Case, QuerySet, When

from accounts.keys import Principal
from agents.api.requests import checked_id
from agents.errors import NotFound, invalid
from agents.models import Agent, Approval, Conversation, Identity, IdentityJob, Message, Run, Step
from agents.statements import rows_of
from memory.models import Archive, Block, File, Folder, Passage
from tools.models import McpServer, Tool

KINDS: dict[type, tuple[str, str]] = {
    Agent: ("agent", "Agent"),
    Approval: ("approval", "Approval"),
    Archive: ("archive", "Archive"),
    Block: ("block", "Block"),
    Conversation: ("conv", "Conversation"),
    File: ("file", "File"),
    Folder: ("source", "Folder"),
    Identity: ("identity", "Identity"),
    IdentityJob: ("job", "Job"),
    McpServer: ("mcp_server", "MCP server"),
    Message: ("message", "Message"),
    Passage: ("passage", "Passage"),
    Run: ("run", "Run"),
    Step: ("step", "Step"),
    Tool: ("tool", "Tool"),
}


# Written out, because every message begins with it. The CASE is the expression of the index conversation_default_of.
_DEFAULT = """
SELECT {place} FROM agents_conversation AS place
 WHERE CASE WHEN is_default THEN agent_id END = %s AND organization_id = %s
"""


def owned(principal: Principal, model: Any) -> QuerySet[Any]:
    rows = model.objects.filter(organization_id=principal.organization_id)
    # The archive of a folder is a part of it, and no archive to anybody else.
    return rows.filter(folder=None) if model is Archive else rows


def one(
    principal: Principal, model: Any, id: str, rows: QuerySet[Any] | None = None, loc: Sequence[str | int] | None = None
) -> Any:
    """The row of this id, of `rows` or of all that the principal may see. Raises NotFound, or InvalidRequest.

    `loc`: where the id stands in the request, if not in the path.
    """
    kind, name = KINDS[model]
    checked_id(kind, id, loc)
    found = (owned(principal, model) if rows is None else rows).filter(pk=id).order_by().first()
    if found is None:
        raise NotFound(name, id)
    return found


def defaults_of(agent_ids: Sequence[str], rows: QuerySet[Conversation] | None = None) -> QuerySet[Conversation]:
    """The agents' own threads, in the words that the index conversation_default_of has for them."""
    default_of = Case(When(is_default=True, then="agent_id"))
    rows = Conversation.objects.all() if rows is None else rows
    return rows.annotate(default_of=default_of).filter(default_of__in=agent_ids).order_by()


def default_conversation(principal: Principal, agent_id: str, loc: Sequence[str | int] | None = None) -> Conversation:
    """The agent's own thread. Raises NotFound for the agent."""
    checked_id("agent", agent_id, loc)
    found = rows_of(_DEFAULT, [agent_id, principal.organization_id], place=Conversation)
    if found is None:
        raise NotFound("Agent", agent_id)
    (place,), _ = found
    return place


def conversation(
    principal: Principal, id: str, agent_id: str | None = None, *, where: str = "path", where_agent: str = "query"
) -> Conversation:
    """A conversation by id; `default` is the own thread of `agent_id`, and an agent's id means the same.

    `where` and `where_agent`: the parts of the request that the two ids stand in.
    """
    place = (where, "conversation_id")
    if id == "default" and agent_id:
        return default_conversation(principal, agent_id, (where_agent, "agent_id"))
    if id == "default":
        raise invalid(place, "`default` is an agent's own thread: say with agent_id whose")
    if id.startswith("agent-"):
        return default_conversation(principal, id, place)
    return one(principal, Conversation, id, owned(principal, Conversation), place)
