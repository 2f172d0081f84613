"""An agent with all that it was given, in one query, and the system prompt that is compiled of it."""

import hashlib
import json
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


def agent_with_belongings(place: Conversation) -> Any:
    """The agent of a conversation with `block_rows`, `tool_rows` and `folder_rows` (dicts), and `archive_ids`, each in
    the order of attaching; `counted`, what the provider has said of the conversation's last call; and `oldest_seq`, the
    first message that is still stored. Blocks that the conversation has of its own stand in the place of the agent's.
    """
    given = [json.dumps(place.isolated_blocks), place.id, place.id, FILES_LISTED + 1, place.agent_id]
    found = rows_of(_WITH_BELONGINGS, given, agent=Agent)
    if found is None:
        raise Agent.DoesNotExist(place.agent_id)
    (agent,), (blocks, tools, archive_ids, counted, oldest_seq, folders) = found
    agent.archive_ids, agent.oldest_seq = archive_ids, oldest_seq
    agent.block_rows, agent.tool_rows = json.loads(blocks or "[]"), json.loads(tools or "[]")
    agent.folder_rows = json.loads(folders or "[]")
    agent.counted = Counted(*json.loads(counted)) if counted else None
    return agent


def compiled_prompt(agent: Any, conversation: Conversation, in_context: int) -> str:
    facts = Facts(
        agent_id=agent.id,
        conversation_id="default" if conversation.is_default else conversation.id,
        compiled_at=timezone.now(),
        recalled=max(0, conversation.next_seq - (agent.oldest_seq or 2) - in_context),
        archived=Passage.objects.filter(archive_id__in=agent.archive_ids).count() if agent.archive_ids else 0,
    )
    blocks, shown = block_texts(agent.block_rows), directories(agent)
    return compile_prompt(agent.system, blocks, agent.tool_rules, style_for(agent.agent_type), facts, shown)


def directories(agent: Any) -> str:
    """The part of the prompt that shows the agent's folders and the files that are open; empty without folders."""
    open_ids = [file["id"] for folder in agent.folder_rows for file in folder["open"] or ()]
    windows = dict(AgentFile.objects.filter(id__in=open_ids).values_list("id", "window")) if open_ids else {}
    shown = [_directory(folder, windows) for folder in agent.folder_rows]
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


def prompt_fingerprint(agent: Any) -> str:
    """Changes exactly when the compiled prompt has to."""
    inputs = [agent.system, agent.agent_type, agent.tool_rules, agent.block_rows]
    if agent.folder_rows:
        inputs += [agent.folder_rows, agent.max_files_open, agent.per_file_view_window_char_limit]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def block_texts(rows: list[dict[str, Any]]) -> list[BlockText]:
    return [
        BlockText(row["label"], row["value"], row["limit"], row["description"] or "", row["read_only"]) for row in rows
    ]
