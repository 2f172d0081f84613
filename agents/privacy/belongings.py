"""What belongs to an identity."""

from collections.abc import Iterable

from django.db.models import QuerySet

from agents.models import AgentArchive, AgentBlock, AgentFolder, AgentIdentity, BlockIdentity, Conversation


def agents_of(identity_id: str) -> QuerySet[AgentIdentity, str]:
    return AgentIdentity.objects.filter(identity_id=identity_id).values_list("agent_id", flat=True)


def blocks_of(identity_id: str, agent_ids: Iterable[str]) -> list[str]:
    """Its own, those of the agents, and those that single conversations have in their place."""
    agent_ids = list(agent_ids)
    found = set(BlockIdentity.objects.filter(identity_id=identity_id).values_list("block_id", flat=True))
    found |= set(AgentBlock.objects.filter(agent_id__in=agent_ids).values_list("block_id", flat=True))
    isolated = Conversation.objects.filter(agent_id__in=agent_ids).exclude(isolated_blocks={})
    for blocks in isolated.values_list("isolated_blocks", flat=True):
        found |= set(blocks.values())
    return sorted(found)


def archives_of(agent_ids: Iterable[str]) -> list[str]:
    held = AgentArchive.objects.filter(agent_id__in=list(agent_ids))
    return sorted(set(held.values_list("archive_id", flat=True)))


def folders_of(agent_ids: Iterable[str]) -> list[str]:
    held = AgentFolder.objects.filter(agent_id__in=list(agent_ids))
    return sorted(set(held.values_list("folder_id", flat=True)))
