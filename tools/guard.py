"""Where this server may go when somebody else chose the target: a model, a user, a web page, an MCP server.

`Guard.resolve` is asked once for each connection, which then goes to an address that it gave and to no name: a name
may point elsewhere the second time. What connects checks the URL first (`check_url`), follows no redirect unasked, and
takes no proxy from the environment.
"""

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

WEB_PORTS = (80, 443, 8443)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_DENIED = (
    ipaddress.ip_network("192.0.0.0/24"),  # of protocols; Python takes some of it for global
    ipaddress.ip_network("168.63.129.16/32"),  # Azure's metadata
    ipaddress.ip_network("fec0::/10"),  # site-local
)


class Forbidden(Exception):
    """This server may not go there; the text says why."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets through what is public and on the web's ports, and what an admin allows.

    allowed  "host:port", or "host" for the web's ports: exactly these names, which need not be public
    setting  the variable in which an admin allows more
    """

    allowed: tuple[str, ...] = ()
    setting: str = ""

    def resolve(self, host: str, port: int) -> list[str]:
        """The addresses to connect to. Raises Forbidden, or OSError for a name that has none."""
        self.check_port(host, port)
        found = resolve(host, port)
        if not self.allows(host, port):
            check_public(host, found, advice=f" {self._advice(host, port)}")
        return found

    def check_port(self, host: str, port: int) -> None:
        if port not in WEB_PORTS and not self.allows(host, port):
            raise Forbidden(f"Port {port} of {host} may not be reached. {self._advice(host, port)}")

    def allows(self, host: str, port: int) -> bool:
        return any(_names(entry, host, port) for entry in self.allowed)

    def _advice(self, host: str, port: int) -> str:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return f"An admin can allow it: {self.setting}={place}" if self.setting else ""


def check_url(url: str) -> SplitResult:
    """Raises ValueError, with a text that says what is wrong with the form of it."""
    if any(ord(char) <= 32 or ord(char) == 127 for char in url):
        raise ValueError("A URL has no white space and no control characters")
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError("Should begin with http:// or https://")
    if not parts.hostname:
        raise ValueError("Should name a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("A user and password do not belong into the URL")
    if parts.port == 0:
        raise ValueError("There is no port 0")
    return parts


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)


def resolve(host: str, port: int) -> list[str]:
    """Every address of the name. Raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host} is no name of a host") from error
    return [str(entry[4][0]) for entry in found]


def check_public(host: str, addresses: Iterable[str], private: Iterable[Network] = (), advice: str = "") -> None:
    """One bad address condemns all: who mixes them in is not to be trusted. `private` networks are let through."""
    permitted = tuple(private)
    for address in addresses:
        found = ipaddress.ip_address(address.split("%")[0])
        if not is_public(found) and not any(embedded(found) in network for network in permitted):
            raise Forbidden(f"{host} is no public address.{advice}")


def is_public(address: Address) -> bool:
    meant = embedded(address)
    return (
        meant.is_global
        and not (meant.is_multicast or meant.is_reserved)
        and not any(meant in network for network in _DENIED)
    )


def embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it stands for one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if any(address in network for network in _NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour or address


def _names(entry: str, host: str, port: int) -> bool:
    named = urlsplit(f"//{entry}")
    ports = WEB_PORTS if named.port is None else (named.port,)
    return named.hostname == host.lower().rstrip(".").strip("[]") and port in ports
