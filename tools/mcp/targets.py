"""Where an MCP server is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tools.guard import Guard

Kind = Literal["streamable_http", "sse", "stdio"]


@dataclass(frozen=True, slots=True)
class Target:
    """An MCP server as it is reached: by URL, or by a command that is run here.

    guard     says whether this server may go there
    """

    kind: Kind
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: str = ""
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    guard: Guard = field(default_factory=Guard)
