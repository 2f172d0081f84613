"""Blocks and their versions, archives and passages."""

from collections.abc import Sequence

from agents.api.shapes.models import embedding_config_shape
from agents.api.shapes.values import Shape, moment
from agents.models import Agent
from memory.models import Archive, Block, BlockVersion, Passage

BLOCK_ORIGIN = (
    "project_id",
    "template_name",
    "is_template",
    "template_id",
    "base_template_id",
    "deployment_id",
    "entity_id",
    "preserve_on_migration",
)


def block_shape(block: Block) -> Shape:
    origin = {"is_template": False, "preserve_on_migration": False} | block.labels_of_origin
    return {
        "id": block.id,
        "value": block.value,
        "limit": block.limit,
        "label": block.label,
        "read_only": block.read_only,
        "description": block.description,
        "metadata": block.metadata,
        "hidden": block.hidden,
        "tags": block.tags,
        "created_by_id": block.created_by_id,
        "last_updated_by_id": block.last_updated_by_id,
    } | {name: origin.get(name) for name in BLOCK_ORIGIN}


def version_shape(version: BlockVersion, diff: str | None) -> Shape:
    return {
        "id": version.id,
        "block_id": version.block_id,
        "number": version.number,
        "value": version.value,
        "diff": diff,
        "author_kind": version.author_kind,
        "author_id": version.author_id,
        "created_at": moment(version.created_at),
    }


def memory_shape(agent: Agent, blocks: Sequence[Shape], file_blocks: Sequence[Shape] = ()) -> Shape:
    return {
        "agent_type": agent.agent_type,
        "git_enabled": False,
        "blocks": list(blocks),
        "file_blocks": list(file_blocks),
        "prompt_template": "",
    }


def archive_shape(archive: Archive) -> Shape:
    return {
        "id": archive.id,
        "organization_id": archive.organization_id,
        "name": archive.name,
        "description": archive.description,
        "vector_db_provider": "native",
        "embedding": archive.embedding,
        "embedding_config": embedding_config_shape(archive.embedding, archive.dimension),
        "coming_embedding": archive.coming_embedding,
        "metadata": archive.metadata,
        "created_by_id": archive.created_by_id,
        "last_updated_by_id": archive.last_updated_by_id,
        "created_at": moment(archive.created_at),
        "updated_at": moment(archive.updated_at),
    }


def passage_shape(passage: Passage) -> Shape:
    return {
        "id": passage.id,
        "text": passage.text,
        "embedding": None,
        "embedding_config": None,
        "archive_id": passage.archive_id,
        "created_at": moment(passage.created_at),
        "updated_at": moment(passage.created_at),
        "created_by_id": passage.created_by_id,
        "last_updated_by_id": passage.created_by_id,
        "file_id": None,
        "file_name": None,
        "source_id": None,
        "is_deleted": False,
        "metadata": passage.metadata,
        "tags": passage.tags,
    }
