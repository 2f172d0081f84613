"""The built-in tools, called as a model calls them."""

import json
from datetime import timedelta

import pytest

from accounts.models import Organization
from agents.models import Agent, Conversation, Message
from memory.archival import Archival
from memory.models import Archive, Passage
from tools import arguments, registry
from tools.builtin.recall import _time_ago

pytestmark = pytest.mark.django_db

TYPES = {
    "send_message": "letta_core",
    "conversation_search": "letta_core",
    "archival_memory_insert": "letta_core",
    "archival_memory_search": "letta_core",
    "core_memory_append": "letta_memory_core",
    "core_memory_replace": "letta_memory_core",
    "memory_insert": "letta_sleeptime_core",
    "memory_replace": "letta_sleeptime_core",
}
SEARCHES = {"conversation_search", "archival_memory_search"}


@pytest.fixture
def archive():
    return Archive.objects.create(organization=Organization.objects.create(name="Acme"), name="notes")


@pytest.fixture
def archival(archive):
    return Archival(archive.organization_id, [archive.id], lambda: archive)


@pytest.fixture
def say(archive):
    """Store messages of one conversation: `say("user", "hello", created_at)`."""
    agent = Agent.objects.create(organization=archive.organization, name="a", system="", model="scripted/test")
    conversation = Conversation.objects.create(organization=archive.organization, agent=agent)

    def say(role, text, created_at, **content):
        message = Message.objects.create(
            organization=archive.organization,
            agent=agent,
            conversation=conversation,
            seq=conversation.messages.count() + 1,
            role=role,
            text=text,
            content=content,
        )
        Message.objects.filter(id=message.id).update(created_at=created_at)

    return say


def test_the_kinds_of_the_built_in_tools():
    registry.load()
    found = {name: registry.find(name) for name in TYPES}
    assert {name: tool.tool_type for name, tool in found.items()} == TYPES
    for name, tool in found.items():
        expected = ("read", True, True) if name in SEARCHES else ("state", False, False)
        assert (tool.spec.effect, tool.spec.idempotent, tool.parallel) == expected


@pytest.mark.parametrize(
    ("name", "required", "optional"),
    [
        ("send_message", ["message"], []),
        ("core_memory_append", ["label", "content"], []),
        ("core_memory_replace", ["label", "old_content", "new_content"], []),
        ("memory_insert", ["label", "new_string"], ["insert_line"]),
        ("memory_replace", ["label", "old_string", "new_string"], []),
        ("archival_memory_insert", ["content"], ["tags"]),
        (
            "archival_memory_search",
            ["query"],
            ["tags", "tag_match_mode", "top_k", "start_datetime", "end_datetime"],
        ),
        ("conversation_search", [], ["query", "roles", "limit", "start_date", "end_date"]),
    ],
)
def test_the_arguments_that_clients_know(name, required, optional):
    registry.load()
    parameters = registry.find(name).spec.parameters
    assert parameters["required"] == required
    assert list(parameters["properties"]) == required + optional


def test_the_roles_of_a_search_are_an_enumeration():
    registry.load()
    schema = registry.find("conversation_search").spec.parameters
    assert schema["properties"]["roles"]["items"] == {"type": "string", "enum": ["assistant", "user", "tool"]}
    assert arguments.parse("", schema) == {}


def test_send_message(call, make_context):
    assert call("send_message", make_context(), message="hi").text == "Sent message successfully."


@pytest.mark.parametrize(
    ("name", "given", "text"),
    [
        ("core_memory_append", {"content": "likes milk"}, "Name: Ann\nlikes tea\nlikes milk"),
        ("core_memory_replace", {"old_content": "tea", "new_content": "milk"}, "Name: Ann\nlikes milk"),
        ("memory_insert", {"new_string": "likes milk"}, "Name: Ann\nlikes tea\nlikes milk"),
        ("memory_insert", {"new_string": "likes milk", "insert_line": 1}, "Name: Ann\nlikes milk\nlikes tea"),
        ("memory_replace", {"old_string": "tea", "new_string": "milk"}, "Name: Ann\nlikes milk"),
    ],
)
def test_edits_return_the_whole_new_value(call, make_context, name, given, text):
    context = make_context()
    assert call(name, context, label="human", **given).text == text
    assert context.core.blocks[0].value == text


def test_a_refused_edit_is_an_error_with_advice(call, make_context):
    returned = call("memory_replace", make_context(), label="nope", old_string="a", new_string="b")
    assert (returned.status, returned.stderr) == ("error", None)
    assert "Use one of these labels: human, persona." in returned.text


def test_what_was_filed_away_is_found(call, make_context, archival):
    context = make_context(archival)
    assert call("archival_memory_insert", context, content="Ann lives in Oslo", tags=["place"]).text == "None"
    passage = Passage.objects.get()
    returned = call(
        "archival_memory_search", context, query="where does she live", tags=["place"], tag_match_mode="all"
    )
    assert json.loads(returned.text) == [
        {
            "id": passage.id,
            "timestamp": passage.created_at.isoformat(),
            "content": "Ann lives in Oslo",
            "tags": ["place"],
        }
    ]


def test_too_long_a_passage_is_an_error_with_advice(call, make_context, archival):
    returned = call("archival_memory_insert", make_context(archival), content="x" * 32_769)
    assert (returned.status, returned.stderr) == ("error", None)
    assert "32769" in returned.text
    assert not Passage.objects.exists()


def test_a_conversation_is_searched(call, make_context, say):
    context = make_context(messages=Message.objects.all())
    say("user", "my dog is called Rex", context.now - timedelta(days=2))
    say("assistant", "what a fine name", context.now - timedelta(hours=1))
    say("assistant", "far behind", context.now)
    found = json.loads(call("conversation_search", context, query="dogs").text)
    relevance = [result.pop("relevance") for result in found["results"]]
    assert relevance[0] > relevance[1] > 0
    assert found == {
        "message": "Showing 2 results:",
        "results": [
            {
                "timestamp": "2026-02-27T12:00:00+00:00",
                "time_ago": "2 days ago",
                "role": "user",
                "content": "my dog is called Rex",
            },
            {
                "timestamp": "2026-03-01T11:00:00+00:00",
                "time_ago": "1 hour ago",
                "role": "assistant",
                "content": "what a fine name",
            },
        ],
    }


def test_without_a_query_the_newest_come_first_and_have_no_relevance(call, make_context, say):
    context = make_context(messages=Message.objects.all())
    say("user", "older", context.now - timedelta(hours=3))
    say("user", "newer", context.now - timedelta(seconds=3))
    results = json.loads(call("conversation_search", context).text)["results"]
    assert [(result["content"], result["time_ago"]) for result in results] == [
        ("newer", "just now"),
        ("older", "3 hours ago"),
    ]
    assert all("relevance" not in result for result in results)


def test_results_of_earlier_searches_are_not_found_again(call, make_context, say):
    context = make_context(messages=Message.objects.all())
    say("tool", "dog in an earlier search", context.now, name="conversation_search")
    say("tool", "dog from elsewhere", context.now, name="web_search")
    found = json.loads(call("conversation_search", context, query="dog").text)
    assert [result["content"] for result in found["results"]] == ["dog from elsewhere"]


def test_a_bad_date_is_an_error_with_the_form(call, make_context, say):
    returned = call("conversation_search", make_context(messages=Message.objects.all()), start_date="yesterday")
    assert (returned.status, returned.stderr) == ("error", None)
    assert "'yesterday' is not a date. Write it as 2026-01-15" in returned.text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "just now"), (59, "just now"), (60, "1 minute ago"), (7_199, "1 hour ago"), (172_800, "2 days ago")],
)
def test_time_ago(seconds, text):
    assert _time_ago(timedelta(seconds=seconds)) == text
