"""Where in a request a fault is: in the path, the query or the body, by the name that is used there."""

import pytest

from agents.models import Conversation


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
