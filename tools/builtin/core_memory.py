"""Editing core memory. Most tools return the block's whole new value."""

from collections.abc import Callable
from typing import Any, Literal

from memory import patch as patches
from memory.core import CoreMemory
from tools.executor import ToolContext
from tools.registry import tool
from tools.spec import ToolError

_IN_PLACE = "It stands in your system prompt from your next step on."


@tool(effect="state", type="letta_memory_core", tags=["letta_memory_core"])
def core_memory_append(context: ToolContext, label: str, content: str) -> str:
    """Add a line at the end of a core memory block. What stands there already stays as it is.

    Args:
        label: Label of the block, for example "human" or "persona".
        content: What to add.
    """
    return context.core.append(label, content)


@tool(effect="state", type="letta_memory_core", tags=["letta_memory_core"])
def core_memory_replace(context: ToolContext, label: str, old_content: str, new_content: str) -> str:
    """Replace text in a core memory block, in every place where it stands.

    Args:
        label: Label of the block, for example "human" or "persona".
        old_content: The text to replace, exactly as the block has it.
        new_content: What to put in its place. An empty string removes the old text.
    """
    return context.core.replace_all(label, old_content, new_content)


@tool(effect="state", type="letta_sleeptime_core", tags=["letta_sleeptime_core"])
def memory_insert(context: ToolContext, label: str, new_string: str, insert_line: int = -1) -> str:
    """Insert lines at a chosen place of a core memory block.

    Args:
        label: Label of the block.
        new_string: The text to insert, without the line numbers that the block may be shown with.
        insert_line: The number of the line to insert after: 0 for the top. Left out, or -1, it is the end.
    """
    return context.core.insert(label, new_string, insert_line)


@tool(effect="state", type="letta_sleeptime_core", tags=["letta_sleeptime_core"])
def memory_replace(context: ToolContext, label: str, old_string: str, new_string: str) -> str:
    """Replace a piece of a core memory block, which has to stand there exactly once.

    Args:
        label: Label of the block.
        old_string: The text to replace, copied exactly with its spaces and line breaks, but without line numbers.
            Quote enough of it that only one place of the block matches.
        new_string: What to put in its place, without line numbers. An empty string removes the old text.
    """
    return context.core.replace_once(label, old_string, new_string)


@tool(effect="state", type="letta_sleeptime_core", tags=["letta_sleeptime_core"])
def memory_rethink(context: ToolContext, label: str, new_memory: str) -> str:
    """Write a core memory block anew as a whole. One that does not exist is created.

    For small changes take memory_replace or memory_insert, which cannot lose anything by mistake.

    Args:
        label: Label of the block.
        new_memory: All that the block is to hold, without line numbers. What is not in it is forgotten.
    """
    return context.core.rethink(label, new_memory)


@tool(effect="state", type="letta_sleeptime_core", tags=["letta_sleeptime_core"])
def memory_finish_edits() -> None:
    """Say that all edits of memory are done. Call it last."""


@tool(effect="state", type="letta_memory_core", tags=["letta_memory_core"])
def memory_apply_patch(context: ToolContext, label: str, patch: str) -> dict[str, Any]:
    """Change one or several core memory blocks by a patch, wholly or, if any part of it does not fit, not at all.

    Each line of the patch begins with a space (it stays, and shows the place), - (it goes) or + (it comes). A line
    "@@ some line" says that what follows is below that line. For several blocks, or others than `label`, put before
    the lines of each "*** Update Block: label", "*** Add Block: label" (with + only) or "*** Delete Block: label".
    "*** Move to: label" after an update gives it another label. Returns the new value of every block that it changed.

    Args:
        label: Label of the block that the patch is for, where it names no other.
        patch: The patch. Lines that stay or go are copied exactly as the block shows them, without line numbers.
    """
    return dict(patches.apply(context.core, label, patch))


@tool(effect="state", type="letta_memory_core", tags=["letta_memory_core"])
def memory(
    context: ToolContext,
    command: Literal["create", "str_replace", "insert", "delete", "rename"],
    path: str | None = None,
    file_text: str | None = None,
    description: str | None = None,
    old_string: str | None = None,
    new_string: str | None = None,
    insert_line: int | None = None,
    insert_text: str | None = None,
    old_path: str | None = None,
    new_path: str | None = None,
) -> str:
    """Create, edit, delete or rename core memory blocks. A block's path is /memories/ and its label.

    create: path, file_text, description. str_replace: path, old_string, new_string. insert: path, insert_text,
    insert_line. delete: path. rename: path, new_path.

    Args:
        command: What to do.
        path: The block, for example "/memories/human".
        file_text: What a new block holds.
        description: What a new block is for.
        old_string: The text to replace, copied exactly, without line numbers. It has to stand there exactly once.
        new_string: What to put in its place. Left out, the old text is removed.
        insert_line: The number of the line to insert after: 0 for the top. Left out, or -1, it is the end.
        insert_text: The text to insert, without line numbers.
        old_path: The block to rename; the same as path.
        new_path: The path that it is to have.
    """
    given = {
        "path": path or old_path,
        "file_text": file_text,
        "description": description,
        "old_string": old_string,
        "new_string": new_string,
        "insert_line": insert_line,
        "insert_text": insert_text,
        "new_path": new_path,
    }
    needed, work = _COMMANDS[command]
    missing = [name for name in needed if given[name] is None]
    if missing:
        raise ToolError(f"The command {command} needs {' and '.join(missing)}, too.")
    return work(context.core, given)


def _create(core: CoreMemory, given: dict[str, Any]) -> str:
    core.create(given["path"], given["file_text"] or "", given["description"])
    return f"Created memory block {core.label_of(given['path'])!r}. {_IN_PLACE}"


def _delete(core: CoreMemory, given: dict[str, Any]) -> str:
    label = core.label_of(given["path"])
    core.delete(label)
    return f"Deleted memory block {label!r}: you have it no longer."


def _rename(core: CoreMemory, given: dict[str, Any]) -> str:
    label, new_label = core.label_of(given["path"]), core.label_of(given["new_path"])
    core.rename(label, new_label)
    return f"Memory block {label!r} is {new_label!r} now. {_IN_PLACE}"


def _replace(core: CoreMemory, given: dict[str, Any]) -> str:
    return core.replace_once(given["path"], given["old_string"], given["new_string"] or "")


def _insert(core: CoreMemory, given: dict[str, Any]) -> str:
    line = given["insert_line"]
    return core.insert(given["path"], given["insert_text"], -1 if line is None else line)


_COMMANDS: dict[str, tuple[tuple[str, ...], Callable[[CoreMemory, dict[str, Any]], str]]] = {
    "create": (("path",), _create),
    "str_replace": (("path", "old_string"), _replace),
    "insert": (("path", "insert_text"), _insert),
    "delete": (("path",), _delete),
    "rename": (("path", "new_path"), _rename),
}
"""What each command must be given, and what does it."""
