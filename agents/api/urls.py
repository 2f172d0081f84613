"""The paths of the API. Each answers with and without a slash at its end."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import URLPattern, re_path
from django.views.decorators.csrf import csrf_exempt

from agents.api import (
    agents,
    approvals,
    archives,
    blocks,
    context,
    conversations,
    files,
    folders,
    identities,
    identity_jobs,
    mcp_servers,
    messages,
    model_list,
    not_served,
    passages,
    recall,
    resuming,
    retention,
    runs,
    steps,
    summaries,
    tags,
    tool_runs,
    tools,
    traces,
)
from agents.api.async_views import in_its_thread
from agents.api.health import Health
from agents.api.vectors import with_vectors

AGENT, BLOCK, TOOL, RUN = (rf"(?P<{kind}_id>[^/]+)" for kind in ("agent", "block", "tool", "run"))
ARCHIVE, PASSAGE, MESSAGE, STEP = (rf"(?P<{kind}_id>[^/]+)" for kind in ("archive", "passage", "message", "step"))
CONVERSATION, IDENTITY, MCP_SERVER = (rf"(?P<{kind}_id>[^/]+)" for kind in ("conversation", "identity", "mcp_server"))
FOLDER, FILE = r"(?P<folder_id>[^/]+)", r"(?P<file_id>[^/]+)"
APPROVAL = r"(?P<approval_id>[^/]+)"


def at(route: str, view: Any) -> URLPattern:
    return re_path(rf"^{route}/?$", view.as_view() if hasattr(view, "as_view") else view)


def by_method(post: Callable[..., Any], others: Any) -> Callable[..., Any]:
    """One path whose POST waits in the event loop, and whose other methods are a DRF view in a thread."""
    other_methods = in_its_thread(others)

    @csrf_exempt
    async def dispatch(request: HttpRequest, **kwargs: Any) -> Any:
        return await (post if request.method == "POST" else other_methods)(request, **kwargs)

    return dispatch


urlpatterns = [
    at("health", Health),
    at("agents", agents.Agents),
    at("agents/count", agents.AgentCount),
    at("agents/import", not_served.agent_import),
    at(rf"agents/{AGENT}", agents.OneAgent),
    at(rf"agents/{AGENT}/context", context.Context),
    at(rf"agents/{AGENT}/recompile", context.Recompile),
    at(rf"agents/{AGENT}/messages", by_method(messages.send, messages.AgentMessages)),
    at(rf"agents/{AGENT}/messages/stream", messages.stream),
    at(rf"agents/{AGENT}/messages/async", messages.send_async),
    at(rf"agents/{AGENT}/summarize", summaries.summarize),
    at(rf"agents/{AGENT}/messages/cancel", messages.Cancel),
    at(rf"agents/{AGENT}/reset-messages", agents.ResetMessages),
    at(rf"agents/{AGENT}/core-memory", context.CoreMemory),
    at(rf"agents/{AGENT}/core-memory/blocks", agents.AgentBlocks),
    at(rf"agents/{AGENT}/core-memory/blocks/attach/{BLOCK}", agents.AttachBlock),
    at(rf"agents/{AGENT}/core-memory/blocks/detach/{BLOCK}", agents.DetachBlock),
    at(rf"agents/{AGENT}/core-memory/blocks/(?P<label>.+?)", agents.AgentBlockByLabel),
    at(rf"agents/{AGENT}/tools", agents.AgentTools),
    at(rf"agents/{AGENT}/tools/attach/{TOOL}", agents.AttachTool),
    at(rf"agents/{AGENT}/tools/detach/{TOOL}", agents.DetachTool),
    at(rf"agents/{AGENT}/tools/(?P<tool_name>[^/]+)/run", tool_runs.run_of_agent),
    at(rf"agents/{AGENT}/tools/approval/(?P<tool_name>[^/]+)", tools.ToolApproval),
    at(rf"agents/{AGENT}/archives/attach/{ARCHIVE}", archives.AttachArchive),
    at(rf"agents/{AGENT}/archives/detach/{ARCHIVE}", archives.DetachArchive),
    at(rf"agents/{AGENT}/files", files.AgentFiles),
    at(rf"agents/{AGENT}/files/close-all", files.CloseAllFiles),
    at(rf"agents/{AGENT}/files/{FILE}/open", files.OpenFile),
    at(rf"agents/{AGENT}/files/{FILE}/close", files.CloseFile),
    at(rf"agents/{AGENT}/folders", folders.AgentFolders),
    at(rf"agents/{AGENT}/folders/attach/{FOLDER}", folders.AttachFolder),
    at(rf"agents/{AGENT}/folders/detach/{FOLDER}", folders.DetachFolder),
    at(rf"agents/{AGENT}/identities/attach/{IDENTITY}", identities.AttachIdentity),
    at(rf"agents/{AGENT}/identities/detach/{IDENTITY}", identities.DetachIdentity),
    at(rf"agents/{AGENT}/archival-memory", passages.AgentPassages),
    at(
        rf"agents/{AGENT}/archival-memory/search",
        with_vectors("GET", passages.wanted_by_agent, passages.AgentPassageSearch),
    ),
    at(rf"agents/{AGENT}/archival-memory/{PASSAGE}", passages.OneAgentPassage),
    at("archives", with_vectors("POST", archives.wanted_embedding, archives.Archives)),
    at(rf"archives/{ARCHIVE}", with_vectors("PATCH", archives.wanted_embedding, archives.OneArchive)),
    at(rf"archives/{ARCHIVE}/passages", archives.ArchivePassages),
    at(rf"archives/{ARCHIVE}/passages/batch", archives.ArchivePassageBatch),
    at(rf"archives/{ARCHIVE}/passages/{PASSAGE}", archives.OneArchivePassage),
    at("passages/search", with_vectors("POST", passages.wanted_by_search, passages.PassageSearch)),
    at("folders", with_vectors("POST", archives.wanted_embedding, folders.Folders)),
    at("folders/count", folders.FolderCount),
    at(rf"folders/{FOLDER}", with_vectors("PATCH", archives.wanted_embedding, folders.OneFolder)),
    at(rf"folders/{FOLDER}/agents", folders.FolderAgents),
    at(rf"folders/{FOLDER}/files", folders.FolderFiles),
    at(rf"folders/{FOLDER}/files/{FILE}", folders.OneFile),
    at(rf"folders/{FOLDER}/upload", folders.FileUpload),
    at(rf"folders/{FOLDER}/{FILE}", folders.DeleteFile),
    at("blocks", blocks.Blocks),
    at("blocks/import", blocks.Import),
    at(rf"blocks/{BLOCK}", blocks.OneBlock),
    at(rf"blocks/{BLOCK}/agents", agents.BlockAgents),
    at(rf"blocks/{BLOCK}/versions", blocks.Versions),
    at(rf"blocks/{BLOCK}/undo", blocks.Undo),
    at("tools", tools.Tools),
    at("tools/run", tool_runs.run_source),
    at("tools/search", tools.ToolSearch),
    at("tools/generate-schema", tools.GenerateSchema),
    at("tools/add-base-tools", tools.AddBaseTools),
    at(rf"tools/{TOOL}", tools.OneTool),
    at("mcp-servers", mcp_servers.servers),
    at(rf"mcp-servers/{MCP_SERVER}", mcp_servers.one_server),
    at(rf"mcp-servers/{MCP_SERVER}/refresh", mcp_servers.refresh),
    at(rf"mcp-servers/{MCP_SERVER}/tools", mcp_servers.McpTools),
    at(rf"mcp-servers/{MCP_SERVER}/tools/{TOOL}", mcp_servers.OneMcpTool),
    at(rf"mcp-servers/{MCP_SERVER}/tools/{TOOL}/run", mcp_servers.run),
    at("identities", identities.Identities),
    at("identities/count", identities.IdentityCount),
    at(rf"identities/{IDENTITY}", identities.OneIdentity),
    at(rf"identities/{IDENTITY}/properties", identities.IdentityProperties),
    at(rf"identities/{IDENTITY}/agents", agents.IdentityAgents),
    at(rf"identities/{IDENTITY}/blocks", identities.IdentityBlocks),
    at(rf"identities/{IDENTITY}/export", identity_jobs.Export),
    at(rf"identities/{IDENTITY}/erase", identity_jobs.Erase),
    at(rf"identities/{IDENTITY}/jobs", identity_jobs.Jobs),
    at(rf"identities/{IDENTITY}/jobs/(?P<job_id>[^/]+)", identity_jobs.OneJob),
    at(rf"identities/{IDENTITY}/jobs/(?P<job_id>[^/]+)/archive", identity_jobs.Archive),
    at("retention", retention.Rules),
    at("retention/purges", retention.Purges),
    at("conversations", conversations.Conversations),
    at(rf"conversations/{CONVERSATION}", conversations.OneConversation),
    at(
        rf"conversations/{CONVERSATION}/messages",
        by_method(messages.send_to_conversation, messages.ConversationMessages),
    ),
    at(rf"conversations/{CONVERSATION}/cancel", messages.CancelConversation),
    at(rf"conversations/{CONVERSATION}/fork", conversations.Fork),
    at(rf"conversations/{CONVERSATION}/recompile", conversations.RecompileConversation),
    at(rf"conversations/{CONVERSATION}/compact", summaries.compact),
    at(rf"conversations/{CONVERSATION}/stream", resuming.resume_conversation),
    at("runs", runs.Runs),
    at(rf"runs/{RUN}", runs.OneRun),
    at(rf"runs/{RUN}/messages", runs.RunMessages),
    at(rf"runs/{RUN}/steps", runs.RunSteps),
    at(rf"runs/{RUN}/usage", runs.RunUsage),
    at(rf"runs/{RUN}/stream", resuming.resume_run),
    at(rf"runs/{RUN}/metrics", runs.RunMetrics),
    at(rf"runs/{RUN}/trace", traces.RunTrace),
    at("approvals", approvals.Approvals),
    at(rf"approvals/{APPROVAL}", approvals.OneApproval),
    at("steps", steps.Steps),
    at(rf"steps/{STEP}", steps.OneStep),
    at(rf"steps/{STEP}/messages", steps.StepMessages),
    at(rf"steps/{STEP}/metrics", steps.StepMetrics),
    at(rf"steps/{STEP}/feedback", steps.StepFeedback),
    at(rf"steps/{STEP}/trace", traces.StepTrace),
    at("messages", recall.Messages),
    at("messages/search", with_vectors("POST", recall.wanted_by_search, recall.MessageSearch)),
    at(rf"messages/{MESSAGE}", recall.OneMessage),
    at("models", model_list.models),
    at("models/embedding", model_list.embedding_models),
    at("tags", tags.Tags),
    *(at(route, not_served.view(reason)) for route, reason in not_served.REASONS.items()),
]
