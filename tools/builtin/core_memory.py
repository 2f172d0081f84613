"""Editing core memory. Each tool returns the block's whole new value."""

from tools.executor import ToolContext
from tools.registry import tool


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
