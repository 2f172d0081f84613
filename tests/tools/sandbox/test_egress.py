"""Calls that name the hosts they need reach these and nothing else."""

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.sandbox import attacks
from tools.guard import Forbidden
from tools.sandbox import Level, Refused, Sandbox, Tier, detect
from tools.sandbox.egress import Rules, networks

FETCH = "import urllib.request\ndef tool(url):\n    return urllib.request.urlopen(url, timeout=5).read().decode()"
POST = (
    "import urllib.request\ndef tool(url, body):\n    return urllib.request.urlopen(url, body.encode()).read().decode()"
)
TUNNEL = """
import http.client
def tool(host, port):
    connection = http.client.HTTPConnection("127.0.0.1", 3128, timeout=5)
    connection.set_tunnel(host, port)
    connection.request("GET", "/tunnelled")
    return connection.getresponse().read().decode()
"""


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with its request."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        answer = f"{self.command} {self.path} {body} {'Proxy-Connection' in self.headers}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    serving.join()


@pytest.fixture(scope="module")
def networked() -> Iterator[Sandbox]:
    """One that takes loopback for reachable."""
    found = detect()
    if found.level < Level.FULL:
        pytest.skip(str(found))
    with Sandbox(private_networks=["127.0.0.0/8"]) as sandbox:
        yield sandbox


def test_declared_host(networked: Sandbox, port: int) -> None:
    outcome = networked.run(FETCH, "tool", {"url": f"http://localhost:{port}/a?b=c"}, hosts=[f"localhost:{port}"])
    assert outcome.value == "GET /a?b=c  False", outcome


def test_body_goes_along(networked: Sandbox, port: int) -> None:
    arguments = {"url": f"http://localhost:{port}/", "body": "x" * 200_000}
    outcome = networked.run(POST, "tool", arguments, hosts=[f"localhost:{port}"])
    assert outcome.value == f"POST / {'x' * 200_000} False"


def test_tunnel(networked: Sandbox, port: int) -> None:
    """What HTTPS goes through."""
    outcome = networked.run(TUNNEL, "tool", {"host": "localhost", "port": port}, hosts=[f"localhost:{port}"])
    assert outcome.value == "GET /tunnelled  False", outcome


def test_other_host(networked: Sandbox, port: int) -> None:
    outcome = networked.run(FETCH, "tool", {"url": f"http://127.0.0.1:{port}/"}, hosts=["localhost"])
    assert f"403: This tool may not reach 127.0.0.1:{port}. It may reach: localhost." in str(outcome.error)


@pytest.mark.usefixtures("networked")
def test_private_address_behind_a_declared_name(port: int) -> None:
    with Sandbox() as sandbox:
        outcome = sandbox.run(FETCH, "tool", {"url": f"http://localhost:{port}/"}, hosts=[f"localhost:{port}"])
        assert "403: localhost is no public address." in str(outcome.error)
        arguments = {"host": "localhost", "port": port}
        tunnelled = sandbox.run(TUNNEL, "tool", arguments, hosts=[f"localhost:{port}"])
        assert "403 localhost is no public address." in str(tunnelled.error)


def test_no_hosts_no_proxy(networked: Sandbox, port: int) -> None:
    outcome = networked.run(FETCH, "tool", {"url": f"http://127.0.0.1:{port}/"})
    assert "Operation not permitted" in str(outcome.error)


def test_what_is_no_request(networked: Sandbox) -> None:
    source = """
import socket
def tool(text):
    connection = socket.create_connection(("127.0.0.1", 3128), 5)
    connection.sendall(text.encode())
    connection.shutdown(socket.SHUT_WR)
    return connection.recv(1000).decode().splitlines()[0]
"""
    for text in (
        "hello\r\n\r\n",
        "GET file:///etc/passwd HTTP/1.1\r\n\r\n",
        "CONNECT a@localhost:1 HTTP/1.1\r\n\r\n",
        "x",
    ):
        outcome = networked.run(source, "tool", {"text": text}, hosts=["localhost"])
        assert str(outcome.value).startswith("HTTP/1.1 502 "), outcome


@pytest.mark.parametrize("name", sorted(attacks.NETWORK.keys() - {"a stream pair, connected anew"}))
def test_network_escapes_fail_beside_the_proxy(networked: Sandbox, tmp_path: Path, name: str) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as unix,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        unix.bind(str(tmp_path / "socket"))
        abstract.bind("")
        for listener in (tcp, unix, abstract):
            listener.listen()
            listener.setblocking(False)
        targets = {
            "outside": "",
            "victim": 1,
            "tcp": tcp.getsockname()[1],
            "unix": str(tmp_path / "socket"),
            "abstract": abstract.getsockname()[1:].decode(),
        }
        outcome = networked.run(attacks.source(attacks.NETWORK[name]), "tool", targets, hosts=["example.org"])
        assert outcome.status == "error"
        for listener in (tcp, unix, abstract):
            with pytest.raises(BlockingIOError):
                listener.accept()


def test_hosts_need_namespaces() -> None:
    sandbox = Sandbox(Tier(Level.FILTERED, ("There are no namespaces.",)))
    with pytest.raises(Refused, match="There are no namespaces"):
        sandbox.run("def tool(): return 1", "tool", {}, hosts=["example.org"])


@pytest.mark.parametrize("name", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost.", "①②⑦.0.0.1"])
def test_other_spellings_of_loopback(name: str) -> None:
    with pytest.raises((Forbidden, OSError)):
        Rules((name,)).addresses(name, 80)


@pytest.mark.parametrize(
    ("rule", "host", "port", "fits"),
    [
        ("127.0.0.1", "127.0.0.1", 443, True),
        ("127.0.0.1", "127.0.0.1", 5432, False),
        ("127.0.0.1:5432", "127.0.0.1", 5432, True),
        ("127.0.0.1:5432", "127.0.0.1", 443, False),
        ("*.localhost", "localhost", 80, False),
        ("LOCALHOST", "localhost", 80, True),
        ("localhost", "evil-localhost", 80, False),
        ("*.0.0.1", "127.0.0.1", 80, True),
        ("*.0.0.1", "127.1.0.0.1.evil", 80, False),
    ],
)
def test_rules(rule: str, host: str, port: int, fits: bool) -> None:
    rules = Rules((rule,), networks(["127.0.0.0/8", "::1/128"]))
    if fits:
        assert rules.addresses(host, port)
    else:
        with pytest.raises(Forbidden, match="may not reach"):
            rules.addresses(host, port)
