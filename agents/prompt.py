"""An agent with all that it was given, in one query, and the system prompt that is compiled of it."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from agents.loop.context import Facts, compile_prompt
from agents.loop.directories import Directory, FileLine, Room
from agents.loop.directories import Window as FileWindow
from agents.loop.directories import render as render_directories
from agents.loop.style import style_for
from agents.loop.tokens import Counted
from agents.models import Agent, AgentFile, Conversation
from agents.statements import rows_of
from memory.core import BlockText
from memory.models import Passage

FILES_LISTED = 100
"""Of each folder, in the system prompt, beside those that are open."""

# Written out, because every step runs it, and composing it from expressions would cost more than running it.
_WITH_BELONGINGS = """
SELECT {agent},
       (SELECT jsonb_agg(jsonb_build_object(
                    'id', block.id, 'label', block.label, 'value', block.value, 'limit', block."limit",
                    'description', block.description, 'read_only', block.read_only, 'version', block.version)
                    ORDER BY attached.id)
          FROM agents_agentblock AS attached
          JOIN memory_block AS block ON block.id = COALESCE(%s::jsonb ->> attached.block_id, attached.block_id)
         WHERE attached.agent_id = agent.id) AS block_rows,
       (SELECT jsonb_agg(jsonb_build_object(
                    'id', tool.id, 'name', tool.name, 'return_chars', tool.return_char_limit,
                    'schema', CASE WHEN COALESCE(tool.source_code, tool.mcp_server_id) IS NOT NULL
                                   THEN tool.json_schema END,
                    'metadata', tool.metadata, 'parallel', tool.enable_parallel_execution)
                    ORDER BY attached.id)
          FROM agents_agenttool AS attached JOIN tools_tool AS tool ON tool.id = attached.tool_id
         WHERE attached.agent_id = agent.id) AS tool_rows,
       ARRAY(SELECT archive_id FROM agents_agentarchive WHERE agent_id = agent.id ORDER BY id) AS archive_ids,
       (SELECT jsonb_build_array(step.model, step.prompt_tokens, step.estimated_tokens)
          FROM agents_step AS step
         WHERE step.id = (SELECT step_id FROM agents_message
                           WHERE conversation_id = %s AND role = 'assistant' ORDER BY seq DESC LIMIT 1)) AS counted,
       (SELECT min(seq) FROM agents_message WHERE conversation_id = %s AND seq > 1) AS oldest_seq,
       (SELECT jsonb_agg(jsonb_build_object(
                    'name', folder.name, 'description', folder.description, 'instructions', folder.instructions,
                    'files', (SELECT jsonb_agg(jsonb_build_array(listed.name, listed.lines) ORDER BY listed.name)
                                FROM (SELECT name, lines FROM memory_file
                                       WHERE folder_id = folder.id AND lines IS NOT NULL
                                       ORDER BY name LIMIT %s) AS listed),
                    'open', (SELECT jsonb_agg(jsonb_build_object(
                                        'name', file.name, 'lines', file.lines, 'id', seen.id,
                                        'first', seen.first_line, 'last', seen.last_line,
                                        'bytes', octet_length(seen.window))
                                        ORDER BY file.name)
                               FROM agents_agentfile AS seen JOIN memory_file AS file ON file.id = seen.file_id
                              WHERE seen.agent_id = agent.id AND seen.is_open AND file.folder_id = folder.id))
                    ORDER BY attached.id)
          FROM agents_agentfolder AS attached JOIN memory_folder AS folder ON folder.id = attached.folder_id
         WHERE attached.agent_id = agent.id) AS folder_rows
  FROM agents_agent AS agent WHERE agent.id = %s
"""


@dataclass(frozen=True, slots=True)
class Equipped:
    """An agent with all that it was given, each kind in the order of attaching.

    blocks      [{id, label, value, limit, description, read_only, version}]; those that the conversation has of its own
                stand in the place of the agent's
    tools       [{id, name, return_chars, schema, metadata, parallel}]
    folders     [{name, description, instructions, files, open}]
    counted     what the provider has said of the conversation's last call
    oldest_seq  the first message of the conversation that is still stored
    """

    agent: Agent
    blocks: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    archive_ids: list[str]
    folders: list[dict[str, Any]]
    counted: Counted | None
    oldest_seq: int | None


def equipped(place: Conversation) -> Equipped:
    """The agent of a conversation, as it is there."""
    given = [json.dumps(place.isolated_blocks), place.id, place.id, FILES_LISTED + 1, place.agent_id]
    found = rows_of(_WITH_BELONGINGS, given, agent=Agent)
    if found is None:
        raise Agent.DoesNotExist(place.agent_id)
    (agent,), (blocks, tools, archive_ids, counted, oldest_seq, folders) = found
    return Equipped(
        agent,
        blocks=json.loads(blocks or "[]"),
        tools=json.loads(tools or "[]"),
        archive_ids=archive_ids,
        folders=json.loads(folders or "[]"),
        counted=Counted(*json.loads(counted)) if counted else None,
        oldest_seq=oldest_seq,
    )


def compiled_prompt(equipped: Equipped, conversation: Conversation, in_context: int) -> str:
    agent, archive_ids = equipped.agent, equipped.archive_ids
    facts = Facts(
        agent_id=agent.id,
        conversation_id="default" if conversation.is_default else conversation.id,
        compiled_at=timezone.now(),
        recalled=max(0, conversation.next_seq - (equipped.oldest_seq or 2) - in_context),
        archived=Passage.objects.filter(archive_id__in=archive_ids).count() if archive_ids else 0,
    )
    blocks, shown = block_texts(equipped.blocks), directories(equipped)
    return compile_prompt(agent.system, blocks, agent.tool_rules, style_for(agent.agent_type), facts, shown)


def directories(equipped: Equipped) -> str:
    """The part of the prompt that shows the agent's folders and the files that are open; empty without folders."""
    open_ids = [file["id"] for folder in equipped.folders for file in folder["open"] or ()]
    windows = dict(AgentFile.objects.filter(id__in=open_ids).values_list("id", "window")) if open_ids else {}
    shown, agent = [_directory(folder, windows) for folder in equipped.folders], equipped.agent
    return render_directories(shown, Room(agent.max_files_open, agent.per_file_view_window_char_limit))


def _directory(folder: dict[str, Any], windows: dict[str, str | None]) -> Directory:
    listed = folder["files"] or []
    files = {name: FileLine(name, lines) for name, lines in listed[:FILES_LISTED]}
    for file in folder["open"] or ():
        window = FileWindow(file["first"], file["last"], windows.get(file["id"]) or "")
        files[file["name"]] = FileLine(file["name"], file["lines"], window)
    return Directory(
        folder["name"],
        folder["description"] or "",
        folder["instructions"] or "",
        sorted(files.values(), key=lambda file: file.name),
        has_more=len(listed) > FILES_LISTED,
    )


def prompt_fingerprint(equipped: Equipped) -> str:
    """Changes exactly when the compiled prompt has to."""
    agent = equipped.agent
    inputs = [agent.system, agent.agent_type, agent.tool_rules, equipped.blocks]
    if equipped.folders:
        inputs += [equipped.folders, agent.max_files_open, agent.per_file_view_window_char_limit]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def block_texts(rows: list[dict[str, Any]]) -> list[BlockText]:
    return [
        BlockText(row["label"], row["value"], row["limit"], row["description"] or "", row["read_only"]) for row in rows
    ]
