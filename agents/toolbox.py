"""What tools get to work with: the agent's memory and history, inside a commit or outside of one."""

import threading
import time
from dataclasses import replace

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from accounts.sealing import unseal
from agents import history
from agents.creation import attach_blocks, create_block
from agents.embedding import default_columns, embedding_of
from agents.faultpoints import faultpoint
from agents.files import Files
from agents.loop.ports import Abort
from agents.loop.step import Admitted
from agents.mail import Post
from agents.models import Agent, AgentArchive, AgentBlock, Message
from agents.models.run import effect_key
from agents.prompt import Equipped, block_texts
from agents.turns import Turn
from memory.archival import Archival, Embed
from memory.core import BlockText, CoreMemory
from memory.embeddings import Vector
from memory.models import Archive, Block
from memory.recall import Near
from tools import custom, registry
from tools.executor import ToolContext, returned, run
from tools.mcp import call as call_remote
from tools.mcp.sync import remote_name
from tools.models import Tool
from tools.sandbox import Runner
from tools.spec import ToolReturn


class CommitTools:
    """agents.ledger.StateCalls: runs calls on freshly locked blocks, inside the commit, and saves what they changed."""

    def __init__(self, turn: Turn, equipped: Equipped):
        self._turn = turn
        self._equipped = equipped
        self._agent = equipped.agent
        self._blocks: dict[str, Block] = {}
        self._core: CoreMemory | None = None

    def run(self, admitted: Admitted) -> ToolReturn:
        if self._core is None:
            self._core = self._locked()
        return _run(self._turn, self._equipped, admitted, self._core)

    def save(self) -> None:
        if self._core is None:
            return
        for before, after in self._core.edits:
            if before is None:
                assert after is not None
                self._create(after)
            elif after is None:
                # Only its own hold of it: others may have the block as well, and people may want it back.
                AgentBlock.objects.filter(agent_id=self._agent.id, block=self._blocks[before.label]).delete()
            else:
                self._update(self._blocks[before.label], after)

    def _create(self, text: BlockText) -> None:
        fields = {"label": text.label, "value": text.value, "limit": text.limit, "description": text.description}
        fields["author_id"] = self._turn.step.id
        attach_blocks(self._agent, [create_block(self._agent.organization_id, self._agent.id, **fields)])

    def _update(self, block: Block, text: BlockText) -> None:
        Block.objects.filter(id=block.id).update(
            label=text.label,
            value=text.value,
            author_id=self._turn.step.id,
            last_updated_by_id=self._agent.id,
            updated_at=timezone.now(),
        )

    def _locked(self) -> CoreMemory:
        """The blocks as they are now, in the order of their ids, so that two commits never wait for each other."""
        copies = self._turn.conversation.isolated_blocks
        attached = AgentBlock.objects.filter(agent_id=self._agent.id).exclude(block_id__in=list(copies))
        seen = Q(id__in=attached.values("block_id")) | Q(id__in=list(copies.values()))
        blocks = Block.objects.select_for_update(no_key=True).filter(seen).order_by("id")
        self._blocks = {block.label: block for block in blocks}
        texts = block_texts([vars(block) for block in self._blocks.values()])
        texts = [replace(text, is_copy=self._blocks[text.label].id in copies.values()) for text in texts]
        return CoreMemory(texts, self._is_shared, self._is_taken)

    def _is_taken(self, label: str) -> bool:
        # Of two conversations that make a block at once, the second waits here, and sees that of the first.
        Agent.objects.select_for_update(no_key=True).only("id").get(id=self._agent.id)
        known = self._blocks.values()
        return AgentBlock.objects.filter(agent_id=self._agent.id, block__label=label).exclude(block__in=known).exists()

    def _is_shared(self, label: str) -> bool:
        others = AgentBlock.objects.filter(block=self._blocks[label]).exclude(agent_id=self._agent.id)
        return others.exists()


class OutsideTools:
    """agents.loop.step.Toolbox: runs a call while no transaction is open and no connection is kept."""

    def __init__(self, turn: Turn, equipped: Equipped, sandbox: Runner, embed: Embed):
        self._turn = turn
        self._equipped = equipped
        self._sandbox = sandbox
        self._embed = embed
        self._lock = threading.Lock()
        self._running, self._since = 0, 0

    def run(self, admitted: Admitted, abort: Abort) -> ToolReturn:
        connection.close()
        self._count(1)
        faultpoint("c10")
        try:
            row = next(row for row in self._equipped.tools if row["name"] == admitted.call.name)
            if row["schema"] is None:
                core = CoreMemory(block_texts(self._equipped.blocks))
                came_back = _run(self._turn, self._equipped, admitted, core, self._sandbox, abort, self._vector)
            else:
                came_back = self._foreign(row["id"], admitted, abort)
            faultpoint("c12")
            return came_back
        finally:
            self._count(-1)
            connection.close()

    def _vector(self, handle: str, text: str) -> Vector | None:
        connection.close()
        return self._embed(handle, text)

    def _count(self, change: int) -> None:
        """Time in which several tools run counts once."""
        now = time.monotonic_ns()
        with self._lock:
            if self._running:
                self._turn.tool_ns += now - self._since
            self._running, self._since = self._running + change, now

    def _foreign(self, tool_id: str, admitted: Admitted, abort: Abort) -> ToolReturn:
        """A tool that is not of this server: an organization's own, or one of an MCP server."""
        tool = Tool.objects.select_related("mcp_server").filter(id=tool_id).first()
        connection.close()
        if tool is None:
            return _gone(admitted)
        if tool.mcp_server:
            answer = call_remote(tool.mcp_server, remote_name(tool), admitted.arguments, abort=abort)
            return returned(admitted.call, answer.status, answer.text, tool.return_char_limit)
        return custom.run(tool, admitted.arguments, admitted.call, self._sandbox, caller(self._equipped), abort)


def caller(equipped: Equipped) -> custom.Caller:
    """What a tool gets of the agent that calls it: its secrets, who it is, and a copy of its state."""
    agent = equipped.agent
    variables = unseal(agent.sealed_secrets) | {"PERDURE_AGENT_ID": agent.id, "LETTA_AGENT_ID": agent.id}
    told = ("id", "name", "description", "agent_type", "system", "model", "embedding", "timezone", "tags", "metadata")
    shown = ("id", "label", "value", "limit", "description", "read_only")
    state = {name: getattr(agent, name) for name in told}
    blocks = [{name: block[name] for name in shown} for block in equipped.blocks]
    tools = [{"id": tool["id"], "name": tool["name"]} for tool in equipped.tools]
    return custom.Caller(variables, state | {"blocks": blocks, "tools": tools})


def _gone(admitted: Admitted) -> ToolReturn:
    text = f"The tool {admitted.call.name} is no longer there."
    return ToolReturn(admitted.call.id, admitted.call.name, "error", text)


def _run(
    turn: Turn,
    equipped: Equipped,
    admitted: Admitted,
    core: CoreMemory,
    sandbox: Runner | None = None,
    abort: Abort | None = None,
    embed: Embed | None = None,
) -> ToolReturn:
    registered = registry.find(admitted.call.name)
    if registered is None:
        return _gone(admitted)
    agent = equipped.agent
    context = ToolContext(
        organization_id=turn.run.organization_id,
        agent_id=agent.id,
        conversation_id=turn.conversation.id,
        effect_key=effect_key(turn.run.id, turn.step.id, admitted.call.id),
        core=core,
        archival=Archival(
            agent.organization_id, equipped.archive_ids, lambda: default_archive(agent, agent.id), embed, agent.id
        ),
        mail=Post(turn, agent, admitted.call.id),
        files=Files(agent, embed),
        messages=Message.objects.filter(organization_id=agent.organization_id, agent_id=agent.id),
        near=_near(agent, embed) if embed else None,
        now=timezone.now(),
        sandbox=sandbox,
        abort=abort,
    )
    return run(registered, admitted.arguments, context, admitted.call, admitted.spec.return_chars)


def _near(agent: Agent, embed: Embed) -> Near | None:
    embedding = embedding_of(agent.embedding)
    own = Agent.objects.filter(organization_id=agent.organization_id, id=agent.id)
    return history.near(own, [embedding], embed) if embedding else None


def default_archive(agent: Agent, author_id: str | None = None) -> Archive:
    """The archive that an agent gets with its first passage, whichever of its conversations files it."""
    Agent.objects.select_for_update(no_key=True).only("id").get(id=agent.id)
    attached = AgentArchive.objects.filter(agent_id=agent.id).select_related("archive").order_by("id").first()
    if attached:
        return attached.archive
    archive = Archive.objects.create(
        organization_id=agent.organization_id,
        name=f"{agent.name}'s Archive",
        description="Default archive created automatically",
        created_by_id=author_id,
        last_updated_by_id=author_id,
        **default_columns(agent.embedding),
    )
    AgentArchive.objects.create(agent_id=agent.id, archive=archive)
    return archive
