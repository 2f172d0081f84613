"""Where in a request a fault is: in the path, the query or the body, by the name that is used there."""

import pytest

from agents.models import Conversation
from agents.wire import STOP_REASONS
from memory.models import Passage
from tools.models import Tool


@pytest.mark.parametrize(
    ("method", "path", "body", "loc"),
    [
        ("POST", "conversations/?agent_id=x", None, ["query", "agent_id"]),
        ("POST", "agents/{agent}/messages/cancel", {"run_ids": ["bad"]}, ["body", "run_ids", 0]),
        ("GET", "agents/{agent}/messages?conversation_id=x", None, ["query", "conversation_id"]),
        ("GET", "agents/{agent}/context?conversation_id=x", None, ["query", "conversation_id"]),
        ("GET", "runs/?conversation_id=default", None, ["query", "conversation_id"]),
        ("GET", "runs/?conversation_id=default&agent_id=x", None, ["query", "agent_id"]),
        ("GET", "runs/?conversation_id=agent-x", None, ["query", "conversation_id"]),
        ("GET", "approvals/?conversation_id=default", None, ["query", "conversation_id"]),
        ("GET", "messages/?conversation_id=x", None, ["query", "conversation_id"]),
        ("GET", "messages/?conversation_id=default&agent_id=x", None, ["query", "agent_id"]),
        ("POST", "messages/search", {"query": "x", "conversation_id": "x"}, ["body", "conversation_id"]),
        ("POST", "passages/search", {"query": "x", "archive_id": "x"}, ["body", "archive_id"]),
        ("GET", "conversations/x", None, ["path", "conversation_id"]),
        ("GET", "conversations/default", None, ["path", "conversation_id"]),
        ("GET", "conversations/default/messages?agent_id=x", None, ["query", "agent_id"]),
        ("POST", "conversations/default/messages", {"input": "hi", "agent_id": "x"}, ["body", "agent_id"]),
        ("POST", "conversations/default/messages", {"input": "hi", "agent_id": 7}, ["body", "agent_id"]),
        ("POST", "conversations/default/compact", {"agent_id": "x"}, ["body", "agent_id"]),
        ("POST", "conversations/default/stream", {"agent_id": "x"}, ["body", "agent_id"]),
        ("POST", "conversations/{conversation}/stream", {"run_id": "x"}, ["body", "run_id"]),
        ("POST", "conversations/{conversation}/fork?message_id=x", None, ["query", "message_id"]),
        ("POST", "conversations/default/recompile?agent_id=x", None, ["query", "agent_id"]),
        ("GET", "folders/x", None, ["path", "folder_id"]),
    ],
)
def test_a_bad_id_is_told_with_its_place(acme, method, path, body, loc):
    agent = acme.agent()["id"]
    names = {"agent": agent, "conversation": Conversation.objects.get().id}
    assert acme.refused(422, method, path.format(**names), body)[0]["loc"] == loc


def test_a_deleted_conversation_is_told_by_its_id(acme):
    id = acme.post(f"conversations/?agent_id={acme.agent()['id']}")["id"]
    told = acme.told("DELETE", f"conversations/{id}")
    assert told == {"message": f"Conversation id={id} successfully deleted"}


@pytest.mark.parametrize("limit", [10**12, 10**300])
def test_a_number_out_of_range_is_told_with_the_range(acme, limit):
    [problem] = acme.refused(422, "GET", f"agents/?limit={limit}")
    assert (problem["loc"], problem["msg"]) == (["query", "limit"], f"Should be from 0 to {10**12 - 1}")
    assert acme.get(f"agents/?limit={10**12 - 1}") == []


@pytest.mark.parametrize(
    ("path", "loc", "known"),
    [
        ("tools/?tool_types=nope", "tool_types", Tool.Type.values),
        ("tools/?tool_types=custom,nope", "tool_types", Tool.Type.values),
        ("tools/?exclude_tool_types=nope", "exclude_tool_types", Tool.Type.values),
        ("runs/?stop_reason=bogus", "stop_reason", STOP_REASONS),
        ("agents/?last_stop_reason=bogus", "last_stop_reason", STOP_REASONS),
    ],
)
def test_a_filter_by_what_there_is_not_is_refused_with_what_there_is(acme, path, loc, known):
    [problem] = acme.refused(422, "GET", path)
    assert problem["loc"] == ["query", loc]
    assert all(value in problem["msg"] for value in known)


@pytest.mark.parametrize("path", ["tools/?tool_types=external_composio", "runs/?stop_reason=insufficient_credits"])
def test_a_filter_by_what_clients_know_may_find_nothing(acme, path):
    assert acme.get(path) == []


def test_a_search_of_tools_by_a_type_that_there_is_not(acme):
    [problem] = acme.refused(422, "POST", "tools/search", {"query": "x", "tool_types": ["nope"]})
    assert problem["loc"] == ["body", "tool_types"]


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_a_passage_without_a_text_is_not_filed(acme, text):
    agent, archive = acme.agent()["id"], acme.post("archives/", {"name": "Notes"})["id"]
    for path in (f"agents/{agent}/archival-memory", f"archives/{archive}/passages"):
        [problem] = acme.refused(422, "POST", path, {"text": text})
        assert (problem["loc"], "Should say something" in problem["msg"]) == (["body", "text"], True)
    several = {"passages": [{"text": "heron"}, {"text": text}]}
    [problem] = acme.refused(422, "POST", f"archives/{archive}/passages/batch", several)
    assert problem["loc"] == ["body", "passages", 1, "text"]
    assert not Passage.objects.exists()
