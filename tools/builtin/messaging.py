"""Speaking to the user."""

from tools.registry import tool


@tool(effect="state", type="letta_core", tags=["letta_core"])
def send_message(message: str) -> str:
    """Say something to the user. Nothing else that you write reaches them.

    Args:
        message: What the user is to read. Any language, any characters, emoji too.
    """
    return "Sent message successfully."
