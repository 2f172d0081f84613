"""Which database errors are worth another try. The errors are Postgres's own."""

import pytest
from django.db import IntegrityError, OperationalError, connection

from agents import retry
from agents.retry import ATTEMPTS, settled

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(retry.time, "sleep", lambda seconds: None)


def failing(state, times):
    """Work that Postgres fails with this SQLSTATE, so many times, and what it was told each time."""
    told = []

    def work(again):
        told.append(again)
        if len(told) <= times:
            with connection.cursor() as cursor:
                cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'injected' USING ERRCODE = '{state}'; END $$")
        return "done"

    return work, told


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "57P01", "08006"])
def test_passing_trouble_is_tried_again(state):
    work, told = failing(state, 2)
    assert settled(work) == "done"
    assert told == [False, True, True]


def test_after_five_tries_it_is_given_up():
    work, told = failing("40001", ATTEMPTS)
    with pytest.raises(OperationalError):
        settled(work)
    assert len(told) == ATTEMPTS == 5


@pytest.mark.parametrize(("state", "error"), [("23505", IntegrityError), ("53100", OperationalError)])
def test_lasting_trouble_is_not(state, error):
    work, told = failing(state, 1)
    with pytest.raises(error):
        settled(work)
    assert told == [False]


def test_a_connection_that_was_cut_is_replaced():
    told = []

    def work(again):
        told.append(again)
        with connection.cursor() as cursor:
            if not again:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            cursor.execute("SELECT 1")
            return cursor.fetchone()[0]

    assert settled(work) == 1
    assert told == [False, True]
