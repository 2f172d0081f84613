"""The secrets of an MCP server, each sealed by itself: whoever changes one need not be able to read the others.

{"auth_token" | "header:<name>" | "env:<name>": {"sealed": text, "shown": what clients see of it}}
"""

from collections.abc import Mapping

from cryptography.fernet import InvalidToken

from accounts.sealing import seal, unseal
from tools.mcp.errors import Unreachable

Sealed = dict[str, dict[str, str]]

LONG_ENOUGH = 12
"""Characters of a secret, of which four may be shown."""


HIDDEN = "…"


class OnlyTheEnd(ValueError):
    """What was shown of a secret is given back for one that is not kept: the whole is needed. Its name is the text."""


def mask(value: str) -> str:
    return f"{HIDDEN}{value[-4:]}" if len(value) >= LONG_ENOUGH else HIDDEN


def sealed(given: Mapping[str, str], before: Sealed) -> Sealed:
    """What is given, sealed. A value that is only what was shown of the one before stands for that one.

    Raises OnlyTheEnd.
    """
    return {name: _sealed(name, value, before) for name, value in given.items()}


def shown(secrets: Sealed, prefix: str) -> dict[str, str]:
    """Name (without the prefix) -> what clients see."""
    return {name.removeprefix(prefix): entry["shown"] for name, entry in secrets.items() if name.startswith(prefix)}


def opened(secrets: Sealed, prefix: str) -> dict[str, str]:
    """Name (without the prefix) -> value. Raises Unreachable where the key has changed since."""
    try:
        return {
            name.removeprefix(prefix): unseal(entry["sealed"])["value"]
            for name, entry in secrets.items()
            if name.startswith(prefix)
        }
    except InvalidToken:
        raise Unreachable(
            "The secrets of this MCP server cannot be read: the server's secret key has changed. Set them again."
        ) from None


def _sealed(name: str, value: str, before: Sealed) -> dict[str, str]:
    if value.startswith(HIDDEN):
        if name not in before or value != before[name]["shown"]:
            raise OnlyTheEnd(name.partition(":")[2] or name)
        return before[name]
    return {"sealed": seal({"value": value}), "shown": mask(value)}
