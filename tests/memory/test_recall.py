"""Recall memory: the search over messages is handed its rows, and keeps to them."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import Organization
from agents.models import Agent, Conversation, Message
from memory import recall
from memory.search import SearchError

pytestmark = pytest.mark.django_db

START = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)


@pytest.fixture
def conversation():
    organization = Organization.objects.create(name="Acme")
    agent = Agent.objects.create(organization=organization, name="a", system="", model="scripted/test")
    return Conversation.objects.create(organization=organization, agent=agent)


@pytest.fixture
def messages(conversation):
    """Five messages, one an hour."""
    lines = [("system", "tea"), ("user", "I drink tea"), ("assistant", "tea is fine"), ("tool", "tea 12"), ("user", "")]
    for seq, (role, text) in enumerate(lines, 1):
        Message.objects.create(
            organization=conversation.organization,
            agent=conversation.agent,
            conversation=conversation,
            seq=seq,
            role=role,
            text=text,
            content={},
        )
        Message.objects.filter(seq=seq).update(created_at=START + timedelta(hours=seq))
    return Message.objects.filter(conversation=conversation)


def texts(found):
    return [message.text for message in found]


@pytest.mark.parametrize("query", [None, "", "  "])
def test_without_a_query_the_newest_come_first(messages, query):
    assert texts(recall.search(messages, query)) == ["tea 12", "tea is fine", "I drink tea"]


def test_any_word_matches_best_first(messages):
    found = recall.search(messages, "she was drinking teas")
    assert texts(found) == ["I drink tea", "tea is fine", "tea 12"]
    assert found[0].rank > found[1].rank > found[2].rank


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (["user"], ["I drink tea"]),
        (["tool", "assistant"], ["tea 12", "tea is fine"]),
        ([], ["tea 12", "tea is fine", "I drink tea"]),
        (["system"], []),
    ],
)
def test_roles(messages, roles, expected):
    assert texts(recall.search(messages, roles=roles)) == expected


def test_the_limit(messages):
    assert texts(recall.search(messages, limit=1)) == ["tea 12"]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-01-15T12:00", None, ["tea 12", "tea is fine"]),
        (None, "2026-01-15T11:00", ["I drink tea"]),
        ("2026-01-15", "2026-01-15", ["tea 12", "tea is fine", "I drink tea"]),
        ("2026-01-16", None, []),
    ],
)
def test_dates(messages, start, end, expected):
    assert texts(recall.search(messages, start=start, end=end)) == expected


def test_a_bad_date_is_refused(messages):
    with pytest.raises(SearchError, match="not a date"):
        recall.search(messages, end="soon")


@pytest.fixture
def say(conversation):
    def said(role, *lines):
        for line in lines:
            seq = Message.objects.count() + 1
            Message.objects.create(
                organization=conversation.organization,
                agent=conversation.agent,
                conversation=conversation,
                seq=seq,
                role=role,
                text=line,
                content={},
                created_at=START + timedelta(hours=seq),
            )

    return said


def test_what_was_said_right_before_and_behind_comes_along(say):
    say("user", "hello", "How is your dog called?", "Rex", "fine weather")
    assert texts(recall.search(Message.objects.all(), "dog", neighbours="all")) == [
        "How is your dog called?",
        "Rex",
        "hello",
    ]
    assert texts(recall.search(Message.objects.all(), "dog")) == ["How is your dog called?"]


def test_a_match_beside_a_match_gains_by_it(say):
    say("user", "the ferry", "x", "the ferry", "an hour", "y", "the ferry", "z")
    assert [row.seq for row in recall.search(Message.objects.all(), "ferry hour", limit=2)] == [4, 3]
    say("user", "the hour", "w", "the hour", "x")
    assert [row.seq for row in recall.search(Message.objects.all(), "hour", limit=2)] == [10, 8]


def test_a_neighbour_counts_whatever_its_role_and_is_found_in_its_own(say):
    say("user", "How is your dog called?")
    say("assistant", "Rex", "It rains")
    found = recall.search(Message.objects.all(), "dog", roles=["assistant"], neighbours="all")
    assert texts(found) == ["Rex"]


def test_neighbours_are_of_the_same_conversation_and_among_the_rows(say, conversation):
    say("user", "the dog")
    other = Conversation.objects.create(organization=conversation.organization, agent=conversation.agent)
    say("user", "beside")
    Message.objects.filter(text="beside").update(conversation=other)
    assert texts(recall.search(Message.objects.all(), "dog", neighbours="all")) == ["the dog"]
    Message.objects.filter(text="beside").update(conversation=conversation)
    assert texts(recall.search(Message.objects.exclude(text="beside"), "dog", neighbours="all")) == ["the dog"]


def test_only_the_rows_that_were_handed_over(messages):
    assert recall.search(messages.filter(seq=1), "tea") == []
    assert texts(recall.search(messages.filter(seq=2), "tea")) == ["I drink tea"]
