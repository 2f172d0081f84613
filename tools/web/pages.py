"""What a model is given of a web page: the readable text of HTML, and other text as it is."""

import re
from html.parser import HTMLParser

from tools.spec import ToolError
from tools.web.client import Response

LONGEST_HTML = 2_000_000
"""Characters that are looked at for text: it takes about a second and a half of processor time."""

_HTML = ("text/html", "application/xhtml+xml")
_TEXT = re.compile(r"text/.*|application/(.+\+)?(json|xml|yaml|javascript|x-ndjson)|image/svg\+xml")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_UNSEEN = {"script", "style", "noscript", "template", "svg", "head"}
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
        return page.body.decode(named[1] if named else "utf-8-sig", "replace")
    except LookupError:
        return page.body.decode("utf-8-sig", "replace")


def _of_html(html: str, url: str) -> str:
    import trafilatura  # takes a second, and 40 MB: only where a page is read

    found = trafilatura.extract(
        html, url=url, output_format="markdown", include_links=True, include_tables=True, favor_recall=True
    )
    plain = _Plain(html)
    text = found or plain.text
    return f"# {plain.title}\n\n{text}" if plain.title and plain.title not in text[:500] else text


class _Plain(HTMLParser):
    """The title, and all text that is not markup: for pages in which no article can be made out."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self._title: list[str] = []
        self._parts: list[str] = []
        self._inside: list[str] = []
        self.feed(html)
        self.close()

    @property
    def title(self) -> str:
        return " ".join("".join(self._title).split())

    @property
    def text(self) -> str:
        lines = "\n".join(line.strip() for line in "".join(self._parts).splitlines())
        return _APART.sub("\n\n", lines).strip()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in _UNSEEN or tag == "title":
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            del self._inside[self._inside.index(tag) :]
        elif tag in ("p", "div", "li", "tr", "br", "h1", "h2", "h3"):
            self._parts.append("\n")

    def handle_data(self, data: str) -> None:
        if "title" in self._inside:
            self._title.append(data)
        elif not self._inside:
            self._parts.append(data)
