"""The thread that reads files: what becomes of one, of a damaged one, and of one under work when the worker stops."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Organization
from memory.files import Upload, keep, make_folder
from memory.models import File
from workers import reading
from workers.reading import FileReader

NONE = {"embedding": None, "dimension": None}


@pytest.fixture
def folder(transactional_db):
    return make_folder(Organization.objects.create(name="Acme").id, "Manuals", NONE)


def reader(lease=60.0, seconds=30.0, told=lambda: None):
    return FileReader(3600, lease, seconds, told)


def kept(folder, data, kind="text", name="a"):
    return keep(folder, Upload(name, name, "", kind, data), "suffix", None)[0]


def state(file):
    file = File.objects.get(id=file.id)
    return file.status, file.error


def test_all_that_waits_is_read(folder):
    told = []
    good, bad = kept(folder, b"It pumps."), kept(folder, b"\xff\xff")
    reader(told=lambda: told.append(1))._work()
    assert state(good) == ("completed", None)
    assert good.content.__class__.objects.get(file=good).text == "It pumps."
    status, error = state(bad)
    assert (status, "not UTF-8" in error) == ("error", True)
    assert len(told) == 2


def test_no_connection_is_held_while_a_file_is_read(folder, monkeypatch):
    held = []

    def read(*arguments):
        held.append(connection.connection)
        return "text"

    monkeypatch.setattr(reading, "read", read)
    kept(folder, b"x")
    reader()._work()
    assert held == [None]


def test_the_lease_is_renewed_while_it_lasts(folder, monkeypatch):
    file, seen = kept(folder, b"x"), []

    def read(kind, data, seconds, goes_on):
        before = File.objects.get(id=file.id).lease_until
        assert goes_on()
        seen.append(File.objects.get(id=file.id).lease_until > before)
        return "text"

    monkeypatch.setattr(reading, "read", read)
    reader(lease=0.001)._work()
    assert seen == [True]


def test_who_has_lost_the_file_breaks_off_and_changes_nothing(folder, monkeypatch):
    file = kept(folder, b"x")

    def read(kind, data, seconds, goes_on):
        File.objects.filter(id=file.id).update(claims=7, lease_until=timezone.now() + timedelta(hours=1))
        assert not goes_on()
        raise reading.Unreadable("The reading was broken off.")

    monkeypatch.setattr(reading, "read", read)
    reader(lease=0.001)._work()
    assert state(file) == ("parsing", None)


def test_a_worker_that_stops_gives_the_file_back(folder, monkeypatch):
    file, thread = kept(folder, b"x"), reader()

    def read(kind, data, seconds, goes_on):
        thread.end()
        assert not goes_on()
        raise reading.Unreadable("The reading was broken off.")

    monkeypatch.setattr(reading, "read", read)
    thread._work()
    assert state(file) == ("pending", None)
    assert File.objects.get().claims == 0


def test_an_accident_ends_no_thread(folder, monkeypatch, caplog):
    woken = threading.Event()

    def broken(lease):
        woken.set()
        raise RuntimeError("an accident")

    monkeypatch.setattr(reading.files, "claim", broken)
    thread = reader()
    thread.start()
    assert woken.wait(10)
    thread.end()
    thread.join(10)
    assert not thread.is_alive()
    assert "an accident" in caplog.text
