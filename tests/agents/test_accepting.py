"""Accepting against a real Postgres."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.fields import new_id
from agents import accepting
from agents.accepting import KeyReused, accept
from agents.creation import create_conversation
from agents.models import Run
from tests.agents import given
from tests.agents.loop.doubles import says

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_same_key_gives_the_same_run():
    agent = given.agent()
    first = given.said(agent, idempotency_key="key:a")
    assert [given.said(agent, idempotency_key="key:a").id for _ in range(3)] == [first.id] * 3
    assert Run.objects.count() == 1


def test_a_key_with_another_input_is_refused():
    agent = given.agent()
    given.said(agent, "one", idempotency_key="key:a")
    with pytest.raises(KeyReused, match="Use a new one"):
        given.said(agent, "two", idempotency_key="key:a")
    with pytest.raises(KeyReused):
        given.said(agent, "one", idempotency_key="key:a", options={"max_steps": 3})
    assert Run.objects.count() == 1


def test_another_organization_may_use_the_same_key():
    one, other = given.agent(), given.agent(organization=given.organization("Globex"))
    assert given.said(one, idempotency_key="key:a").id != given.said(other, idempotency_key="key:a").id


def test_a_key_holds_in_its_conversation_alone():
    acme = given.organization()
    one, other = given.agent(organization=acme), given.agent(organization=acme)
    first = given.said(one, "Welcome.", idempotency_key="otid:a")
    assert given.said(other, "Welcome.", idempotency_key="otid:a").id != first.id
    assert given.said(one, "Welcome.", idempotency_key="otid:a").id == first.id


def test_without_a_key_the_same_words_are_two_messages():
    agent = given.agent()
    assert given.said(agent).id != given.said(agent).id


def test_a_retry_of_the_clients_library_attaches_to_its_run():
    agent = given.agent()
    first = given.said(agent, key_id="key-1")
    assert given.said(agent, key_id="key-1", is_retry=True).id == first.id
    assert given.said(agent, "other words", key_id="key-1", is_retry=True).id != first.id
    assert given.said(agent, key_id="key-2", is_retry=True).id != first.id


def test_a_retry_attaches_for_ten_minutes():
    agent = given.agent()
    first = given.said(agent, key_id="key-1")
    Run.objects.update(created_at=timezone.now() - timedelta(minutes=11))
    assert given.said(agent, key_id="key-1", is_retry=True).id != first.id


def test_a_retry_finds_its_own_conversation_only():
    agent = given.agent()
    first = given.said(agent, key_id="key-1")
    aside = create_conversation(agent)
    assert accept(aside, given.offer(key_id="key-1", is_retry=True)).id != first.id


def test_parallel_accepts_with_one_key_give_one_run():
    conversation = given.place(given.agent())

    def once(_):
        try:
            return accept(conversation, given.offer(idempotency_key="key:a")).id
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(once, range(24)))) == 1
    assert Run.objects.count() == 1


def test_parallel_accepts_are_numbered_without_gap_or_double():
    conversation = given.place(given.agent())

    def once(number):
        try:
            return accept(conversation, given.offer(str(number))).seq
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(once, range(24))) == list(range(1, 25))


def test_an_accept_that_nobody_heard_of_is_found_again(monkeypatch):
    monkeypatch.setattr(accepting, "settled", given.twice)
    agent = given.agent()
    given.said(agent)
    given.said(agent, idempotency_key="key:a")
    assert Run.objects.count() == 2


def test_what_postgres_cannot_store_is_replaced():
    agent = given.agent()
    run = given.said(agent, "a\x00b\ud800c", otid="o\x00", options={"override_system": "\udfff"})
    assert given.fresh(run).input[0]["content"] == "a�b�c"
    given.advance(agent, says("n\x00te\ud801d"))
    assert given.transcript(agent) == ["user: a�b�c", "assistant: n�te�d"]


def test_the_fingerprint_knows_the_question_not_its_ids():
    one = given.offer("hello", otid="a")
    assert one.fingerprint == replace(given.offer("hello", otid="b"), run_id=new_id("run")).fingerprint
    assert one.fingerprint != given.offer("hello!").fingerprint
