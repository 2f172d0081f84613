"""Folders are attached to agents and detached: with them come rows for their files, and the tools that read files."""

from collections.abc import Sequence

from django.db import connection, transaction

from agents.creation import attach_tools
from agents.models import Agent, AgentFile, AgentFolder, AgentTool
from memory import files
from memory.models import File, Folder
from tools import catalog

FILE_TOOLS = ("open_files", "grep_files", "semantic_search_files")

# The rows of an agent for all files of folders, and those of all agents for one file.
_SHOW = """
INSERT INTO agents_agentfile (id, agent_id, file_id, is_open, created_at)
SELECT 'file_agent-' || gen_random_uuid(), held.agent_id, file.id, FALSE, file.created_at
  FROM agents_agentfolder AS held JOIN memory_file AS file ON file.folder_id = held.folder_id
 WHERE {which}
    ON CONFLICT (agent_id, file_id) DO NOTHING
"""
_TO_AGENT = _SHOW.format(which="held.agent_id = %s AND held.folder_id = ANY(%s)")
_FILE = _SHOW.format(which="file.id = %s")


@transaction.atomic
def attach(agent: Agent, folders: Sequence[Folder]) -> None:
    if not folders:
        return
    for folder in sorted(folders, key=lambda folder: folder.id):
        files.hold(folder)
    rows = [AgentFolder(agent=agent, folder=folder) for folder in folders]
    AgentFolder.objects.bulk_create(rows, ignore_conflicts=True)
    with connection.cursor() as cursor:
        cursor.execute(_TO_AGENT, [agent.id, [folder.id for folder in folders]])
    has = set(agent.tools.filter(name__in=FILE_TOOLS).values_list("name", flat=True))
    missing = [name for name in FILE_TOOLS if name not in has]
    attach_tools(agent, catalog.named(agent.organization_id, missing))


def show(file: File) -> None:
    """To all agents that have its folder, which is held meanwhile: memory/files.py."""
    with connection.cursor() as cursor:
        cursor.execute(_FILE, [file.id])


@transaction.atomic
def detach(agent: Agent, folders: Sequence[Folder]) -> None:
    AgentFolder.objects.filter(agent=agent, folder__in=folders).delete()
    AgentFile.objects.filter(agent=agent, file__folder__in=folders).delete()
    _without_folders([agent.id])


@transaction.atomic
def delete(folder: Folder) -> None:
    holders = list(AgentFolder.objects.filter(folder=folder).values_list("agent_id", flat=True))
    files.delete_folder(folder)
    _without_folders(holders)


def _without_folders(agent_ids: Sequence[str]) -> None:
    """Who has no folder left has nothing to read: the tools go. An organization's own of these names stay."""
    tools = AgentTool.objects.filter(agent_id__in=agent_ids, tool__name__in=FILE_TOOLS)
    tools.filter(tool__tool_type="letta_files_core", agent__folders=None).delete()
