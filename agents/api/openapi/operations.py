"""Every operation of the API: what it is called, asks for and answers. A route without a line here fails a test.

Ids are what letta-client calls the method, without its `client.`; what it has no method for is named in the same way.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from rest_framework.serializers import BaseSerializer

from agents.api.agents import ORDERS, RELATIONS
from agents.api.archives import ArchiveFields, PassageBatch, PassageFields
from agents.api.blocks import UndoFields
from agents.api.conversations import ORDERS as CONVERSATION_ORDERS
from agents.api.conversations import ConversationFields, NewConversation
from agents.api.folders import DUPLICATES, FolderFields
from agents.api.identities import IdentityFields, PropertyFields
from agents.api.mcp_configs import McpServerChange, McpServerFields
from agents.api.openapi.errors import JSON
from agents.api.openapi.notation import Fields
from agents.api.passages import PassageSearchFields
from agents.api.recall import MessageSearchFields
from agents.api.retention import RetentionFields
from agents.api.serializers import AgentFields, BlockFields, BlockImportFields, NewAgent
from agents.api.steps import FeedbackFields
from agents.api.tool_sources import ToolChange, ToolFields
from agents.api.tools import ApprovalFields, SourceFields, ToolSearchFields
from agents.wire import TYPES

Body: TypeAlias = str | type[BaseSerializer] | BaseSerializer


@dataclass(frozen=True)
class Operation:
    """
    returns     in the notation; empty for an answer without a body
    streams     "always", "if asked" or "": whether the answer is a stream of events
    of_run      the answer waits for a run, and may tell its failure
    media       of the body
    errors      beside 401, 404 where an id stands in the path, 405, 413 and 415 where there is a body, 422, 500 and 503
    """

    id: str
    summary: str
    returns: str = ""
    query: Fields = field(default_factory=dict)
    body: Body | None = None
    media: str = JSON
    errors: tuple[int, ...] = ()
    description: str = ""
    streams: str = ""
    of_run: bool = False
    body_is_needed: bool = True
    is_public: bool = False


TAGS = {
    "agents": "Agents: made, changed, listed, deleted.",
    "agents.messages": "Speak with an agent in its own thread, and read what was said.",
    "agents.blocks": "An agent's core memory, block by block.",
    "agents.passages": "An agent's archival memory.",
    "agents.tools": "The tools that an agent has.",
    "agents.archives": "The archives that an agent has.",
    "agents.identities": "Whom an agent belongs to.",
    "agents.folders": "The folders that an agent has.",
    "agents.files": "The files of these folders, and which of them the agent has open.",
    "conversations": "Further threads with an agent, each with a history of its own.",
    "conversations.messages": "Speak with an agent in a conversation.",
    "messages": "Recall memory: every message of the organization.",
    "blocks": "Core memory blocks on their own; agents share them.",
    "blocks.versions": "What a block's value was, and who gave it.",
    "tools": "The organization's tools: made from source, changed, found, tried, and given to agents.",
    "mcp_servers": "Servers whose tools agents can have.",
    "archives": "Archives and the passages that are filed in them.",
    "passages": "Search in all archives.",
    "folders": "Folders of files, for agents to read.",
    "folders.files": "Files: uploaded, read by a worker, found by their passages.",
    "identities": "Users and organizations outside of this server.",
    "retention": "How long rows are kept, and what was deleted because it was older.",
    "runs": "What became of a request, while it is under way and afterwards.",
    "approvals": "Tool calls that wait for a person's consent, or for the client that runs them.",
    "steps": "Each call of a model: what it cost, said and did.",
    "models": "What agents can think with.",
    "tags": "The tags that agents have.",
    "health": "Whether the server is there.",
    "openapi": "The description of all this.",
}

_CURSORS: Fields = {
    "limit?": "count - how many; at most 1000",
    "before?": "text - an id: what stands before it in the list",
    "after?": "text - an id: what stands after it in the list",
    "order?": "'asc' | 'desc'",
}
_TYPES = "[" + " | ".join(f"'{name}'" for name in TYPES) + "] - leave out the other kinds"
_PAGE: Fields = {**_CURSORS, "order_by?": "'created_at'"}
_MESSAGE_PAGE: Fields = {
    **_PAGE,
    "order?": "'asc' | 'desc' - without it: the newest page, oldest first; `after` is newer, `before` older",
    "use_assistant_message?": "bool - show what an agent says through its tool as an assistant message",
    "assistant_message_tool_name?": "text",
    "assistant_message_tool_kwarg?": "text",
    "include_return_message_types?": _TYPES,
    "group_id?": "text - of a group of agents, of which there are none: nothing is found",
    "include_err?": "bool - messages that tell of an error are in the list in any case",
}
_INCLUDE: Fields = {
    "include?": "[" + " | ".join(f"'agent.{name}'" for name in RELATIONS) + "] - relations to send along",
    "include_relationships?": "[text] - the same, without `agent.`; for older clients",
}


def _orders(names: tuple[str, ...]) -> str:
    return " | ".join(f"'{name}'" for name in names)


_AGENTS: Fields = {
    "name?": "text",
    "tags?": "[text]",
    "match_all_tags?": "bool",
    "query_text?": "text - part of the name or the description",
    "project_id?": "text",
    "template_id?": "text",
    "base_template_id?": "text",
    "created_by_id?": "text",
    "last_stop_reason?": "StopReasonType",
    "identity_id?": "identity-id",
    "identifier_keys?": "[text] - of identities",
}
_AGENT_PAGE: Fields = {
    **_CURSORS,
    "order_by?": _orders(ORDERS),
    "sort_by?": f"{_orders(ORDERS)} - the older name of `order_by`",
    "ascending?": "bool - the older form of `order`",
}
_OF_DEFAULT: Fields = {"agent_id?": "text - whose own thread is meant by `default`"}
_IDENTITIES: Fields = {
    "name?": "text",
    "identifier_key?": "text",
    "identity_type?": "'org' | 'user' | 'other'",
    "project_id?": "text",
}
_DRY: Fields = {
    "dry_run?": "bool - only tell it",
    "update_timestamp?": "bool - also say when it was compiled",
}

_OPERATIONS: dict[str, Operation] = {
    "GET health": Operation("health", "Is the server there?", "Health", is_public=True),
    # Agents
    "GET agents": Operation("agents.list", "List agents", "[AgentState]", query={**_AGENTS, **_AGENT_PAGE, **_INCLUDE}),
    "POST agents": Operation(
        "agents.create",
        "Create an agent",
        "AgentState",
        body=NewAgent,
        errors=(400, 404, 409, 501),
        description="All that is left out has a default, even the name and the model. The relations are told in full.",
    ),
    "GET agents/count": Operation("agents.count", "Count agents", "int", query=_AGENTS),
    "GET agents/{agent_id}": Operation("agents.retrieve", "Retrieve an agent", "AgentState", query=_INCLUDE),
    "PATCH agents/{agent_id}": Operation(
        "agents.update",
        "Change an agent",
        "AgentState",
        query=_INCLUDE,
        body=AgentFields,
        errors=(400, 409, 501),
        description="What is left out or null stays. Lists of ids are the whole new sets.",
    ),
    "DELETE agents/{agent_id}": Operation(
        "agents.delete", "Delete an agent", "Done", description="With its conversations and everything said in them."
    ),
    "GET agents/{agent_id}/context": Operation(
        "agents.context.retrieve",
        "What is in the context window?",
        "ContextWindow",
        query={"conversation_id?": "text - instead of the agent's own thread"},
    ),
    "POST agents/{agent_id}/recompile": Operation(
        "agents.recompile", "Compile the system prompt anew", "text", query=_DRY
    ),
    "GET agents/{agent_id}/core-memory": Operation("agents.memory.retrieve", "Retrieve core memory", "Memory"),
    # Messages of agents
    "GET agents/{agent_id}/messages": Operation(
        "agents.messages.list",
        "List messages",
        "[Message]",
        query={**_MESSAGE_PAGE, "conversation_id?": "text - instead of the agent's own thread"},
    ),
    "POST agents/{agent_id}/messages": Operation(
        "agents.messages.create",
        "Send messages, and wait for the answer",
        "LettaResponse",
        body="SendRequest",
        errors=(400, 409),
        streams="if asked",
        of_run=True,
        description="With `streaming` the answer is a stream of events.",
    ),
    "POST agents/{agent_id}/messages/stream": Operation(
        "agents.messages.stream",
        "Send messages, and hear the answer as it comes",
        body="SendRequest",
        errors=(400, 409),
        streams="always",
    ),
    "POST agents/{agent_id}/messages/async": Operation(
        "agents.messages.create_async",
        "Send messages, and go",
        "Run",
        body="AsyncRequest",
        errors=(400, 409),
        description="Answers at once; the run tells what becomes of it.",
    ),
    "POST agents/{agent_id}/messages/cancel": Operation(
        "agents.messages.cancel",
        "Cancel runs",
        "{text} - for each run how it has ended, or `cancelled` if it is about to",
        body="CancelRequest",
        errors=(409,),
        body_is_needed=False,
    ),
    "PATCH agents/{agent_id}/reset-messages": Operation(
        "agents.messages.reset",
        "Empty the context window",
        "AgentState",
        body="ResetRequest",
        body_is_needed=False,
        errors=(409,),
        description="The agent's own thread begins anew. Everything that was said stays in recall memory.",
    ),
    "POST agents/{agent_id}/summarize": Operation(
        "agents.messages.compact",
        "Compact the context window",
        "Compacted",
        body="CompactRequest",
        errors=(400, 409),
        of_run=True,
        body_is_needed=False,
    ),
    # What agents have
    "GET agents/{agent_id}/core-memory/blocks": Operation("agents.blocks.list", "List blocks", "[Block]", query=_PAGE),
    "GET agents/{agent_id}/core-memory/blocks/{label}": Operation(
        "agents.blocks.retrieve", "Retrieve a block by its label", "Block"
    ),
    "PATCH agents/{agent_id}/core-memory/blocks/{label}": Operation(
        "agents.blocks.update", "Change a block by its label", "Block", body=BlockFields, errors=(400, 409)
    ),
    "PATCH agents/{agent_id}/core-memory/blocks/attach/{block_id}": Operation(
        "agents.blocks.attach", "Give an agent a block", "AgentState", errors=(409,)
    ),
    "PATCH agents/{agent_id}/core-memory/blocks/detach/{block_id}": Operation(
        "agents.blocks.detach", "Take a block from an agent", "AgentState"
    ),
    "GET agents/{agent_id}/tools": Operation("agents.tools.list", "List an agent's tools", "[Tool]", query=_PAGE),
    "PATCH agents/{agent_id}/tools/attach/{tool_id}": Operation(
        "agents.tools.attach", "Give an agent a tool", "null", errors=(409,)
    ),
    "PATCH agents/{agent_id}/tools/detach/{tool_id}": Operation(
        "agents.tools.detach", "Take a tool from an agent", "null"
    ),
    "PATCH agents/{agent_id}/tools/approval/{tool_name}": Operation(
        "agents.tools.update_approval",
        "Let calls of a tool wait for consent, or no longer",
        "null",
        query={"requires_approval?": "bool - the older place of the body's field"},
        body=ApprovalFields,
        errors=(400,),
        body_is_needed=False,
    ),
    "POST agents/{agent_id}/tools/{tool_name}/run": Operation(
        "agents.tools.run",
        "Run an agent's tool by hand",
        "ToolExecutionResult",
        body="RunToolRequest",
        errors=(400,),
        body_is_needed=False,
        description="With its secrets. Nothing of it is told to the agent. A tool that fails is an answer, too.",
    ),
    "PATCH agents/{agent_id}/archives/attach/{archive_id}": Operation(
        "agents.archives.attach", "Give an agent an archive", "null"
    ),
    "PATCH agents/{agent_id}/archives/detach/{archive_id}": Operation(
        "agents.archives.detach", "Take an archive from an agent", "null"
    ),
    "GET agents/{agent_id}/folders": Operation(
        "agents.folders.list", "List an agent's folders", "[Folder]", query=_PAGE
    ),
    "PATCH agents/{agent_id}/folders/attach/{folder_id}": Operation(
        "agents.folders.attach",
        "Give an agent a folder",
        "null",
        description="With the first one it gets the tools that read files.",
    ),
    "GET agents/{agent_id}/files": Operation(
        "agents.files.list",
        "List the files that an agent can read",
        "AgentFiles",
        query={
            **_PAGE,
            "is_open?": "bool",
            "cursor?": "text - the older name of `after`",
        },
    ),
    "PATCH agents/{agent_id}/files/{file_id}/open": Operation(
        "agents.files.open",
        "Open a file for an agent",
        "[text] - the paths of the files that were closed to make room",
        errors=(409,),
    ),
    "PATCH agents/{agent_id}/files/{file_id}/close": Operation("agents.files.close", "Close a file", "Done"),
    "PATCH agents/{agent_id}/files/close-all": Operation(
        "agents.files.close_all", "Close all files", "[text] - the paths of those that were open"
    ),
    "PATCH agents/{agent_id}/folders/detach/{folder_id}": Operation(
        "agents.folders.detach",
        "Take a folder from an agent",
        "null",
        description="With the last one the tools that read files go, too.",
    ),
    "PATCH agents/{agent_id}/identities/attach/{identity_id}": Operation(
        "agents.identities.attach", "Give an agent to an identity", "null"
    ),
    "PATCH agents/{agent_id}/identities/detach/{identity_id}": Operation(
        "agents.identities.detach", "Take an agent from an identity", "null"
    ),
    "GET agents/{agent_id}/archival-memory": Operation(
        "agents.passages.list",
        "List an agent's passages",
        "[Passage]",
        query={**_PAGE, "ascending?": "bool - oldest first, unless it is false", "search?": "text - words to find"},
    ),
    "POST agents/{agent_id}/archival-memory": Operation(
        "agents.passages.create",
        "File a passage",
        "[Passage]",
        body=PassageFields,
        description="A list: a text that is too long for one passage is cut into several.",
    ),
    "GET agents/{agent_id}/archival-memory/search": Operation(
        "agents.passages.search",
        "Search an agent's passages",
        "AgentPassageResults",
        query={
            "query": "text",
            "tags?": "[text]",
            "tag_match_mode?": "'any' | 'all'",
            "top_k?": "positive",
            "start_datetime?": "text - ISO 8601",
            "end_datetime?": "text - ISO 8601",
        },
        errors=(400,),
        description="What the agent itself would find with its tool.",
    ),
    "DELETE agents/{agent_id}/archival-memory/{passage_id}": Operation(
        "agents.passages.delete", "Delete a passage", "Done"
    ),
    # Conversations
    "GET conversations": Operation(
        "conversations.list",
        "List conversations",
        "[Conversation]",
        query={
            **_CURSORS,
            "order_by?": _orders(CONVERSATION_ORDERS),
            "agent_id?": "agent-id",
            "archive_status?": "'unarchived' | 'archived' | 'all'",
            "summary_search?": "text - part of the summary",
        },
    ),
    "POST conversations": Operation(
        "conversations.create",
        "Begin a conversation",
        "Conversation",
        query={"agent_id": "agent-id"},
        body=NewConversation,
        errors=(400, 404),
        body_is_needed=False,
    ),
    "GET conversations/{conversation_id}": Operation(
        "conversations.retrieve", "Retrieve a conversation", "Conversation", query=_OF_DEFAULT
    ),
    "PATCH conversations/{conversation_id}": Operation(
        "conversations.update",
        "Change a conversation",
        "Conversation",
        query=_OF_DEFAULT,
        body=ConversationFields,
        errors=(400,),
        description="A null takes a field back, so that the agent's own counts again.",
    ),
    "DELETE conversations/{conversation_id}": Operation(
        "conversations.delete", "Delete a conversation", "Done", query=_OF_DEFAULT, errors=(400, 409)
    ),
    "POST conversations/{conversation_id}/fork": Operation(
        "conversations.fork",
        "Fork a conversation",
        "Conversation",
        query={**_OF_DEFAULT, "message_id?": "message-id - the last one that both have heard", "hidden?": "bool"},
        errors=(400, 409),
    ),
    "POST conversations/{conversation_id}/recompile": Operation(
        "conversations.recompile", "Compile the system prompt anew", "text", query={**_OF_DEFAULT, **_DRY}
    ),
    "POST conversations/{conversation_id}/cancel": Operation(
        "conversations.cancel",
        "Cancel a conversation's runs",
        "{text} - for each run how it has ended, or `cancelled` if it is about to",
        query=_OF_DEFAULT,
        errors=(409,),
    ),
    "GET conversations/{conversation_id}/messages": Operation(
        "conversations.messages.list", "List messages", "[Message]", query={**_MESSAGE_PAGE, **_OF_DEFAULT}
    ),
    "POST conversations/{conversation_id}/messages": Operation(
        "conversations.messages.create",
        "Send messages, and hear the answer as it comes",
        "LettaResponse",
        body="ConversationSendRequest",
        errors=(400, 409),
        streams="if asked",
        of_run=True,
        description="A stream of events, unless `streaming` is false.",
    ),
    "POST conversations/{conversation_id}/stream": Operation(
        "conversations.messages.stream",
        "Take up a stream again",
        body="ConversationResumeRequest",
        streams="always",
        body_is_needed=False,
        description="Of the run that is named, of the one that was given an `otid`, or of the one under way.",
    ),
    "POST conversations/{conversation_id}/compact": Operation(
        "conversations.messages.compact",
        "Compact the context window",
        "Compacted",
        body="ConversationCompactRequest",
        errors=(400, 409),
        of_run=True,
        body_is_needed=False,
    ),
    # Messages
    "GET messages": Operation(
        "messages.list",
        "List messages",
        "[Message]",
        query={
            **_PAGE,
            **_OF_DEFAULT,
            "conversation_id?": "text",
            "include_return_message_types?": _TYPES,
        },
    ),
    "POST messages/search": Operation(
        "messages.search", "Search messages", "[FoundMessage]", body=MessageSearchFields, errors=(400, 404, 503)
    ),
    "GET messages/{message_id}": Operation(
        "messages.retrieve",
        "Retrieve a message",
        "[Message]",
        description="A list: one stored message may show as several, a thought and a call for example.",
    ),
    # Blocks
    "GET blocks": Operation(
        "blocks.list",
        "List blocks",
        "[Block]",
        query={
            **_PAGE,
            "label?": "text",
            "label_search?": "text - part of the label",
            "value_search?": "text - part of the value",
            "description_search?": "text - part of the description",
            "templates_only?": "bool",
            "name?": "text - the template's name",
            "project_id?": "text",
            "tags?": "[text]",
            "match_all_tags?": "bool",
            "identity_id?": "identity-id",
            "identifier_keys?": "[text]",
            "connected_to_agents_count_eq?": "[int]",
            "connected_to_agents_count_gt?": "int",
            "connected_to_agents_count_lt?": "int",
        },
    ),
    "POST blocks": Operation("blocks.create", "Create a block", "Block", body=BlockFields, errors=(400,)),
    "GET blocks/{block_id}": Operation("blocks.retrieve", "Retrieve a block", "Block"),
    "PATCH blocks/{block_id}": Operation(
        "blocks.update", "Change a block", "Block", body=BlockFields, errors=(400, 409)
    ),
    "DELETE blocks/{block_id}": Operation("blocks.delete", "Delete a block", "Done"),
    "POST blocks/import": Operation(
        "blocks.import_many",
        "Import blocks from a file, all or none",
        "BlockImport",
        body=BlockImportFields,
        errors=(400, 404, 409),
        description="As lists of blocks show them, or written by hand. With `agent_id`, each changes the agent's block "
        "of its label, or is made and attached; without, each changes the block of its `id`, or is made. Fields that "
        "are not there stay as they are. The versions that it writes have the import as their author.",
    ),
    "GET blocks/{block_id}/versions": Operation(
        "blocks.versions.list",
        "List what a block's value was, newest first",
        "[BlockVersion]",
        query={**_PAGE, "limit?": "count - how many; at most 100"},
    ),
    "POST blocks/{block_id}/undo": Operation(
        "blocks.undo",
        "Take a block back to an earlier version",
        "Block",
        body=UndoFields,
        errors=(400, 409),
        body_is_needed=False,
        description="To the one before, or to `version`. That is a new version, and can be undone, too. With "
        "`expected_version`, 409 if somebody has changed the block since.",
    ),
    "GET blocks/{block_id}/agents": Operation(
        "blocks.agents.list", "List the agents that have a block", "[AgentState]", query={**_PAGE, **_INCLUDE}
    ),
    # Tools
    "GET tools": Operation(
        "tools.list",
        "List tools",
        "[Tool]",
        query={
            **_PAGE,
            "name?": "text",
            "names?": "[text]",
            "tool_ids?": "[text]",
            "tool_types?": "[text]",
            "exclude_tool_types?": "[text]",
            "tags?": "[text]",
            "return_only_letta_tools?": "bool - the server's own",
            "search?": "text - part of the name",
        },
    ),
    "POST tools": Operation(
        "tools.create",
        "Create a tool from source code",
        "Tool",
        body=ToolFields,
        errors=(400, 409),
        description="The source is read, not run. A tool of the same name is overwritten, and keeps its id.",
    ),
    "PUT tools": Operation("tools.upsert", "Create or change a tool", "Tool", body=ToolFields, errors=(400, 409)),
    "POST tools/search": Operation(
        "tools.search", "Search tools by words", "[ToolSearchResult]", body=ToolSearchFields, body_is_needed=False
    ),
    "POST tools/run": Operation(
        "tools.run",
        "Run a function that is not saved",
        "ToolExecutionResult",
        body="RunSourceRequest",
        errors=(400,),
        description="In the sandbox, as agents run it. A function that fails is an answer, too.",
    ),
    "POST tools/generate-schema": Operation(
        "tools.generate_schema",
        "Tell the schema that a source would get",
        "object",
        body=SourceFields,
        errors=(400,),
    ),
    "POST tools/add-base-tools": Operation("tools.add_base_tools", "List the server's own tools", "[Tool]"),
    "GET tools/{tool_id}": Operation("tools.retrieve", "Retrieve a tool", "Tool"),
    "PATCH tools/{tool_id}": Operation(
        "tools.update",
        "Change a tool",
        "Tool",
        body=ToolChange,
        errors=(400, 409),
        description="A new source brings its own name, description and schema, unless they are given with it.",
    ),
    "DELETE tools/{tool_id}": Operation("tools.delete", "Delete a tool", "null", errors=(400,)),
    # MCP servers
    "GET mcp-servers": Operation("mcp_servers.list", "List MCP servers", "[McpServer]"),
    "POST mcp-servers": Operation(
        "mcp_servers.create",
        "Register an MCP server",
        "McpServer",
        body=McpServerFields,
        errors=(400, 409),
        description="Answers when it has been asked for its tools, or could not be: `health` tells.",
    ),
    "GET mcp-servers/{mcp_server_id}": Operation("mcp_servers.retrieve", "Retrieve an MCP server", "McpServer"),
    "PATCH mcp-servers/{mcp_server_id}": Operation(
        "mcp_servers.update",
        "Change an MCP server",
        "McpServer",
        body=McpServerChange,
        errors=(400, 409),
        description="What is left out or null stays. It is asked for its tools anew.",
    ),
    "DELETE mcp-servers/{mcp_server_id}": Operation(
        "mcp_servers.delete", "Delete an MCP server", description="With its tools, also those that agents have."
    ),
    "PATCH mcp-servers/{mcp_server_id}/refresh": Operation(
        "mcp_servers.refresh",
        "Ask an MCP server for its tools",
        "ToolChanges",
        query={"agent_id?": "agent-id"},
        errors=(408, 502),
    ),
    "GET mcp-servers/{mcp_server_id}/tools": Operation(
        "mcp_servers.tools.list", "List an MCP server's tools", "[Tool]"
    ),
    "GET mcp-servers/{mcp_server_id}/tools/{tool_id}": Operation(
        "mcp_servers.tools.retrieve", "Retrieve a tool of an MCP server", "Tool"
    ),
    "POST mcp-servers/{mcp_server_id}/tools/{tool_id}/run": Operation(
        "mcp_servers.tools.run",
        "Run a tool of an MCP server",
        "ToolExecutionResult",
        body="RunToolRequest",
        errors=(408, 502),
        body_is_needed=False,
        description="A tool that fails is an answer, too.",
    ),
    # Archives and passages
    "GET archives": Operation(
        "archives.list", "List archives", "[Archive]", query={**_PAGE, "agent_id?": "agent-id", "name?": "text"}
    ),
    "POST archives": Operation(
        "archives.create",
        "Create an archive",
        "Archive",
        body=ArchiveFields,
        errors=(400, 503),
        description="An `embedding` that is named is tried first. Without one it is the server's default; or `none`.",
    ),
    "GET archives/{archive_id}": Operation("archives.retrieve", "Retrieve an archive", "Archive"),
    "PATCH archives/{archive_id}": Operation(
        "archives.update",
        "Change an archive",
        "Archive",
        body=ArchiveFields,
        errors=(400, 503),
        description="Another `embedding` takes over when all passages have their new vectors.",
    ),
    "DELETE archives/{archive_id}": Operation("archives.delete", "Delete an archive and its passages"),
    "POST archives/{archive_id}/passages": Operation(
        "archives.passages.create", "File a passage", "Passage", body=PassageFields
    ),
    "POST archives/{archive_id}/passages/batch": Operation(
        "archives.passages.create_many",
        "File many passages",
        "[Passage]",
        body=PassageBatch,
        description="All of them are filed, or none.",
    ),
    "DELETE archives/{archive_id}/passages/{passage_id}": Operation("archives.passages.delete", "Delete a passage"),
    "POST passages/search": Operation(
        "passages.search",
        "Search passages",
        "[FoundPassage]",
        body=PassageSearchFields,
        errors=(400, 404),
        body_is_needed=False,
        description="In one archive, in one agent's archives, or in all.",
    ),
    # Retention
    "GET retention": Operation("retention.retrieve", "Tell how long rows are kept", "Retention"),
    "PATCH retention": Operation(
        "retention.update",
        "Say how long rows are kept",
        "Retention",
        body=RetentionFields,
        body_is_needed=False,
        description="A worker begins within seconds, and looks again every hour. Nothing that is deleted comes back. "
        "Runs that have not ended, calls that wait, messages in context and the newest version of a block stay.",
    ),
    "GET retention/purges": Operation(
        "retention.purges.list", "List what was deleted for its age", "[Purge]", query=_PAGE
    ),
    # Folders and files
    "GET folders": Operation("folders.list", "List folders", "[Folder]", query={**_PAGE, "name?": "text"}),
    "POST folders": Operation(
        "folders.create",
        "Create a folder",
        "Folder",
        body=FolderFields,
        errors=(400, 409, 503),
        description="An `embedding` that is named is tried first. Without one it is the server's default; or `none`.",
    ),
    "GET folders/count": Operation("folders.count", "Count folders", "int"),
    "GET folders/{folder_id}": Operation("folders.retrieve", "Retrieve a folder", "Folder"),
    "PATCH folders/{folder_id}": Operation(
        "folders.update",
        "Change a folder",
        "Folder",
        body=FolderFields,
        errors=(400, 409, 503),
        description="Another embedding takes over when all passages have their new vectors.",
    ),
    "GET folders/{folder_id}/agents": Operation(
        "folders.agents.list", "List the ids of the agents that have a folder", "[text]", query=_PAGE
    ),
    "GET folders/{folder_id}/files": Operation(
        "folders.files.list",
        "List files",
        "[File]",
        query={**_PAGE, "include_content?": "bool - with their texts; then a page has at most 20"},
    ),
    "POST folders/{folder_id}/upload": Operation(
        "folders.files.upload",
        "Upload a file",
        "File",
        query={
            "name?": "text - instead of the name that it comes with",
            "duplicate_handling?": f"{_orders(DUPLICATES)} - of a name that is there already; else `suffix`",
        },
        body="FileForm",
        media="multipart/form-data",
        errors=(409,),
        description="Answers at once. A worker reads the file; `processing_status` tells how far it is.",
    ),
    "GET folders/{folder_id}/files/{file_id}": Operation(
        "folders.files.retrieve", "Retrieve a file", "File", query={"include_content?": "bool - with its text"}
    ),
    "DELETE folders/{folder_id}/{file_id}": Operation("folders.files.delete", "Delete a file and its passages"),
    "DELETE folders/{folder_id}": Operation(
        "folders.delete", "Delete a folder", "null", description="With its files, also for the agents that have it."
    ),
    # Identities
    "GET identities": Operation("identities.list", "List identities", "[Identity]", query={**_IDENTITIES, **_PAGE}),
    "POST identities": Operation(
        "identities.create", "Create an identity", "Identity", body=IdentityFields, errors=(404, 409)
    ),
    "PUT identities": Operation(
        "identities.upsert",
        "Create the identity of a key, or change it",
        "Identity",
        body=IdentityFields,
        errors=(404, 409),
    ),
    "GET identities/count": Operation("identities.count", "Count identities", "int", query=_IDENTITIES),
    "GET identities/{identity_id}": Operation("identities.retrieve", "Retrieve an identity", "Identity"),
    "PATCH identities/{identity_id}": Operation(
        "identities.update", "Change an identity", "Identity", body=IdentityFields, errors=(409,)
    ),
    "DELETE identities/{identity_id}": Operation(
        "identities.delete", "Delete an identity", "null", description="What belonged to it stays."
    ),
    "PUT identities/{identity_id}/properties": Operation(
        "identities.properties.upsert",
        "Set properties of an identity",
        "Identity",
        body=PropertyFields(many=True),
        description="Each by its key: added, or put in the place of the older one.",
    ),
    "GET identities/{identity_id}/agents": Operation(
        "identities.agents.list", "List an identity's agents", "[AgentState]", query={**_PAGE, **_INCLUDE}
    ),
    "GET identities/{identity_id}/blocks": Operation(
        "identities.blocks.list", "List an identity's blocks", "[Block]", query=_PAGE
    ),
    "POST identities/{identity_id}/export": Operation(
        "identities.export",
        "Export an identity's data",
        "IdentityJob",
        errors=(409,),
        description="Its agents with their blocks, conversations, messages, runs, archives and passages. A worker does "
        "it; the job tells how far it has come, and its archive can be fetched for seven days.",
    ),
    "POST identities/{identity_id}/erase": Operation(
        "identities.erase",
        "Delete an identity's data",
        "IdentityJob",
        errors=(409,),
        description="The identity, and all that belongs to it alone: agents with all they have, archives, blocks, and "
        "earlier exports. What another identity or agent holds stays. It cannot be undone. A worker does it.",
    ),
    "GET identities/{identity_id}/jobs": Operation(
        "identities.jobs.list", "List an identity's exports and erasures", "[IdentityJob]", query=_PAGE
    ),
    "GET identities/{identity_id}/jobs/{job_id}": Operation(
        "identities.jobs.retrieve", "Look at an export or an erasure", "IdentityJob"
    ),
    "GET identities/{identity_id}/jobs/{job_id}/archive": Operation(
        "identities.jobs.archive",
        "Fetch a piece of an export",
        "ExportPiece",
        query={"piece?": "int - from 1 on"},
        description="When the job is completed. `./perdure identities export` puts the pieces into one file.",
    ),
    # Runs and steps
    "GET runs": Operation(
        "runs.list",
        "List runs",
        "[Run]",
        query={
            **_PAGE,
            "ascending?": "bool - the older form of `order`",
            "agent_id?": "agent-id",
            "agent_ids?": "[agent-id]",
            "conversation_id?": "text",
            "statuses?": "['created' | 'running' | 'completed' | 'failed' | 'cancelled']",
            "stop_reason?": "StopReasonType",
            "background?": "bool",
            "active?": "bool - only those that have not ended",
        },
    ),
    "GET runs/{run_id}": Operation("runs.retrieve", "Retrieve a run", "Run"),
    "DELETE runs/{run_id}": Operation(
        "runs.delete",
        "Delete a run that has ended",
        "Done",
        errors=(409,),
        description="Its steps go with it; what was said stays.",
    ),
    "GET runs/{run_id}/messages": Operation("runs.messages.list", "List a run's messages", "[Message]", query=_PAGE),
    "GET runs/{run_id}/steps": Operation("runs.steps.list", "List a run's steps", "[Step]", query=_PAGE),
    "GET runs/{run_id}/usage": Operation("runs.usage.retrieve", "Count a run's tokens", "RunUsage"),
    "GET runs/{run_id}/metrics": Operation("runs.metrics.retrieve", "How long a run took", "RunMetrics"),
    "GET runs/{run_id}/trace": Operation(
        "runs.trace.retrieve", "Where the time of a run went", "[Span]", query={"limit?": "count"}
    ),
    "POST runs/{run_id}/stream": Operation(
        "runs.messages.stream",
        "Take up a run's stream again",
        body="ResumeRequest",
        streams="always",
        body_is_needed=False,
        description="From behind any of its events, while the run is under way and as long as it is kept.",
    ),
    "GET approvals": Operation(
        "approvals.list",
        "List tool calls that wait, or waited, for an answer",
        "[WaitingCalls]",
        query={
            **_PAGE,
            "agent_id?": "agent-id",
            "conversation_id?": "text",
            "pending?": "bool - only those that wait, or with false only those that do not",
            "answered?": "bool - the opposite of `pending`",
        },
    ),
    "GET approvals/{approval_id}": Operation("approvals.retrieve", "Retrieve calls that wait", "WaitingCalls"),
    "POST approvals/{approval_id}": Operation(
        "approvals.answer",
        "Approve or deny calls that wait",
        "Run",
        body="ApprovalVerdict",
        errors=(400, 409),
        description="Answers at once, with the run that goes on with the answer, as a message of type `approval` "
        "would start it.",
    ),
    "GET steps": Operation(
        "steps.list",
        "List steps",
        "[Step]",
        query={
            **_PAGE,
            "agent_id?": "agent-id",
            "run_id?": "run-id",
            "model?": "text",
            "feedback?": "'positive' | 'negative'",
            "has_feedback?": "bool",
            "tags?": "[text]",
            "start_date?": "text - ISO 8601",
            "end_date?": "text - ISO 8601",
            "project_id?": "text - no step has one",
            "trace_ids?": "[text] - no step has one",
        },
        errors=(400,),
    ),
    "GET steps/{step_id}": Operation("steps.retrieve", "Retrieve a step", "Step"),
    "GET steps/{step_id}/messages": Operation(
        "steps.messages.list", "List a step's messages", "[Message]", query=_PAGE
    ),
    "GET steps/{step_id}/metrics": Operation("steps.metrics.retrieve", "Where the time of a step went", "StepMetrics"),
    "GET steps/{step_id}/trace": Operation(
        "steps.trace.retrieve",
        "The request to the provider",
        "null",
        description="Always null: requests to providers hold secrets, and are not stored.",
    ),
    "PATCH steps/{step_id}/feedback": Operation(
        "steps.feedback.create",
        "Say what you think of a step",
        "Step",
        body=FeedbackFields,
        description="A `feedback` of null takes it back; `tags` come on top of those that are there.",
    ),
    # The rest
    "GET openapi.json": Operation("openapi", "This document", "object", is_public=True),
    "GET models": Operation(
        "models.list",
        "List models",
        "[Model]",
        query={"provider_category?": "['base' | 'byok']", "provider_name?": "text", "provider_type?": "text"},
    ),
    "GET models/embedding": Operation("models.embeddings.list", "List embedding models", "[EmbeddingModel]"),
    "GET tags": Operation(
        "tags.list",
        "List tags",
        "[text]",
        query={
            **_CURSORS,
            "before?": "text - a tag",
            "after?": "text - a tag",
            "order_by?": "'name'",
            "name?": "text - part of the tag",
            "query_text?": "text - the same",
        },
    ),
}


def operation_at(method: str, path: str) -> Operation | None:
    """`path` as in /v1/agents/{agent_id}, with or without a slash at its end."""
    return _OPERATIONS.get(f"{method} {path.removeprefix('/v1/').strip('/')}")


def methods_at(path: str) -> list[str]:
    """Of the operations that are described for a path."""
    wanted = path.removeprefix("/v1/").strip("/")
    return [method for method, _, place in (key.partition(" ") for key in _OPERATIONS) if place == wanted]


def tag_of(operation: Operation) -> str:
    """The longest tag that its id begins with."""
    return max((tag for tag in TAGS if f"{operation.id}.".startswith(f"{tag}.")), key=len)
