"""What a model is given of a page."""

import time

import pytest

from tests.tools.web.conftest import ARTICLE
from tools.spec import ToolError
from tools.web.client import Response
from tools.web.pages import _plain, readable


def page(body: str | bytes, kind: str = "text/html; charset=utf-8") -> Response:
    return Response("https://birds.example/heron", 200, kind, body if isinstance(body, bytes) else body.encode())


def test_the_text_of_an_article_without_its_surroundings() -> None:
    text = readable(page(ARTICLE))
    assert text.startswith("# On herons")
    assert "It can wait" in text
    assert "[their nests](https://birds.example/nests)" in text
    for unwanted in ("Imprint", "hidden", "color", "<p>"):
        assert unwanted not in text


def test_a_page_without_an_article_is_told_all_the_same() -> None:
    html = "<title>Menu</title><script>x()</script><ul><li>Soup</ul><b>3 &euro;</b>"
    text = readable(page(html))
    assert text.startswith("# Menu")
    assert "Soup" in text
    assert "3 €" in text
    assert "x()" not in text


@pytest.mark.parametrize(
    "html",
    ["", "<", "<html>", "<div>" * 20_000 + "deep" + "</div>" * 20_000, "<p>" + "<b>x " * 20_000, "\0", "<![CDATA["],
)
def test_bad_html_is_no_error(html: str) -> None:
    assert isinstance(readable(page(html)), str)


@pytest.mark.parametrize("kind", ["application/json", "application/ld+json", "text/plain", "application/xml"])
def test_other_text_stays_as_it_is(kind: str) -> None:
    assert readable(page('{"a":  1}\n', kind)) == '{"a":  1}\n'


@pytest.mark.parametrize("kind", ["image/png", "application/pdf", "application/octet-stream", "video/mp4"])
def test_what_is_no_text_is_refused(kind: str) -> None:
    with pytest.raises(ToolError, match=f"is {kind}, and no text"):
        readable(page(b"\x00\x01", kind))


@pytest.mark.parametrize(
    ("body", "expected"), [(b"plain", "plain"), (b"<p>Hello there, reader</p>", "Hello there, reader")]
)
def test_a_page_that_does_not_say_what_it_is(body: bytes, expected: str) -> None:
    assert readable(page(body, "")) == expected


def test_one_that_seems_to_be_no_text() -> None:
    with pytest.raises(ToolError, match="octet-stream"):
        readable(page(b"\x7fELF\0\0", ""))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("grün".encode("latin-1"), "text/plain; charset=ISO-8859-1"),
        ("grün".encode(), "text/plain"),
        ("\ufeffgrün".encode(), "text/plain"),
        ("grün".encode(), "text/plain; charset=no-such-thing"),
        ('<meta charset="latin-1"><p>grün'.encode("latin-1"), "text/html"),
    ],
)
def test_its_letters(body: bytes, kind: str) -> None:
    assert readable(page(body, kind)).strip() == "grün"


@pytest.mark.parametrize("charset", ["punycode", "IDNA", "unicode_escape", "undefined", "base64"])
def test_letters_that_no_page_is_written_in(charset: str) -> None:
    text = "a" * 20_000 + "-" + "9" * 20_000 + "\\x41"
    began = time.process_time()
    assert readable(page(text, f"text/plain; charset={charset}")) == text
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "part", ["<!--", "<a ", '<a x="', "</", "<?", "<svg>", "<div>", "<b>x", "</title>", "<![CDATA["]
)
def test_beginnings_without_an_end(part: str) -> None:
    began = time.process_time()
    _plain(part * 50_000 + "text")
    assert time.process_time() - began < 1


def test_the_plain_text_of_a_page() -> None:
    html = (
        '<?xml version="1.0" encoding="latin-1"?><title>A\n &amp; B</title><style>x</style>'
        "<p>one<!-- not -->two<p>three<svg><text>no</text></svg> four<br>five"
        "<div><div>six</div></div><script>x()</script>gr\u00fcn\ud800"
    )
    assert _plain(html) == ("A & B", "onetwo\nthree four\nfive\nsix\n\ngr\u00fcn?")
