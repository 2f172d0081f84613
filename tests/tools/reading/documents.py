"""Files that tests make: PDFs and docx documents, by hand."""

import zipfile
import zlib
from collections.abc import Sequence
from io import BytesIO
from xml.sax.saxutils import escape

_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def pdf(*pages: str, picture: bool = False) -> bytes:
    """A page for each text; a picture has none."""
    contents = [b"0 0 100 100 re f" if picture else _shown(page) for page in pages]
    first = 4
    kids = " ".join(f"{first + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, content in enumerate(contents):
        place = first + 2 * number
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> "
            + f"/Contents {place + 1} 0 R >>".encode()
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n".encode() + content + b"\nendstream")
    return _with_table(objects)


def pdf_bomb(size: int) -> bytes:
    """A page whose packed content is so many bytes long, unpacked."""
    packed = zlib.compress(b"(x) Tj " * (size // 7), 9)
    stream = f"<< /Length {len(packed)} /Filter /FlateDecode >>\nstream\n".encode() + packed + b"\nendstream"
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Resources << >> /Contents 4 0 R >>"
    pages = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
    return _with_table([b"<< /Type /Catalog /Pages 2 0 R >>", pages, page, stream])


def docx(*paragraphs: str, xml: str | None = None) -> bytes:
    """`# ` makes a heading, `- ` a point, `|` a row of a table."""
    body = xml or f'<w:document xmlns:w="{_WORD}"><w:body>{"".join(map(_paragraph, paragraphs))}</w:body></w:document>'
    return zipped({"[Content_Types].xml": b"<Types/>", "word/document.xml": body.encode()})


def zipped(files: dict[str, bytes]) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def _shown(text: str) -> bytes:
    lines = [f"({line}) Tj 0 -14 Td" for line in text.split("\n")]
    return "\n".join(["BT /F1 12 Tf 50 800 Td", *lines, "ET"]).encode("latin-1")


def _with_table(objects: Sequence[bytes]) -> bytes:
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def _paragraph(text: str) -> str:
    if text.startswith("|"):
        cells = [f"<w:tc>{_text(cell.strip())}</w:tc>" for cell in text.strip("|").split("|")]
        return f"<w:tbl><w:tr>{''.join(cells)}</w:tr></w:tbl>"
    if text.startswith("# "):
        return _text(text[2:], '<w:pStyle w:val="Heading1"/>')
    if text.startswith("- "):
        return _text(text[2:], '<w:numPr><w:ilvl w:val="0"/></w:numPr>')
    return _text(text)


def _text(text: str, style: str = "") -> str:
    properties = f"<w:pPr>{style}</w:pPr>" if style else ""
    return f"<w:p>{properties}<w:r><w:t>{escape(text)}</w:t></w:r></w:p>"
