"""Files of every kind become text, in a process that is locked in; what is wrong with one is said."""

import time
from io import BytesIO

import pytest
from pypdf import PdfReader, PdfWriter

from tests.tools.reading.documents import docx, pdf, pdf_bomb, zipped
from tools.reading import Unreadable, kind_of, process, read
from tools.reading.child import LONGEST_ANSWER
from tools.reading.texts import LONGEST, Problem, text_of

SECONDS = 30.0
PAGE = b"<html><head><title>Herons</title></head><body><article><p>%s</p></article></body></html>"


def problem(kind, data):
    with pytest.raises(Problem) as caught:
        text_of(kind, data)
    return str(caught.value)


# In the process


def test_every_kind_is_read_in_a_process_of_its_own():
    told = "The heron is grey and fishes in the shallows."
    assert read("text", b"one\r\ntwo\rthree", SECONDS) == "one\ntwo\nthree"
    assert read("pdf", pdf(told), SECONDS) == f"[page 1 of 1]\n{told}"
    assert read("docx", docx(told), SECONDS) == told
    assert told in read("html", PAGE % told.encode(), SECONDS)


def test_what_is_wrong_with_a_file_is_said():
    with pytest.raises(Unreadable, match="recognised"):
        read("pdf", pdf("", picture=True), SECONDS)


def escaping(monkeypatch, code):
    """What a reader that was taken over would get, as the text; it runs where files are read."""
    start = f"from tools.reading import child, texts; texts._READERS['text'] = lambda data: str({code}); child.main()"
    monkeypatch.setattr(process, "_START", f"import sys; sys.path.insert(0, sys.argv.pop()); {start}")
    return read("text", b"x", SECONDS)


@pytest.mark.usefixtures("jail")
@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd').read()",
        "open('/tmp/written', 'w')",
        "__import__('socket').socket()",
        "__import__('os').fork()",
        "__import__('subprocess').run(['/bin/true'])",
        "__import__('os').kill(1, 0)",
        "open('/proc/1/environ', 'rb').read()",
    ],
)
def test_whoever_takes_the_process_over_gets_nowhere(monkeypatch, code):
    with pytest.raises(Unreadable, match="PermissionError"):
        escaping(monkeypatch, code)


def test_it_has_nothing_of_the_servers_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert "secret" not in escaping(monkeypatch, "dict(__import__('os').environ)")


def test_memory_has_a_limit(monkeypatch):
    with pytest.raises(Unreadable, match="more memory"):
        escaping(monkeypatch, "len(bytearray(4_000_000_000))")


def test_what_takes_too_long_is_stopped(monkeypatch):
    began = time.monotonic()
    monkeypatch.setattr(process, "_START", "import time; time.sleep(60)")
    with pytest.raises(Unreadable, match=r"longer than 0.3 s"):
        read("text", b"x", 0.3)
    assert time.monotonic() - began < 10


def test_what_is_no_longer_wanted_is_stopped(monkeypatch):
    monkeypatch.setattr(process, "_START", "import time; time.sleep(60)")
    with pytest.raises(Unreadable, match="broken off"):
        read("text", b"x", 60, lambda: False)


def test_a_process_that_dies_is_an_unreadable_file(monkeypatch):
    with pytest.raises(Unreadable, match="came to an end over it"):
        escaping(monkeypatch, "__import__('os').abort()")


def test_an_answer_that_floods_is_cut_off(monkeypatch):
    came, told = [], process._told
    monkeypatch.setattr(process, "_told", lambda answer, code: (came.append(len(answer)), told(answer, code))[1])
    with pytest.raises(Unreadable, match="came to an end over it"):
        escaping(monkeypatch, "[__import__('os').write(1, b'x' * 10**7) for _ in range(20)]")
    assert came == [LONGEST_ANSWER]


# PDF


def test_pages_are_told_apart():
    assert text_of("pdf", pdf("one\nline", "two")) == "[page 1 of 2]\none\nline\n\n[page 2 of 2]\ntwo"


@pytest.mark.parametrize("data", [b"%PDF-1.4", b"%PDF-1.4\n" + b"\0" * 5_000])
def test_a_damaged_pdf_is_no_accident(data):
    assert "damaged" in problem("pdf", data)


def test_a_bomb_in_a_pdf_does_no_harm():
    bomb = pdf_bomb(400_000_000)
    assert len(bomb) < 1_000_000
    with pytest.raises(Unreadable):
        read("pdf", bomb, 20)


def locked(password):
    """A PDF that wants this password to be read."""
    writer = PdfWriter(clone_from=PdfReader(BytesIO(pdf("A pump moves water."))))
    writer.encrypt(password, "of its owner", algorithm="AES-256")
    packed = BytesIO()
    writer.write(packed)
    return packed.getvalue()


def test_a_password_keeps_a_pdf_from_being_read():
    assert "locked with a password" in problem("pdf", locked("secret"))


def test_a_pdf_that_anybody_may_read_is_decrypted_in_the_locked_process():
    assert "A pump moves water." in read("pdf", locked(""), SECONDS)


# docx


def test_headings_points_and_tables_of_a_document():
    made = docx("# Birds", "They fly.", "- heron", "- egret", "|name|colour|")
    assert text_of("docx", made) == "# Birds\n\nThey fly.\n\n- heron\n\n- egret\n\n| name | colour |"


def test_a_document_that_is_none():
    assert "no docx document" in problem("docx", zipped({"other.xml": b"<a/>"}))
    assert "damaged" in problem("docx", b"PK\x03\x04 and nothing")
    assert "damaged" in problem("docx", docx(xml="<w:document"))


def test_a_zip_bomb_is_not_unpacked():
    bomb = zipped({"word/document.xml": b" " * 60_000_000})
    assert len(bomb) < 100_000
    assert "Split it up" in problem("docx", bomb)


def test_entities_are_refused():
    laughs = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><a>&c;</a>'
    assert "entities" in problem("docx", docx(xml=laughs))


# Text and HTML


def test_text_of_other_encodings():
    assert text_of("text", "Straße".encode("utf-16")) == "Straße"
    assert text_of("text", b"\xef\xbb\xbfone") == "one"
    assert "not UTF-8, from byte 4 on" in problem("text", "Straße".encode("latin-1"))


@pytest.mark.parametrize("data", [b"", b" \n\t\n"])
def test_nothing_is_no_text(data):
    assert problem("text", data) == "There is no text in it. Upload one that has some."


def test_a_text_has_a_longest_length():
    assert len(text_of("text", b"x" * LONGEST)) == LONGEST
    assert "Split it up" in problem("text", b"x" * (LONGEST + 1))
    assert "web page" in problem("html", b"<p>" + b"x" * 2_000_000)


# Kinds


@pytest.mark.parametrize(
    ("name", "media_type", "data", "kind"),
    [
        ("a.md", "", b"# One", "text"),
        ("a.py", "text/x-python", b"print()", "text"),
        ("a.csv", "", b"a,b", "text"),
        ("a", "application/octet-stream", b"plain", "text"),
        ("a.txt", "", "wide".encode("utf-16"), "text"),
        ("a.html", "", b"<p>x", "html"),
        ("a.txt", "", b"<!-- x -->\n<!DOCTYPE html><p>", "html"),
        ("a.txt", "", b"<?xml version='1.0'?> <!-- < -- --><!----> <html>", "html"),
        ("a.txt", "", b"<?XML <!-- <html>", "text"),
        ("a.txt", "", b"<!---->" * 25 + b"x", "text"),
        ("a.txt", "", b"<!---->" * 1_000 + b"<html>", "html"),
        ("a.bin", "text/html", b"x", "html"),
        ("a.txt", "", b"%PDF-1.7", "pdf"),
        ("a.docx", "", b"PK\x03\x04...", "docx"),
        ("a.zip", "", b"PK\x03\x04...", None),
        ("a.xlsx", "", b"PK\x03\x04...", None),
        ("a.md", "text/markdown", b"\x89PNG\r\n\x1a\n\0\0", None),
        ("a.doc", "", b"\xd0\xcf\x11\xe0\0\0", None),
        ("empty", "", b"", "text"),
    ],
)
def test_what_a_file_is(name, media_type, data, kind):
    assert kind_of(name, media_type, data) == kind
