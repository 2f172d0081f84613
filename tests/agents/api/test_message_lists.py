"""Lists of messages: only some kinds of objects, and in which order."""

import pytest

from agents.api.message_lists import _wanted
from agents.models import Message
from agents.wire import TYPES, View, shown
from tests.agents import given
from tests.agents.api.queries import asked

SPOKEN = "include_return_message_types=assistant_message"


@pytest.fixture
def talked(acme):
    """The paths of all lists of an agent's messages: it has answered twice, with many calls before and between."""
    agent = acme.agent()["id"]
    run = acme.post(f"agents/{agent}/messages/async", {"input": "question"})["id"]
    place = given.place(given.Agent.objects.get())
    thoughts = [{"text": "Hm.", "signature": None, "redacted": None}]
    calls = [{"id": "1", "name": "look", "arguments": "{}"}]
    contents = []
    for number in range(2):
        contents.append(("user", {"content": f"question {number}"}))
        contents += [
            ("assistant", {"text": "", "reasoning": thoughts, "calls": calls}),
            ("tool", {"call_id": "1", "name": "look", "status": "success", "text": "x"}),
        ] * 5
        contents.append(("assistant", {"text": f"answer {number}", "reasoning": thoughts, "calls": calls}))
    stored(place, contents, run_id=run)
    return {
        "agent": f"agents/{agent}/messages",
        "conversation": f"conversations/{place.id}/messages",
        "all": "messages/",
        "all of one": f"messages/?conversation_id={place.id}",
        "run": f"runs/{run}/messages",
    }


def stored(place, contents, **fields):
    """These messages, as the only ones of a conversation."""
    Message.objects.all().delete()
    of = {"organization_id": place.organization_id, "agent_id": place.agent_id, "conversation": place} | fields
    for seq, (role, content) in enumerate(contents):
        Message.objects.create(seq=seq, role=role, content=content, text=content.get("text") or "", **of)


def pages(caller, path, **query):
    """Page after page, until one is empty."""
    words = "&".join(f"{name}={value}" for name, value in query.items())
    path, cursor = path + ("&" if "?" in path else "?") + words, ""
    while page := caller.get(path + cursor):
        yield page
        cursor = f"&after={page[-1]['id']}"


@pytest.mark.parametrize("name", ["agent", "conversation", "all", "all of one"])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_page_has_so_many_messages_of_the_kinds_that_are_wanted(acme, talked, name, size):
    query = {"limit": size, "include_return_message_types": "assistant_message"}
    for order, texts in (("asc", ["answer 0", "answer 1"]), ("desc", ["answer 1", "answer 0"])):
        found = list(pages(acme, talked[name], order=order, **query))
        assert [item["content"] for page in found for item in page] == texts
        assert [len(page) for page in found] == ([1, 1] if size == 1 else [2])


@pytest.mark.parametrize("name", ["agent", "conversation", "all"])
def test_without_an_order_the_newest_of_a_kind_come_oldest_first(acme, talked, name):
    newest = acme.get(f"{talked[name]}?limit=1&{SPOKEN}")
    assert [item["content"] for item in newest] == ["answer 1"]
    assert [item["content"] for item in acme.get(f"{talked[name]}?limit=2&{SPOKEN}")] == ["answer 0", "answer 1"]
    before = acme.get(f"{talked[name]}?limit=1&{SPOKEN}&before={newest[0]['id']}")
    assert [item["content"] for item in before] == ["answer 0"]


def test_a_cursor_may_be_of_another_kind(acme, talked):
    question = Message.objects.get(content={"content": "question 1"}).id
    found = acme.get(f"{talked['agent']}?{SPOKEN}&order=asc&after={question}")
    assert [item["content"] for item in found] == ["answer 1"]


def test_messages_of_a_run_are_of_the_kinds_that_its_client_wanted(acme, talked):
    given.Run.objects.update(options={"include_return_message_types": ["assistant_message"]})
    found = [item["content"] for page in pages(acme, talked["run"], limit=1) for item in page]
    assert found == ["answer 0", "answer 1"]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_page_is_not_empty_because_its_messages_show_as_nothing(acme, talked, order):
    returned = ("tool", {"call_id": "1", "name": "send_message", "status": "success", "text": "x"})
    contents = [("user", {"content": "a"}), returned, returned, ("user", {"content": "b"})]
    stored(given.place(given.Agent.objects.get()), contents)
    found = [item["content"] for page in pages(acme, talked["agent"], limit=1, order=order) for item in page]
    assert found == (["a", "b"] if order == "asc" else ["b", "a"])


def test_without_a_filter_a_page_is_one_query(acme, talked):
    acme.get(talked["conversation"])
    with asked() as queries:
        acme.get(f"{talked['conversation']}?limit=3&order=asc")
    assert len([sql for sql, _ in queries if 'FROM "agents_message"' in sql]) == 1


@pytest.mark.parametrize("name", ["agent", "conversation", "all", "all of one", "run"])
def test_downwards_is_upwards_turned_around_with_the_objects_of_each_message(acme, talked, name):
    up, down, older = (
        [(item["id"], item["message_type"]) for page in pages(acme, talked[name], limit=3, **query) for item in page]
        for query in ({"order": "asc"}, {"order": "desc"}, {"ascending": "false"})
    )
    assert down == older == up[::-1]
    assert len(set(up)) == len(up) > len({id for id, _ in up})


@pytest.mark.parametrize("name", ["agent", "conversation", "all", "run"])
def test_what_is_stored_has_no_number(acme, talked, name):
    """Streams have numbers. They begin again with each run."""
    Message.objects.update(event_seq=7)
    whole = acme.get(talked[name]) + acme.get(f"messages/{Message.objects.earliest('seq').id}")
    assert {item["seq_id"] for item in whole} == {None}


CONTENTS = [
    ("system", {"text": "You are."}),
    ("user", {"content": "hi"}),
    ("assistant", {"text": "Well,"}),
    ("assistant", {"text": "", "reasoning": [{"text": "Hm.", "signature": None, "redacted": None}], "calls": []}),
    ("assistant", {"text": None, "reasoning": [{"text": "", "signature": None, "redacted": "x"}]}),
    ("assistant", {"text": "", "calls": [{"id": "1", "name": "look", "arguments": "{}"}]}),
    ("assistant", {"text": "", "calls": [{"id": "1", "name": "look", "arguments": '{"thinking": "So."}'}]}),
    ("assistant", {"text": "", "calls": [{"id": "1", "name": "send_message", "arguments": '{"message": "Ho"}'}]}),
    ("assistant", {"text": "", "calls": [{"id": "1", "name": "look", "arguments": "{}"}], "waiting": ["1"]}),
    ("tool", {"call_id": "1", "name": "look", "status": "success", "text": "x"}),
    ("tool", {"call_id": "1", "name": "send_message", "status": "success", "text": "x"}),
    ("approval", {"approval_request_id": "1", "approvals": []}),
    ("summary", {"summary": "So far.", "stats": dict.fromkeys(("trigger", "context_window", "context_tokens_before"))}),
]


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("options", [{}, {"use_assistant_message": False}, {"include_compaction_messages": True}])
def test_the_query_finds_all_that_shows_as_a_type(db, type, options):
    """In SQL the messages are narrowed to no less than those that show as it."""
    place = given.place(given.agent())
    stored(place, CONTENTS)
    view = View.of(options | {"include_return_message_types": [type]})
    found = Message.objects.filter(_wanted(view).narrowed)
    whole = [row.seq for row in Message.objects.order_by("seq") if shown([row], view)]
    assert set(whole) <= {row.seq for row in found}
    assert len(found) < len(CONTENTS)
    # A hidden summary is what a user says; every other type is of some message here.
    hidden = type in ("summary_message", "event_message") and not options.get("include_compaction_messages")
    assert bool(whole) != hidden


@pytest.mark.parametrize("name", ["agent", "conversation", "all"])
def test_a_type_that_there_is_not(acme, talked, name):
    [problem] = acme.refused(422, "GET", f"{talked[name]}?{SPOKEN}&include_return_message_types=assistant")
    assert problem["loc"] == ["query", "include_return_message_types"]
    assert "'assistant'" in problem["msg"]
    assert all(type in problem["msg"] for type in TYPES)


@pytest.mark.parametrize("types", [["assistant"], [7], [{}], ["user_message", None]])
def test_a_type_that_there_is_not_is_refused_before_anything_is_accepted(acme, types):
    path = f"agents/{acme.agent()['id']}/messages/async"
    [problem] = acme.refused(422, "POST", path, {"input": "hi", "include_return_message_types": types})
    assert problem["loc"] == ["body", "include_return_message_types"]
    assert given.Run.objects.count() == 0
