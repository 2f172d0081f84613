"""Messages of the whole organization: by id, as a list, by words; and the tags of its agents."""

import pytest

from agents.api import vectors
from agents.api.tags import tag_page
from agents.models import Message
from tests.agents import given
from tests.agents.api.test_pages import texts_of, walked
from tests.agents.loop.doubles import calls, says
from tools import asking


def ask(caller, agent, text, *answers):
    caller.post(f"agents/{agent}/messages/async", {"input": text})
    given.advance(given.Agent.objects.get(id=agent), *answers)


@pytest.fixture
def agents(acme):
    """Two agents that have both been asked about herons."""
    made = [acme.agent(tools=["conversation_search"])["id"] for _ in range(2)]
    searched = calls(("conversation_search", {"query": "heron egret"}))
    ask(acme, made[0], "Is the heron grey?", searched, says("Grey it is."))
    ask(acme, made[1], "Does the heron sing?", says("Not the heron."))
    return made


def test_a_message_by_its_id_is_a_list_of_what_it_shows_as(acme, agents):
    row = Message.objects.get(text="Is the heron grey?")
    [shown] = acme.get(f"messages/{row.id}")
    assert (shown["id"], shown["content"]) == (row.id, "Is the heron grey?")
    assert acme.refused(422, "GET", "messages/message-1")[0]["loc"] == ["path", "message_id"]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_messages_in_a_given_order_are_all_reached(acme, agents, size):
    ids = list(Message.objects.order_by("created_at", "id").values_list("id", flat=True))
    assert walked(acme, "messages/", size, order="asc") == ids
    assert walked(acme, "messages/", size, order="desc") == ids[::-1]


def test_messages_without_an_order_are_the_newest_oldest_first(acme, agents):
    assert texts_of(acme.get("messages/?limit=2")) == ["Does the heron sing?", "Not the heron."]
    newest = acme.get("messages/?limit=1")[0]["id"]
    assert texts_of(acme.get(f"messages/?limit=1&before={newest}")) == ["Does the heron sing?"]


def test_messages_of_a_conversation_and_of_a_kind(acme, globex, agents):
    place = given.place(given.Agent.objects.get(id=agents[1])).id
    path = f"messages/?conversation_id={place}"
    assert texts_of(acme.get(path)) == ["Does the heron sing?", "Not the heron."]
    assert texts_of(acme.get(f"{path}&include_return_message_types=user_message")) == ["Does the heron sing?"]
    assert acme.get(f"messages/?conversation_id=default&agent_id={agents[1]}") == acme.get(path)
    globex.refused(404, "GET", path)


# Search


def hits(caller, **given):
    return [result["content"] for result in caller.post("messages/search", given)]


def test_search_finds_what_was_said_by_words(acme, globex, agents):
    assert sorted(hits(acme, query="heron")) == ["Does the heron sing?", "Is the heron grey?", "Not the heron."]
    assert hits(acme, query="heron", agent_id=agents[0]) == ["Is the heron grey?"]
    assert hits(acme, query="egret") == []  # the words of a call are not said aloud
    assert [len(hits(acme, query="heron", limit=limit)) for limit in (1, 2, 3, 4)] == [1, 2, 3, 3]
    assert hits(globex, query="heron") == []


def test_a_result_of_a_search(acme, agents):
    [result] = acme.post("messages/search", {"query": "sing"})
    row = Message.objects.get(text="Does the heron sing?")
    assert (result["message_id"], result["message_type"]) == (row.id, "user_message")
    assert (result["agent_id"], result["conversation_id"]) == (agents[1], row.conversation_id)


def test_speech_through_a_tool_is_found_as_speech(acme):
    agent = acme.agent(agent_type="memgpt_agent", tools=["send_message"])["id"]
    spoken = {"thinking": "Ducks.", "message": "A duck."}
    ask(acme, agent, "What is it?", calls(("send_message", spoken)))
    [result] = acme.post("messages/search", {"query": "duck"})
    assert (result["message_type"], result["content"]) == ("assistant_message", "A duck.")


def test_search_by_dates_and_by_conversation(acme, agents):
    Message.objects.filter(agent_id=agents[0]).update(created_at="2026-01-01T12:00:00Z")
    assert hits(acme, query="heron", end_date="2026-01-01") == ["Is the heron grey?"]
    assert len(hits(acme, query="heron", start_date="2026-01-02T00:00:00Z")) == 2
    place = given.place(given.Agent.objects.get(id=agents[0])).id
    assert hits(acme, query="heron", conversation_id=place) == ["Is the heron grey?"]


def test_a_search_by_vectors_needs_an_agent_with_an_embedding(acme, agents):
    said = acme.refused(400, "POST", "messages/search", {"query": "x", "search_mode": "vector"})
    assert "no agent of theirs has an embedding" in said
    assert len(hits(acme, query="heron", search_mode="fts")) == len(hits(acme, query="heron", search_mode="hybrid"))


def test_a_search_by_vectors_alone_says_when_the_query_has_none(acme, agents, settings, monkeypatch):
    # No worker is there to answer; a server waits longer for one.
    monkeypatch.setattr(asking, "TAKEN_WITHIN_SECONDS", 1)
    monkeypatch.setattr(vectors, "EMBED_SECONDS", 0.1)
    settings.DEFAULT_EMBEDDING = "fake/a"
    given.Agent.objects.filter(id=agents[0]).update(embedding="fake/a")
    body = {"query": "heron", "agent_id": agents[0], "search_mode": "vector"}
    assert "The query has no vector" in acme.refused(503, "POST", "messages/search", body)
    [result] = acme.post("messages/search", body | {"search_mode": "hybrid"})
    assert (result["content"], result["words_only"]) == ("Is the heron grey?", True)


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, "query"),
        ({"query": 1}, "query"),
        ({"query": "x", "limit": 0}, "limit"),
        ({"query": "x", "search_mode": "guess"}, "search_mode"),
        ({"query": "x", "agent_id": "me"}, "agent_id"),
    ],
)
def test_a_search_that_cannot_be_read(acme, body, loc):
    assert acme.refused(422, "POST", "messages/search", body)[0]["loc"] == ["body", loc]


def test_a_search_in_what_is_another_s(globex, agents):
    globex.refused(404, "POST", "messages/search", {"query": "x", "agent_id": agents[0]})
    place = given.place(given.Agent.objects.get(id=agents[0])).id
    globex.refused(404, "POST", "messages/search", {"query": "x", "conversation_id": place})


# Tags


def test_tags_are_those_of_all_agents_once(acme, globex):
    acme.agent(tags=["ship", "boat"])
    acme.agent(tags=["boat", "Raft"])
    globex.agent(tags=["spy"])
    assert acme.get("tags/") == ["Raft", "boat", "ship"]
    assert acme.get("tags/?order=desc&limit=2") == ["ship", "boat"]
    assert acme.get("tags/?name=A") == acme.get("tags/?query_text=a") == ["Raft", "boat"]
    assert acme.get("tags/?after=boat") == ["ship"]
    assert acme.get("tags/?limit=0") == []
    assert acme.refused(422, "GET", "tags/?order=sideways")[0]["loc"] == ["query", "order"]


@pytest.mark.parametrize("descending", [False, True])
def test_pages_of_tags(descending):
    tags = ["a", "b", "c", "d", "e"][:: -1 if descending else 1]
    _, second, _, fourth, last = tags
    assert tag_page(set(tags), None, None, descending, 2) == tags[:2]
    assert tag_page(set(tags), second, None, descending, 2) == tags[2:4]
    assert tag_page(set(tags), None, fourth, descending, 2) == tags[1:3]
    assert tag_page(set(tags), second, last, descending, 9) == tags[2:4]
    assert tag_page(set(tags), None, fourth, descending, 0) == []
