"""The built-in tools, called as a model calls them."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from accounts.models import Organization
from agents.models import Agent, Conversation, Message
from memory.archival import Archival
from memory.core import BlockText, CoreMemory
from memory.models import Archive, Passage
from tools import arguments, registry
from tools.builtin.recall import _time_ago
from tools.spec import ToolError

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
    "memory_rethink": "letta_sleeptime_core",
    "memory_finish_edits": "letta_sleeptime_core",
    "memory_apply_patch": "letta_memory_core",
    "memory": "letta_memory_core",
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
        assert (tool.spec.effect, tool.spec.idempotent, tool.spec.parallel) == expected


@pytest.mark.parametrize(
    ("name", "required", "optional"),
    [
        ("send_message", ["message"], []),
        ("core_memory_append", ["label", "content"], []),
        ("core_memory_replace", ["label", "old_content", "new_content"], []),
        ("memory_insert", ["label", "new_string"], ["insert_line"]),
        ("memory_replace", ["label", "old_string", "new_string"], []),
        ("memory_rethink", ["label", "new_memory"], []),
        ("memory_finish_edits", [], []),
        ("memory_apply_patch", ["label", "patch"], []),
        (
            "memory",
            ["command"],
            [
                "path",
                "file_text",
                "description",
                "old_string",
                "new_string",
                "insert_line",
                "insert_text",
                "old_path",
                "new_path",
            ],
        ),
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
        ("memory_rethink", {"new_memory": "Name: Bo"}, "Name: Bo"),
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


VALUE = "Name: Ann\nlikes tea"


@pytest.mark.parametrize(
    ("given", "said", "blocks"),
    [
        (
            {"command": "create", "path": "/memories/plans", "file_text": "rest", "description": "What is next"},
            "Created memory block 'plans'. It stands in your system prompt from your next step on.",
            {"human": VALUE, "persona": "Sam", "plans": "rest"},
        ),
        (
            {"command": "create", "path": "plans"},
            "Created memory block 'plans'. It stands in your system prompt from your next step on.",
            {"human": VALUE, "persona": "Sam", "plans": ""},
        ),
        (
            {"command": "str_replace", "path": "/memories/human", "old_string": "tea", "new_string": "milk"},
            "Name: Ann\nlikes milk",
            {"human": "Name: Ann\nlikes milk", "persona": "Sam"},
        ),
        (
            {"command": "insert", "path": "/memories/persona", "insert_line": 0, "insert_text": "I am"},
            "I am\nSam",
            {"human": VALUE, "persona": "I am\nSam"},
        ),
        (
            {"command": "delete", "path": "/memories/persona"},
            "Deleted memory block 'persona': you have it no longer.",
            {"human": VALUE},
        ),
        (
            {"command": "rename", "old_path": "/memories/persona", "new_path": "/memories/self"},
            "Memory block 'persona' is 'self' now. It stands in your system prompt from your next step on.",
            {"human": VALUE, "self": "Sam"},
        ),
    ],
)
def test_every_command_of_memory(call, make_context, given, said, blocks):
    context = make_context()
    returned = call("memory", context, **given)
    assert (returned.status, returned.text) == ("success", said)
    assert {block.label: block.value for block in context.core.blocks} == blocks


def test_insert_without_a_line_is_at_the_end(call, make_context):
    returned = call("memory", make_context(), command="insert", path="/memories/human", insert_text="and milk")
    assert returned.text == "Name: Ann\nlikes tea\nand milk"


def test_str_replace_without_a_new_text_removes_the_old(call, make_context):
    returned = call("memory", make_context(), command="str_replace", path="/memories/human", old_string="likes ")
    assert returned.text == "Name: Ann\ntea"


def test_delete_of_a_block_that_is_not_there_is_an_error(call, make_context):
    returned = call("memory", make_context(), command="delete", path="/memories/nope")
    assert (returned.status, returned.text) == (
        "error",
        "There is no memory block 'nope'. Use one of these labels: human, persona.",
    )


@pytest.mark.parametrize(("command", "more"), [("delete", {}), ("rename", {"new_path": "/memories/x"})])
def test_a_read_only_block_is_neither_deleted_nor_renamed(call, make_context, command, more):
    context = make_context()
    core = CoreMemory([BlockText("human", "Ann", read_only=True)])
    returned = call("memory", replace(context, core=core), command=command, path="/memories/human", **more)
    assert (returned.status, core.edits) == ("error", [])
    assert "read-only" in returned.text


def test_the_limit_of_a_block_holds_for_every_command(call, make_context):
    context, long = make_context(), "x" * 101
    for command, more in (
        ("str_replace", {"old_string": "tea", "new_string": long}),
        ("insert", {"insert_text": long}),
    ):
        returned = call("memory", context, command=command, path="/memories/human", **more)
        assert (returned.status, "too many" in returned.text) == ("error", True), command
    assert call("memory", context, command="create", path="new", file_text="x" * 100_001).status == "error"
    assert call("memory_rethink", context, label="human", new_memory=long).status == "error"
    assert call("memory_apply_patch", context, label="human", patch=f"+{long}").status == "error"
    assert context.core.edits == []


@pytest.mark.parametrize("name", ["path", "old_path"])
def test_rename_takes_the_path_by_the_name_that_the_other_commands_use(call, make_context, name):
    context = make_context()
    call("memory", context, command="rename", new_path="/memories/self", **{name: "/memories/persona"})
    assert [block.label for block in context.core.blocks] == ["human", "self"]


@pytest.mark.parametrize("path", ["/memories/my plans", "my plans", "my_plans", "memories/my_plans"])
def test_a_path_names_the_same_block_in_every_command(call, make_context, path):
    context = make_context()
    call("memory", context, command="create", path="/memories/my plans", file_text="a")
    assert call("memory", context, command="insert", path=path, insert_text="b").text == "a\nb"
    assert call("memory", context, command="str_replace", path=path, old_string="b").text == "a\n"
    assert call("memory", context, command="rename", path=path, new_path="other").status == "success"
    assert call("memory", context, command="rename", path="other", new_path=path).status == "success"
    assert call("memory", context, command="delete", path=path).status == "success"


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        ("create", "path"),
        ("str_replace", "path and old_string"),
        ("insert", "path and insert_text"),
        ("delete", "path"),
        ("rename", "path and new_path"),
    ],
)
def test_a_command_says_what_it_needs(call, make_context, command, needed):
    assert call("memory", make_context(), command=command).text == f"The command {command} needs {needed}, too."


def test_rethink_makes_a_block_that_is_not_there(call, make_context):
    context = make_context()
    assert call("memory_rethink", context, label="plans", new_memory="rest").text == "rest"
    assert context.core.blocks[-1].label == "plans"


def test_a_patch_that_fits_only_in_part_changes_nothing(call, make_context):
    context = make_context()
    patch = "-likes tea\n+likes milk\n*** Update Block: persona\n-nobody"
    assert call("memory_apply_patch", context, label="human", patch=patch).status == "error"
    assert context.core.edits == []
    assert call("memory_apply_patch", context, label="human", patch="-likes tea").text == '{"human": "Name: Ann"}'


def test_results_are_json_and_no_reprs_of_python(call, make_context):
    text = call("conversation_search", make_context(messages=Message.objects.all())).text
    assert json.loads(text) == {"message": "Showing 0 results:", "results": []}


def test_a_wrong_argument_name_is_told_with_the_right_ones():
    registry.load()
    with pytest.raises(ToolError, match=r"y: there is no such argument \(there are: label, new_memory\)"):
        arguments.parse('{"label": "a", "new_memory": "b", "y": 1}', registry.find("memory_rethink").spec.parameters)


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
