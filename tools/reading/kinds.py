"""What kind of file it is, told by its first bytes and its name: what a client says of it is a hint at most."""

import codecs
import re
from pathlib import PurePath
from typing import Literal

Kind = Literal["text", "html", "pdf", "docx"]

READABLE = "text of any sort (plain, Markdown, code, CSV, JSON ...), HTML, PDF and docx"

_LOOKED_AT = 8_192
_HTML_NAMES = (".html", ".htm", ".xhtml")
_HTML_TYPES = ("text/html", "application/xhtml+xml")
_HTML = re.compile(rb"<(!doctype\s+html|html)\b", re.IGNORECASE)
_DOCX_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_ZIP = b"PK\x03\x04"
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def kind_of(name: str, media_type: str, data: bytes) -> Kind | None:
    """None for what is no text, and of no kind that text is made of here. `data`: the beginning is enough."""
    head, ending = data[:_LOOKED_AT], PurePath(name).suffix.lower()
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith(_ZIP):
        return "docx" if ending == ".docx" or media_type == _DOCX_TYPE else None
    if b"\0" in head and not head.startswith(_WIDE):
        return None
    if ending in _HTML_NAMES or media_type in _HTML_TYPES or _HTML.match(_behind_comments(head)):
        return "html"
    return "text"


def _behind_comments(head: bytes) -> bytes:
    """Step by step: one expression for several comments tries every way to take some of them for one."""
    rest = head.lstrip()
    if rest[:5].lower() == b"<?xml":
        rest = rest.partition(b">")[2].lstrip()
    while rest.startswith(b"<!--"):
        rest = rest[4:].partition(b"-->")[2].lstrip()
    return rest
