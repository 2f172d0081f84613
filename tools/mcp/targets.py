"""Where an MCP server is, and whether this server may go there. Pure: names are resolved elsewhere, once."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from tools.mcp.errors import Forbidden
from tools.sandbox.addresses import is_public

Kind = Literal["streamable_http", "sse", "stdio"]

WEB_PORTS = (80, 443, 8443)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """An MCP server as it is reached: by URL, or by a command that is run here.

    private   hosts that may be reached though they are not public, or on other ports than the web's: "host[:port]"
    """

    kind: Kind
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: str = ""
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    private: Sequence[str] = ()


def check_url(url: str) -> None:
    """Raises ValueError, with a text that says what is wrong with the form of it."""
    if any(ord(char) <= 32 or ord(char) == 127 for char in url):
        raise ValueError("A URL has no white space and no control characters")
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError("Should begin with http:// or https://")
    if not parts.hostname:
        raise ValueError("Should name a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("A user and password do not belong into the URL; use auth_token or custom_headers")
    if parts.port == 0:
        raise ValueError("There is no port 0")


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)


def check_port(host: str, port: int, private: Iterable[str]) -> None:
    """Raises Forbidden."""
    if port not in WEB_PORTS and not is_private(host, port, private):
        raise Forbidden(
            f"Port {port} of {host} may not be reached. An admin can allow it: PERDURE_MCP_PRIVATE_HOSTS={host}:{port}"
        )


def check_addresses(host: str, port: int, addresses: Iterable[str], private: Iterable[str]) -> None:
    """Raises Forbidden. One bad address condemns all: who mixes them in is not to be trusted."""
    if is_private(host, port, private):
        return
    if not all(is_public(ipaddress.ip_address(address.split("%")[0])) for address in addresses):
        raise Forbidden(f"{host} is no public address. An admin can allow it: PERDURE_MCP_PRIVATE_HOSTS={host}:{port}")


def is_private(host: str, port: int, private: Iterable[str]) -> bool:
    """Whether an entry "host" (for the web's ports) or "host:port" names it; no wildcards."""
    return any(_names(entry, host, port) for entry in private)


def _names(entry: str, host: str, port: int) -> bool:
    named = urlsplit(f"//{entry}")
    ports = WEB_PORTS if named.port is None else (named.port,)
    return named.hostname == host.lower().rstrip(".").strip("[]") and port in ports
