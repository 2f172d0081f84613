"""What a model is given of a web page: the readable text of HTML, and other text as it is."""

import codecs
import re

from tools.spec import ToolError
from tools.web.client import Response

LONGEST_HTML = 2_000_000
"""Characters that are looked at for text: it takes about a second and a half of processor time."""

_HTML = ("text/html", "application/xhtml+xml")
_TEXT = re.compile(r"text/.*|application/(.+\+)?(json|xml|yaml|javascript|x-ndjson)|image/svg\+xml")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_USUAL = "utf-8-sig"
# To read a megabyte by the first two takes hours.
_NOT_FOR_TEXTS = {"punycode", "idna", "undefined", "unicode-escape", "raw-unicode-escape"}
_UNSEEN = ("script", "style", "noscript", "template", "svg", "head")
_LINES = ("p", "div", "li", "tr", "br", "h1", "h2", "h3")
_APART = re.compile(r"\n\s*\n+")


def readable(page: Response) -> str:
    """Raises ToolError for what is no text."""
    kind = page.content_type.partition(";")[0].strip() or _guessed(page.body)
    if kind in _HTML:
        return _of_html(_decoded(page, look_inside=True)[:LONGEST_HTML], page.url)
    if _TEXT.fullmatch(kind):
        return _decoded(page)
    raise ToolError(f"{page.url} is {kind[:100]}, and no text. Only web pages, plain text and JSON can be read.")


def _guessed(body: bytes) -> str:
    if b"\0" in body[:4096]:
        return "application/octet-stream"
    return "text/html" if body.lstrip()[:1] == b"<" else "text/plain"


def _decoded(page: Response, look_inside: bool = False) -> str:
    named = _CHARSET.search(page.content_type)
    if named is None and look_inside:
        named = _CHARSET.search(page.body[:2048].decode("latin-1"))
    try:
        return page.body.decode(_codec(named[1]) if named else _USUAL, "replace")
    except LookupError:
        return page.body.decode(_USUAL, "replace")


def _codec(name: str) -> str:
    """What Python reads letters of this name by, if that is meant for texts."""
    known = codecs.lookup(name).name
    return _USUAL if known in _NOT_FOR_TEXTS else known


def _of_html(html: str, url: str) -> str:
    import trafilatura  # takes a second, and 40 MB: only where a page is read

    found = trafilatura.extract(
        html, url=url, output_format="markdown", include_links=True, include_tables=True, favor_recall=True
    )
    title, plain = _plain(html)
    text = found or plain
    return f"# {title}\n\n{text}" if title and title not in text[:500] else text


def _plain(html: str) -> tuple[str, str]:
    """The title, and all text that is not markup: for pages in which no article can be made out.

    By lxml, which goes through a page once. The parser of Python's own library takes the square of one that is full of
    beginnings, before its versions of late 2025.
    """
    from lxml import etree

    root = etree.fromstring(html.encode("utf-8", "replace"), etree.HTMLParser(encoding="utf-8", recover=True))
    if root is None:
        return "", ""
    title = " ".join((root.findtext(".//title") or "").split())
    etree.strip_tags(root, etree.Comment, etree.ProcessingInstruction)
    etree.strip_elements(root, *_UNSEEN, with_tail=False)
    for element in root.iter(*_LINES):
        element.tail = f"\n{element.tail or ''}"
    lines = "\n".join(line.strip() for line in "".join(root.itertext()).splitlines())
    return title, _APART.sub("\n\n", lines).strip()
