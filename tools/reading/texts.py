"""One file -> its text. What is wrong with a file is a Problem, and its text is shown to whoever uploaded it.

This runs in the locked-in process alone: it believes nothing of what it reads.
"""

import codecs
import zipfile
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from xml.etree import ElementTree

LONGEST = 5_000_000
"""Characters of one file's text."""

_LARGEST_XML = 50_000_000  # bytes, unpacked
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_NO_TEXT = "There is no text in it. Upload one that has some."
_SCANNED = (
    "There is no text in this PDF: its pages are pictures, as a scanner makes them. Have their text recognised (OCR) "
    "first, and upload the result."
)


class Problem(Exception):
    """Why there is no text, and what to do about it."""


def text_of(kind: str, data: bytes) -> str:
    """Lines end in \\n alone. Raises Problem."""
    text = _READERS[kind](data).replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    if not text.strip():
        raise Problem(_NO_TEXT)
    if len(text) > LONGEST:
        raise Problem(f"Its text has {len(text):,} characters, and may have {LONGEST:,}. Split it up.")
    return text


def _plain(data: bytes) -> str:
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem(f"It is not UTF-8, from byte {error.start:,} on. Save it as UTF-8, and upload that.") from None


def _html(data: bytes) -> str:
    from tools.web.client import Response
    from tools.web.pages import LONGEST_HTML, readable

    if len(data) > LONGEST_HTML:
        raise Problem(f"A web page may have {LONGEST_HTML:,} bytes, and this one has {len(data):,}. Split it up.")
    return readable(Response("", 200, "text/html", data))


def _pdf(data: bytes) -> str:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise Problem("This PDF is locked with a password. Save it without one, and upload that.")
        pages = [page.extract_text() for page in reader.pages]
    except PyPdfError as error:
        raise Problem(f"This PDF is damaged ({error}). Save it anew, and upload the result.") from None
    if not any(page.strip() for page in pages):
        raise Problem(_SCANNED)
    return "\n\n".join(f"[page {number} of {len(pages)}]\n{page.strip()}" for number, page in enumerate(pages, 1))


def _docx(data: bytes) -> str:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive, archive.open("word/document.xml") as packed:
            xml = packed.read(_LARGEST_XML + 1)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise Problem(f"This is no docx document, or it is damaged ({error}). Save it anew with Word.") from None
    if len(xml) > _LARGEST_XML:
        raise Problem(f"Unpacked, this document has more than {_LARGEST_XML:,} bytes. Split it up.")
    if b"<!DOCTYPE" in xml:
        raise Problem("This document declares entities of its own, which Word never does. Save it anew with Word.")
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise Problem(f"This document is damaged ({error}). Save it anew with Word.") from None
    return "\n\n".join(_blocks(root))


def _blocks(parent: ElementTree.Element) -> Iterator[str]:
    """Paragraphs and tables, in their order; what holds others (sections, content controls) is looked into."""
    for element in parent:
        if element.tag == f"{_WORD}p":
            if text := _paragraph(element):
                yield text
        elif element.tag == f"{_WORD}tbl":
            rows = ["| " + " | ".join(_cells(row)) + " |" for row in element.iter(f"{_WORD}tr")]
            yield "\n".join(rows)
        else:
            yield from _blocks(element)


def _cells(row: ElementTree.Element) -> Iterator[str]:
    for cell in row.iter(f"{_WORD}tc"):
        yield " ".join(_paragraph(one) for one in cell.iter(f"{_WORD}p")).strip()


def _paragraph(element: ElementTree.Element) -> str:
    """As Markdown, as far as headings and lists go."""
    text = "".join(map(_run, element.iter())).strip()
    style = element.find(f"{_WORD}pPr/{_WORD}pStyle")
    name = (style.get(f"{_WORD}val") or "") if style is not None else ""
    if text and name.lower().startswith("heading") and name[-1:] in "123456":
        return f"{'#' * int(name[-1])} {text}"
    if text and element.find(f"{_WORD}pPr/{_WORD}numPr") is not None:
        return f"- {text}"
    return text


def _run(element: ElementTree.Element) -> str:
    if element.tag == f"{_WORD}t":
        return element.text or ""
    return {f"{_WORD}tab": "\t", f"{_WORD}br": "\n", f"{_WORD}cr": "\n"}.get(element.tag, "")


_READERS: dict[str, Callable[[bytes], str]] = {"text": _plain, "html": _html, "pdf": _pdf, "docx": _docx}
