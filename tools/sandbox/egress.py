"""The only way out of a call that names its hosts: an HTTP proxy in the server, on a socket in the call's own network.

It takes CONNECT (for HTTPS) and plain requests. Names are resolved here, once, and what they resolve to must be public:
a tool must not reach the database, the cloud's metadata or the neighbours by a name that points there.
"""

import ipaddress
import select
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from tools.guard import Forbidden, Network, check_public, resolve

_LONGEST_HEAD = 32 * 1024
_CHUNK = 1 << 16
_CONNECTS_WITHIN = 10.0
_IDLE_AT_MOST = 300.0
_CONNECTIONS = 32
_WEB_PORTS = (80, 443)
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Rules:
    """`hosts`: "name", "*.name" (its subdomains) or "name:port"; without a port, the web's two. `private`: networks
    that may be reached though they are not public."""

    hosts: tuple[str, ...]
    private: tuple[Network, ...] = ()

    def addresses(self, host: str, port: int) -> list[str]:
        """What to connect to. Raises Forbidden, or OSError where the name does not resolve."""
        if not any(_matches(rule.lower(), host.lower(), port) for rule in self.hosts):
            raise Forbidden(f"This tool may not reach {host}:{port}. It may reach: {', '.join(self.hosts)}.")
        found = resolve(host, port)
        check_public(host, found, self.private)
        return found


def _matches(rule: str, host: str, port: int) -> bool:
    name, colon, number = rule.partition(":")
    if port not in _WEB_PORTS if not colon else number != str(port):
        return False
    return host.endswith(name[1:]) if name.startswith("*.") else host == name


class Egress:
    """Serves one call, from threads of its own, until `close`."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False

    def serve(self, listener: socket.socket) -> None:
        """Takes over the socket."""
        if self._keep(listener):
            threading.Thread(target=self._accept, args=(listener,), daemon=True, name="sandbox-egress").start()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for it; that one closes it

    def _keep(self, one: socket.socket) -> bool:
        """False, and it is closed, where there are too many or the call is over."""
        with self._lock:
            if not self._closed and len(self._open) < 2 * _CONNECTIONS:
                self._open.add(one)
                return True
        one.close()
        return False

    def _drop(self, one: socket.socket) -> None:
        with self._lock:
            self._open.discard(one)
        one.close()

    def _accept(self, listener: socket.socket) -> None:
        try:
            while not self._closed:
                client, _ = listener.accept()
                if self._keep(client):
                    threading.Thread(target=self._serve, args=(client,), daemon=True, name="sandbox-egress").start()
        except OSError:
            pass
        finally:
            self._drop(listener)

    def _serve(self, client: socket.socket) -> None:
        try:
            client.settimeout(_CONNECTS_WITHIN)
            self._forward(client)
        except Forbidden as error:
            _answer(client, 403, str(error))
        except (OSError, ValueError) as error:
            _answer(client, 502, str(error))
        finally:
            self._drop(client)

    def _forward(self, client: socket.socket) -> None:
        line, rest = _head(client)
        method, target, _ = line.split(" ", 2)
        tunnel = method == "CONNECT"
        url = urlsplit(f"//{target}" if tunnel else target)
        if not url.hostname or "@" in url.netloc or (not tunnel and url.scheme != "http"):
            raise ValueError("This proxy takes CONNECT, and requests for http:// addresses.")
        upstream = _connected(self._rules, url.hostname, url.port or (443 if tunnel else 80))
        if not self._keep(upstream):
            return
        try:
            for one in (client, upstream):
                one.settimeout(_IDLE_AT_MOST)
            if tunnel:
                client.sendall(_ESTABLISHED)
            else:
                path = f"{url.path or '/'}{'?' + url.query if url.query else ''}"
                upstream.sendall(f"{method} {path} HTTP/1.1\r\n".encode("latin-1") + _closing(rest))
            _relay(client, upstream)
        finally:
            self._drop(upstream)


def _head(client: socket.socket) -> tuple[str, bytes]:
    """The request's first line, and all that was read behind it."""
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = client.recv(_CHUNK)
        if not chunk or len(head) > _LONGEST_HEAD:
            raise ValueError("This is no HTTP request.")
        head += chunk
    line, _, rest = head.partition(b"\r\n")
    return line.decode("latin-1"), rest


def _closing(rest: bytes) -> bytes:
    """One request for each connection: a second one might be meant for another host."""
    headers, separator, body = rest.partition(b"\r\n\r\n")
    kept = [line for line in headers.split(b"\r\n") if not line.lower().startswith((b"proxy-", b"connection:"))]
    return b"\r\n".join([*kept, b"Connection: close"]) + separator + body


def _connected(rules: Rules, host: str, port: int) -> socket.socket:
    """By address: the name is not resolved a second time, when it might point elsewhere."""
    problem: OSError | None = None
    for address in rules.addresses(host, port):
        try:
            return socket.create_connection((address, port), _CONNECTS_WITHIN)
        except OSError as error:
            problem = error
    raise problem or OSError(f"{host} has no address.")


def _relay(client: socket.socket, upstream: socket.socket) -> None:
    """Both ways, until one side ends its half and the other has answered, or nothing comes any more."""
    poll = select.poll()
    other = {client.fileno(): (client, upstream), upstream.fileno(): (upstream, client)}
    for descriptor in other:
        poll.register(descriptor, select.POLLIN)
    while other and (ready := poll.poll(_IDLE_AT_MOST * 1000)):
        for descriptor, _ in ready:
            source, target = other[descriptor]
            chunk = source.recv(_CHUNK)
            if chunk:
                target.sendall(chunk)
                continue
            poll.unregister(descriptor)
            del other[descriptor]
            with suppress(OSError):
                target.shutdown(socket.SHUT_WR)


def _answer(client: socket.socket, status: int, text: str) -> None:
    """The text stands in the first line, because that is what HTTP clients show of a proxy's refusal."""
    phrase = " ".join(text.split()).encode("ascii", "replace")
    with suppress(OSError):
        client.sendall(b"HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % (status, phrase))


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)
