"""kill -9 of a worker wherever it stands in the reading of a file: another one reads it, and its passages come once."""

import signal
from typing import Any

import pytest

from tests.live import Server, wait_until

EMBEDDING = "openai/text-embedding-3-small"
TEXT = "\n\n".join(f"Paragraph {number} tells of pump {number}. " + "It is long. " * 20 for number in range(40))


def folder(server: Server) -> str:
    [(count,)] = server.sql("SELECT count(*) FROM memory_folder")
    return server.client().folders.create(name=f"Manuals {count}", embedding=EMBEDDING).id


def upload(server: Server, place: str, data: bytes = TEXT.encode()) -> str:
    return server.client().folders.files.upload(place, file=("pump.md", data)).id


def state(server: Server, file: str) -> tuple[Any, ...]:
    return server.sql("SELECT status, claims FROM memory_file WHERE id = %s", file)[0]


def is_whole(server: Server, place: str, file: str) -> bool:
    """Completed, with every passage once, and a vector for each."""
    wait_until(lambda: state(server, file)[0] == "completed", what="the file is read")
    told = server.client().folders.files.retrieve(file, folder_id=place, include_content=True)
    [(passages, texts)] = server.sql(
        "SELECT count(*), count(DISTINCT text) FROM memory_passage WHERE file_id = %s", file
    )
    [(vectors,)] = server.sql(
        "SELECT count(*) FROM memory_vector AS v JOIN memory_passage AS p ON p.id = v.passage_id WHERE p.file_id = %s",
        file,
    )
    [(left,)] = server.sql("SELECT data IS NULL FROM memory_filecontent WHERE file_id = %s", file)
    return bool(left) and passages == texts == vectors == told.total_chunks == told.chunks_embedded > 5


@pytest.mark.parametrize(
    ("point", "status"),
    [pytest.param("f1", "parsing", marks=pytest.mark.faults), ("f2", "parsing"), ("f3", "embedding")],
)
def test_wherever_a_worker_dies(server: Server, point: str, status: str) -> None:
    """Behind its claim, behind the reading, and behind the commit of the passages."""
    place = folder(server)
    with server.paused():
        doomed = server.add_worker(PERDURE_FAULT=f"{point}:kill")
        file = upload(server, place)
        assert doomed.wait() == -signal.SIGKILL, doomed.tail()
        assert state(server, file)[0] == status
    assert is_whole(server, place, file)


def test_while_vectors_are_made(server: Server) -> None:
    place, text = folder(server), TEXT.replace("pump", "valve")
    with server.paused():
        server.llm.script_embeddings({"hang": True})
        doomed = server.add_worker()
        file = upload(server, place, text.encode())
        wait_until(lambda: "valve 0." in str(server.llm.calls()[-1]["body"]), what="vectors are asked for")
        doomed.kill()
        server.sql("UPDATE memory_missingvector SET due_at = now() RETURNING 1")
        assert state(server, file)[0] == "embedding"
    assert is_whole(server, place, file)


@pytest.mark.faults
def test_a_worker_that_wakes_up_late_writes_nothing(server: Server) -> None:
    """It stood still behind its reading until another had the file."""
    place = folder(server)
    with server.paused():
        late = server.add_worker(PERDURE_FAULT="f2:stop")
        file = upload(server, place)
        wait_until(lambda: late.is_stopped, what="the worker stops")
    assert is_whole(server, place, file)
    [(updated,)] = server.sql("SELECT updated_at FROM memory_file WHERE id = %s", file)
    late.cont()
    wait_until(lambda: "was taken by another worker" in late.tail(), what="it finds out")
    assert server.sql("SELECT updated_at FROM memory_file WHERE id = %s", file) == [(updated,)]
    assert is_whole(server, place, file)


@pytest.mark.faults
def test_a_file_that_kills_every_worker_is_given_up(server: Server) -> None:
    place = folder(server)
    with server.paused():
        victims = [server.start_worker(PERDURE_FAULT="f1:kill") for _ in range(3)]
        file = upload(server, place)
        assert [victim.wait(60) for victim in victims] == [-signal.SIGKILL] * 3
        assert state(server, file) == ("parsing", 3)
    wait_until(lambda: state(server, file)[0] == "error", what="it is given up")
    told = server.client().folders.files.retrieve(file, folder_id=place)
    assert "3 times in a row" in (told.error_message or "")


@pytest.mark.faults
def test_redis_forgets_the_hint(server: Server) -> None:
    place = folder(server)
    with server.paused():
        file = upload(server, place)
        server.redis().flushall()
    assert is_whole(server, place, file)
