"""Folders, their files, and which of them an agent has open."""

from agents.api.shapes.memory import block_shape
from agents.api.shapes.models import embedding_config_shape
from agents.api.shapes.values import Shape, moment
from agents.loop.directories import path_of
from agents.models import AgentFile
from memory.embeddings import NONE
from memory.files import Missing
from memory.models import Block, File, Folder


def folder_shape(folder: Folder) -> Shape:
    """With its archive. Folders have an embedding in the contract: where words have to do, it is called `none`."""
    archive = folder.archive
    handle, dimension = archive.embedding or NONE, archive.dimension or 0
    return {
        "id": folder.id,
        "name": folder.name,
        "description": folder.description,
        "instructions": folder.instructions,
        "metadata": folder.metadata,
        "embedding_config": embedding_config_shape(handle, dimension, folder.chunk_size),
        "vector_db_provider": "native",
        "created_by_id": folder.created_by_id,
        "last_updated_by_id": folder.last_updated_by_id,
        "created_at": moment(folder.created_at),
        "updated_at": moment(folder.updated_at),
    }


def file_shape(file: File, missing: Missing | None = None, content: str | None = None) -> Shape:
    missing = missing or Missing()
    return {
        "id": file.id,
        "source_id": file.folder_id,
        "folder_id": file.folder_id,
        "file_name": file.name,
        "original_file_name": file.original_name,
        "file_path": None,
        "file_type": file.media_type or None,
        "file_size": file.size,
        "file_creation_date": None,
        "file_last_modified_date": None,
        "processing_status": file.status,
        "error_message": file.error or missing.error,
        "total_chunks": file.chunks,
        "chunks_embedded": None if file.chunks is None else file.chunks - missing.count,
        "content": content,
        "created_at": moment(file.created_at),
        "updated_at": moment(file.updated_at),
    }


def agent_file_shape(row: AgentFile) -> Shape:
    """With its file and folder."""
    folder = row.file.folder
    return {
        "id": row.id,
        "file_id": row.file_id,
        "file_name": row.file.name,
        "folder_id": folder.id,
        "folder_name": folder.name,
        "is_open": row.is_open,
        "start_line": row.first_line,
        "end_line": row.last_line,
        "visible_content": row.window,
        "last_accessed_at": moment(row.accessed_at),
    }


def file_block_shape(row: AgentFile, limit: int) -> Shape:
    """An open file, as if it were a block."""
    block = Block(id="", label=path_of(row.file.folder.name, row.file.name), value=row.window or "", limit=limit)
    return block_shape(block) | {
        "id": None,
        "read_only": True,
        "file_id": row.file_id,
        "source_id": row.file.folder_id,
        "is_open": row.is_open,
        "last_accessed_at": moment(row.accessed_at),
    }
