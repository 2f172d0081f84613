"""Vectors of messages: made behind the conversation's back, searched, made anew for another embedding."""

from datetime import UTC, datetime, timedelta

import pytest

from agents import history
from agents.api.forking import fork
from agents.models import Agent, Conversation, EmbeddedHistory, Message, MessageVector
from memory import recall
from memory.embeddings import EmbeddingFailed
from tests.agents import given
from tests.agents.loop.doubles import calls, says
from tests.fakellm.embeddings import vector
from workers.vectors import VectorMaker

pytestmark = pytest.mark.django_db

SIZE = 64
JANUARY = datetime(2026, 1, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def embedding(settings):
    settings.DEFAULT_EMBEDDING = "fake/a"


@pytest.fixture
def agent():
    return given.agent("conversation_search", embedding="fake/a")


def say(agent, *lines, role="user", place=None, **fields):
    place = place or given.place(agent)
    for line in lines:
        seq = Conversation.objects.get(id=place.id).next_seq
        Message.objects.create(
            organization=agent.organization,
            agent=agent,
            conversation=place,
            seq=seq,
            role=role,
            text=line,
            content={"content": line},
            **{"created_at": JANUARY + timedelta(days=seq)} | fields,
        )
        Conversation.objects.filter(id=place.id).update(next_seq=seq + 1)


def embed(handle, text):
    return vector(text, SIZE)


def work(size=SIZE):
    """What a worker does until nothing is missing; the texts whose vectors it has made."""
    history.note()
    texts = []
    while claimed := history.claim():
        for place in {one.place for one in claimed}:
            own = [one for one in claimed if one.place == place]
            history.store(own, [vector(one.text, size) for one in own])
        texts += [one.text for one in claimed]
    return texts


def search(agent, query, mode="hybrid", embed=embed, **fields):
    agents = Agent.objects.filter(id=agent.id)
    near = history.near(agents, history.embeddings_of(agents), embed)
    return recall.search(Message.objects.filter(agent=agent), query, near=near, mode=mode, **fields)


def texts(found):
    return [message.text for message in found]


# Made


def test_what_is_said_gets_its_vector_with_its_date_and_speaker(agent):
    say(agent, "hello")
    say(agent, "It is Ann.", name="Ann")
    say(agent, "Hello, Ann.", role="assistant")
    say(agent, "", role="assistant")
    say(agent, "found before", role="tool", name="conversation_search")
    say(agent, "42", role="tool", name="calculator")
    say(agent, "a summary", role="summary")
    assert work() == [
        "[2026-01-17] user: hello",
        "[2026-01-18] Ann: It is Ann.",
        "[2026-01-19] assistant: Hello, Ann.",
        "[2026-01-22] calculator: 42",
    ]
    assert MessageVector.objects.count() == 4
    assert EmbeddedHistory.objects.get().due_at is None
    say(agent, "one more")
    assert work() == ["[2026-01-24] user: one more"]
    assert work() == []


@pytest.mark.parametrize("wanted", [None, "none"])
def test_an_agent_without_an_embedding_gets_none(agent, wanted):
    Agent.objects.update(embedding=wanted)
    say(agent, "hello")
    assert work() == []
    assert not EmbeddedHistory.objects.exists()


def test_long_conversations_are_worked_off_in_parts(agent, monkeypatch):
    monkeypatch.setattr(history, "MESSAGES", 3)
    say(agent, *[f"line {number}" for number in range(8)])
    assert len(work()) == MessageVector.objects.count() == 8
    assert EmbeddedHistory.objects.get().seq == given.place(agent).next_seq - 1


def test_conversations_in_which_nothing_is_said_hold_up_no_others(agent, monkeypatch):
    monkeypatch.setattr(history, "CONVERSATIONS", 1)
    for _ in range(3):
        given.agent(embedding="fake/a", organization=agent.organization)
    say(agent, "hello")
    assert work() == ["[2026-01-17] user: hello"]


def test_a_claim_is_one_workers_until_it_is_over(agent):
    say(agent, "hello")
    history.note()
    claimed = history.claim()
    history.note()
    assert history.claim() == []
    EmbeddedHistory.objects.update(due_at=JANUARY)
    again = history.claim()
    assert [one.attempts for one in again] == [2]
    history.store(claimed, [vector("late", SIZE)])
    assert not MessageVector.objects.exists()
    history.store(again, [vector("hello", SIZE)])
    assert MessageVector.objects.count() == 1


def test_what_is_said_meanwhile_is_due_at_once(agent):
    say(agent, "hello")
    history.note()
    claimed = history.claim()
    say(agent, "hello again")
    history.store(claimed, [vector("hello", SIZE)])
    assert [one.text for one in history.claim()] == ["[2026-01-18] user: hello again"]


def test_a_message_that_is_deleted_meanwhile_is_left_out(agent):
    say(agent, "gone", "kept")
    history.note()
    claimed = history.claim()
    Message.objects.filter(text="gone").delete()
    history.store(claimed, [vector(one.text, SIZE) for one in claimed])
    assert not MessageVector.objects.exists()
    EmbeddedHistory.objects.update(due_at=JANUARY)
    assert work() == ["[2026-01-18] user: kept"]


class Down:
    """An embedder that cannot be reached until it is told that it can."""

    up = False

    def of(self, handle):
        return self

    def embed(self, wanted, seconds):
        if not self.up:
            raise EmbeddingFailed("It cannot be reached.", passing=True)
        return [vector(text, SIZE) for text in wanted]


@pytest.mark.django_db(transaction=True)
def test_an_embedder_that_is_down_loses_nothing(agent):
    say(agent, "hello")
    embedders = Down()
    maker = VectorMaker(0.0, embedders)
    maker._work()
    row = EmbeddedHistory.objects.get()
    assert (row.error, row.attempts, MessageVector.objects.count()) == ("It cannot be reached.", 1, 0)
    embedders.up = True
    EmbeddedHistory.objects.update(due_at=JANUARY)
    maker._work()
    assert MessageVector.objects.count() == 1
    say(agent, "again")
    maker._work()
    assert MessageVector.objects.count() == 1  # it has not heard of it, and looks at all only now and then
    maker.hear(given.place(agent).id)
    maker._work()
    assert MessageVector.objects.count() == 2
    assert EmbeddedHistory.objects.get().error == ""


def test_vectors_go_with_their_messages_and_conversations(agent):
    say(agent, "gone", "kept")
    work()
    Message.objects.filter(text="gone").delete()
    assert MessageVector.objects.count() == 1
    agent.delete()
    assert not MessageVector.objects.exists()
    assert not EmbeddedHistory.objects.exists()


def test_a_fork_gets_its_own(agent):
    say(agent, "hello")
    work()
    fork(given.place(agent), None, actor_id=None)
    assert work() == ["[2026-01-17] user: hello"]
    assert MessageVector.objects.count() == 2


# Searched


def test_other_words_are_found(agent):
    say(agent, "likeheron at the pond", "a harbour in the north", "an old oak")
    assert texts(search(agent, "heron")) == []
    work()
    for mode in ("vector", "hybrid"):
        found = search(agent, "heron", mode)
        assert (found[0].text, found.words_only) == ("likeheron at the pond", False)
    assert texts(search(agent, "heron", "fts")) == []


def test_a_query_without_its_vector_goes_by_words_and_says_so(agent):
    say(agent, "the heron", "an oak")
    work()
    found = search(agent, "heron", embed=lambda handle, text: None)
    assert (texts(found), found.words_only) == (["the heron"], True)
    assert not search(agent, "heron", "fts", embed=lambda handle, text: None).words_only


def test_filters_hold_for_what_vectors_find(agent):
    say(agent, "likeheron one", "likeheron two", created_at=JANUARY)
    say(agent, "likeheron three", role="assistant", created_at=JANUARY + timedelta(days=40))
    work()
    assert texts(search(agent, "heron", roles=["assistant"])) == ["likeheron three"]
    assert set(texts(search(agent, "heron", end="2026-01-31"))) == {"likeheron one", "likeheron two"}
    assert search(agent, "heron", start="2026-06-01") == []
    Message.objects.filter(text="likeheron one").delete()
    assert texts(search(agent, "heron", end="2026-01-31")) == ["likeheron two"]


def test_what_others_have_said_stays_unseen(agent):
    for other in (given.agent(embedding="fake/a"), given.agent(embedding="fake/a", organization=agent.organization)):
        say(other, "likeheron elsewhere")
    say(agent, "an oak")
    work()
    assert texts(search(agent, "heron")) == ["an oak"]


def test_a_query_is_embedded_by_few_models_however_many_there_are(agent, monkeypatch):
    monkeypatch.setattr(history, "embedding_of", lambda handle: handle)
    for handle in ("fake/b", "fake/c", "fake/c", "fake/d", "fake/a"):
        given.agent(embedding=handle, organization=agent.organization)
    assert history.embeddings_of(Agent.objects.all()) == {"fake/a", "fake/c", "fake/b"}


def test_another_embedding_makes_them_anew_and_old_ones_are_not_compared(agent, settings):
    say(agent, "likeheron at the pond", "an old oak")
    work()
    settings.DEFAULT_EMBEDDING = "fake/b"
    history.note()
    asked = []

    def embed_b(handle, text):
        asked.append(handle)
        return vector(text, 32)

    assert texts(search(agent, "oak", embed=embed_b)) == ["an old oak"]
    assert search(agent, "heron", embed=embed_b) == []
    assert len(work(32)) == 2
    assert search(agent, "heron", embed=embed_b)[0].text == "likeheron at the pond"
    assert set(asked) == {"fake/b"}
    assert set(MessageVector.objects.values_list("embedding", "dimension")) == {("fake/b", 32)}


def test_what_was_claimed_for_another_embedding_is_dropped(agent, settings):
    say(agent, "hello")
    history.note()
    claimed = history.claim()
    settings.DEFAULT_EMBEDDING = "fake/b"
    history.note()
    history.store(claimed, [vector("hello", SIZE)])
    assert not MessageVector.objects.exists()
    assert len(work(32)) == 1


def test_an_agent_that_gives_its_embedding_up_loses_its_vectors(agent):
    other = given.agent(embedding="fake/a")
    for one in (agent, other):
        say(one, "hello")
    work()
    Agent.objects.filter(id=agent.id).update(embedding=None)
    history.discard()
    assert set(MessageVector.objects.values_list("agent_id", flat=True)) == {other.id}
    assert EmbeddedHistory.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_agent_s_own_search_goes_by_vectors_too(agent):
    say(agent, "likeheron at the pond", "an old oak")
    work()
    given.said(agent, "what was it?")
    given.advance(agent, calls(("conversation_search", {"query": "heron", "limit": 1})), says("ok"), embed=embed)
    returned = Message.objects.filter(agent=agent, role="tool").get()
    assert "likeheron at the pond" in returned.text
