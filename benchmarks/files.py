"""What large files cost: kept, read, filed, opened, searched; and what a step pays for a folder of many.

    .venv/bin/python -m benchmarks.files [--files 1000]

Everything is in one process, but for the reading of files, which has processes of its own.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.embedded import django_on
from benchmarks.step import machine
from tests.tools.reading.documents import docx, pdf

TEXT = ("The heron is grey, and fishes alone in the shallows of slow rivers. " * 10 + "\n\n") * 7_000
CHARS = 4_700_000
WORDS_ONLY: dict[str, Any] = {"embedding": None, "dimension": None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1_000)
    options = parser.parse_args()
    print(machine())
    reading()
    with tempfile.TemporaryDirectory() as folder, django_on(Path(folder)):
        keeping(options.files)


def reading() -> None:
    from tools.reading import read

    line = "The heron is grey. " * 4
    told("read a text of 5 bytes", lambda: read("text", b"heron", 60), 3)
    told("read a page of HTML", lambda: read("html", b"<html><body><p>The heron is grey.", 60), 3)
    told("read a PDF of 10 pages", lambda: read("pdf", pdf(*["\n".join([line] * 40)] * 10), 60), 3)
    told("read a PDF of 300 pages", lambda: read("pdf", pdf(*["\n".join([line] * 40)] * 300), 60), 3)
    told("read a docx of 2,000 paragraphs", lambda: read("docx", docx(*[line * 5] * 2_000), 60), 3)


def keeping(many: int) -> None:
    from accounts.models import Organization
    from agents import folders
    from agents.creation import create_agent
    from agents.files import Files
    from agents.prompt import equipped
    from memory import files
    from memory.files import Upload, keep, make_folder
    from tools import registry

    registry.load()
    owner = Organization.objects.create(name="files")
    folder = make_folder(owner.id, "Manuals", WORDS_ONLY)
    agent = create_agent(owner.id, model="demo/scripted")
    place, sees = agent.conversations.get(), Files(agent)
    told("load an agent without folders", lambda: equipped(place), 100)
    folders.attach(agent, [folder])

    def add(name: str, data: bytes, text: str) -> None:
        folders.show(keep(folder, Upload(name, name, "", "text", data), "suffix", None)[0])
        claimed = files.claim(60)
        assert claimed
        files.store(claimed, text)

    told("keep 25 MB", lambda: keep(folder, Upload("b", "b", "", "text", os.urandom(25_000_000)), "replace", None), 3)
    files.delete(list(folder.files.all()))
    told(f"file a text of {CHARS:,} characters", lambda: add("heron.md", b"x", TEXT[:CHARS]), 1)
    told("open it", lambda: sees.open([{"file_name": "heron.md"}], False), 5)
    told("grep it for what is not there", lambda: sees.grep("zebra|unicorn$", None, 1, 0), 5)
    told("grep it for what is everywhere", lambda: sees.grep("heron", None, 1, 0), 5)
    for number in range(many):
        add(f"{number:05}.md", b"x", "one\ntwo")
    told(f"load an agent with {many:,} files", lambda: equipped(place), 100)


def told(what: str, work: Callable[[], Any], times: int) -> None:
    print(f"{what:45} {statistics.median(timed(work) for _ in range(times)) * 1e3:9.1f} ms", flush=True)


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
