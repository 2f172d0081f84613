"""Tools of an app, as a deployment adds them: tests load this module by its name."""

from typing import Any

from tools.executor import ToolContext
from tools.registry import tool
from tools.spec import ToolError


@tool(effect="effect", idempotent=True, tags=["sample"], parallel=True)
def sample_echo(value: dict | None = None) -> Any:
    """Give back what was given.

    Args:
        value: Anything.
    """
    return value


@tool(effect="state")
def sample_note(context: ToolContext, text: str) -> str:
    """Write into core memory, then perhaps fail.

    Args:
        text: What to write; "refuse" and "break" fail afterwards.
    """
    context.core.append("human", text)
    if text == "refuse":
        raise ToolError("Write something else.")
    if text == "break":
        raise ValueError(f"broken in {__file__}")
    return context.effect_key
