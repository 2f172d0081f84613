"""Where requests may go: by address, whatever the name or its spelling."""

import ipaddress
import socket
from typing import Any

import pytest

from tools.guard import Forbidden, Guard, check_url, is_public


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    found = [(socket.AF_INET6 if ":" in address else socket.AF_INET, 1, 6, "", (address, 80)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"),
        *("100.100.100.200", "192.0.0.9", "192.0.0.192", "168.63.129.16", "255.255.255.255", "240.0.0.1", "224.0.0.1"),
        *("::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "fd00:ec2::254", "::127.0.0.1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::"),
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ],
)
def test_addresses_that_are_not_public(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    resolving(monkeypatch, address)
    with pytest.raises(Forbidden, match="is no public address"):
        Guard().resolve("innocent.example", 443)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "64:ff9b::101:101"])
def test_public_addresses(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    assert is_public(ipaddress.ip_address(address))
    resolving(monkeypatch, address)
    assert Guard().resolve("innocent.example", 443) == [address]


@pytest.mark.parametrize("mixed", [("93.184.215.14", "10.0.0.1"), ("2606:4700::1111", "127.0.0.1")])
def test_one_bad_address_condemns_all(monkeypatch: pytest.MonkeyPatch, mixed: tuple[str, ...]) -> None:
    for addresses in (mixed, mixed[::-1]):
        resolving(monkeypatch, *addresses)
        with pytest.raises(Forbidden):
            Guard().resolve("mixed.example", 80)


@pytest.mark.parametrize(
    "host",
    ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "localhost.", "①②⑦.0.0.1", "::ffff:127.0.0.1"],
)
def test_other_spellings_of_the_loopback(host: str) -> None:
    """They are not read, they are resolved."""
    with pytest.raises((Forbidden, OSError)):
        Guard().resolve(host, 80)


@pytest.mark.parametrize("port", [22, 25, 5432, 6379, 8080])
def test_other_ports_than_the_webs(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    resolving(monkeypatch, "93.184.215.14")
    with pytest.raises(Forbidden, match=f"Port {port} of example.org may not be reached"):
        Guard().resolve("example.org", port)
    assert Guard((f"example.org:{port}",)).resolve("example.org", port)


@pytest.mark.parametrize(
    ("entry", "host", "port", "is_allowed"),
    [
        ("ollama.lan:11434", "ollama.lan", 11434, True),
        ("ollama.lan:11434", "OLLAMA.lan.", 11434, True),
        ("ollama.lan:11434", "ollama.lan", 80, False),
        ("ollama.lan:11434", "other.ollama.lan", 11434, False),
        ("ollama.lan:11434", "ollama.lan.evil.example", 11434, False),
        ("127.0.0.1:8000", "localhost", 8000, False),
        ("[fd00::5]:9000", "fd00::5", 9000, True),
        ("10.0.0.5", "10.0.0.5", 443, True),
        ("10.0.0.5", "10.0.0.5", 5432, False),
    ],
)
def test_an_admin_allows_a_name_and_a_port_exactly(
    monkeypatch: pytest.MonkeyPatch, entry: str, host: str, port: int, is_allowed: bool
) -> None:
    resolving(monkeypatch, "10.0.0.5")
    guard = Guard((entry,), "SETTING")
    if is_allowed:
        assert guard.resolve(host, port) == ["10.0.0.5"]
    else:
        with pytest.raises(Forbidden, match="An admin can allow it: SETTING="):
            guard.resolve(host, port)


def test_a_name_that_is_none_is_an_error_of_the_network() -> None:
    with pytest.raises(OSError, match="is no name"):
        Guard().resolve("x" * 300, 80)


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "gopher://example.org/", "data:text/plain,x", "ftp://example.org/", "javascript:1"),
        *("//example.org/", "http://", "http:///x", "http://good@127.0.0.1/", "http://a:b@example.org/"),
        *("http://example.org/\r\nHost: evil", "http://example.org/ x", "http://example.org:0/", "\thttp://a/"),
        *("http://example.org:99999/", "http://[::1/"),
    ],
)
def test_urls_that_are_refused_as_they_stand(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        check_url(url)


def test_the_text_of_a_url_tells_nothing_of_where_it_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(host: str, *_: Any, **__: Any) -> Any:
        assert host == "metadata.google.internal"
        return [(socket.AF_INET, 1, 6, "", ("169.254.169.254", 80))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    check_url("http://metadata.google.internal/")
    with pytest.raises(Forbidden):
        Guard().resolve("metadata.google.internal", 80)
