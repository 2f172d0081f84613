"""One request: where it may go, how long it may take, how much it may bring."""

import socket
import ssl
import threading
import time
from typing import Any

import pytest

from agents.loop.ports import Abort
from tests.tools.web.conftest import Server
from tools.guard import Guard
from tools.web import client
from tools.web.client import FetchError, Request, fetch


def got(site: Server, path: str, **fields: Any) -> client.Response:
    return fetch(Request(f"{site.url}{path}", **fields), site.guard)


def test_an_answer(site: Server) -> None:
    answer = got(site, "/json?q=a b".replace(" ", "%20"))
    assert (answer.status, answer.content_type, answer.body) == (200, "application/json", b'{"a": [1, 2]}')
    command, path, headers, _ = site.asked[0]
    assert (command, path, headers["Host"]) == ("GET", "/json?q=a%20b", site.place)


def test_letters_of_every_kind_in_the_path(site: Server) -> None:
    got(site, "/grün?q=ä")
    assert site.asked[0][1] == "/gr%C3%BCn?q=%C3%A4"


def test_a_body_makes_a_post(site: Server) -> None:
    got(site, "/json", body=b"ask", headers={"X-Key": "k"})
    command, _, headers, body = site.asked[0]
    assert (command, headers["X-Key"], body) == ("POST", "k", "ask")


def test_a_packed_answer_is_unpacked(site: Server) -> None:
    assert got(site, "/packed").body == b"packed text"


@pytest.mark.parametrize("path", ["/large", "/promised", "/bomb"])
def test_too_much_is_refused(site: Server, path: str) -> None:
    with pytest.raises(FetchError, match="larger than 10,000,000 bytes"):
        got(site, path)


@pytest.mark.parametrize(("path", "told"), [("/cut", "IncompleteRead"), ("/brotli", r"not asked for \(br\)")])
def test_answers_that_are_none(site: Server, path: str, told: str) -> None:
    with pytest.raises(FetchError, match=told):
        got(site, path)


class TestTime:
    def test_it_ends_in_time_though_no_wait_is_long(self, site: Server) -> None:
        started = time.monotonic()
        with pytest.raises(FetchError, match=r"longer than 0\.3 s"):
            fetch(Request(f"{site.url}/drip"), site.guard, seconds=0.3)
        assert time.monotonic() - started < 2

    def test_it_can_be_stopped(self, site: Server) -> None:
        abort = Abort()

        def press() -> None:
            site.dripping.wait(5)
            abort.press("cancelled")

        threading.Thread(target=press).start()
        with pytest.raises(FetchError, match="was stopped before"):
            fetch(Request(f"{site.url}/drip"), site.guard, abort)

    def test_one_that_was_stopped_before_does_not_begin(self, site: Server) -> None:
        abort = Abort()
        abort.press("cancelled")
        with pytest.raises(FetchError, match="was stopped before"):
            fetch(Request(f"{site.url}/text"), site.guard, abort)

    def test_a_name_that_does_not_resolve_in_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        done = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: done.wait(5) and [])
        with pytest.raises(FetchError, match=r"longer than 0\.2 s"):
            fetch(Request("http://slow.example/"), Guard(), seconds=0.2)
        done.set()


class TestWhereItMayGo:
    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "localhost", "localhost.", "0x7f000001", "127.1", "2130706433", "①②⑦.0.0.1"]
    )
    def test_not_to_private_addresses(self, site: Server, host: str) -> None:
        for port in ("", f":{site.server_port}"):
            with pytest.raises(FetchError, match=r"may not be reached|no public address|cannot be resolved"):
                fetch(Request(f"http://{host}{port}/"), Guard())
        assert site.asked == []

    @pytest.mark.parametrize("host", ["[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]"])
    def test_nor_in_the_spellings_of_ipv6(self, host: str) -> None:
        with pytest.raises(FetchError, match="no public address"):
            fetch(Request(f"http://{host}/"), Guard())

    @pytest.mark.parametrize(
        "url", ["file:///etc/passwd", "gopher://example.org/", "data:text/plain,x", "http://good@127.0.0.1/", "x"]
    )
    def test_only_by_http(self, url: str) -> None:
        with pytest.raises(FetchError, match="The URL cannot be used"):
            fetch(Request(url), Guard())

    @pytest.mark.parametrize("path", ["/\r\nHost: evil", "/a b", "/\x00"])
    def test_a_path_smuggles_no_header(self, site: Server, path: str) -> None:
        with pytest.raises(FetchError, match="no control characters"):
            got(site, path)
        assert site.asked == []

    def test_a_name_is_resolved_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Public when it is checked, the loopback when it is asked again: what was checked is connected to."""
        looked_up: list[str] = []
        real = socket.getaddrinfo

        def lookup(host: Any, *rest: Any, **named: Any) -> Any:
            if host != "rebinding.example":
                return real(host, *rest, **named)
            looked_up.append(host)
            return real("93.184.215.14" if len(looked_up) == 1 else "127.0.0.1", *rest, **named)

        connected: list[Any] = []

        def connect(place: Any, *_: Any) -> Any:
            connected.append(place)
            raise OSError("stopped by the test")

        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        monkeypatch.setattr(socket, "create_connection", connect)
        with pytest.raises(FetchError, match="stopped by the test"):
            fetch(Request("http://rebinding.example/"), Guard())
        assert (connected, len(looked_up)) == ([("93.184.215.14", 80)], 1)

    def test_proxies_of_the_environment_are_ignored(self, site: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        assert got(site, "/text").status == 200


class TestRedirects:
    def test_three_are_followed_and_no_more(self, site: Server) -> None:
        assert got(site, "/hops/3").url == f"{site.url}/text"
        with pytest.raises(FetchError, match="one redirect too many"):
            got(site, "/hops/4")

    @pytest.mark.parametrize(
        ("target", "told"),
        [
            ("http://127.0.0.1/", "no public address"),
            ("http://127.0.0.1:1/", "may not be reached"),
            ("http://localhost/", "no public address"),
            ("//169.254.169.254/latest", "no public address"),
            ("file:///etc/passwd", "Should begin with http"),
            ("gopher://example.org/", "Should begin with http"),
            ("data:text/plain,x", "Should begin with http"),
            ("http://user@127.0.0.1/", "do not belong into the URL"),
        ],
    )
    def test_each_target_is_checked_anew(self, site: Server, target: str, told: str) -> None:
        with pytest.raises(FetchError, match=told):
            got(site, f"/to?{target}")
        assert len(site.asked) == 1

    def test_a_key_stays_with_the_host_it_was_meant_for(self, site: Server) -> None:
        other = f"localhost:{site.server_port}"
        guard = Guard((site.place, other))
        fetch(Request(f"{site.url}/to?/text", {"Authorization": "Bearer k"}), guard)
        fetch(Request(f"{site.url}/to?http://{other}/text", {"Authorization": "Bearer k"}), guard)
        sent = [(headers["Host"], headers.get("Authorization")) for _, _, headers, _ in site.asked]
        assert sent == [(site.place, "Bearer k")] * 3 + [(other, None)]

    def test_never_from_https_to_http(self) -> None:
        with pytest.raises(FetchError, match="without https"):
            client._redirected(Request("https://a.example/"), "http://a.example/")

    def test_a_body_is_never_sent_on(self, site: Server) -> None:
        with pytest.raises(FetchError, match="one redirect too many"):
            got(site, "/to?/json", body=b"x", redirects=0)
        assert len(site.asked) == 1


def test_https_is_for_the_name_and_to_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate has to be that of the name, though the connection goes to an address."""
    asked: list[str] = []

    class Context:
        def wrap_socket(self, sock: socket.socket, server_hostname: str) -> socket.socket:
            asked.append(server_hostname)
            raise ssl.SSLCertVerificationError(1, "of another name")

    ours, theirs = socket.socketpair()
    monkeypatch.setattr(client, "_tls", Context)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("93.184.215.14", 443))])
    monkeypatch.setattr(socket, "create_connection", lambda *_: ours)
    with pytest.raises(FetchError, match="certificate is not valid"):
        fetch(Request("https://secure.example/"), Guard())
    theirs.close()
    assert asked == ["secure.example"]
