"""What may be sent to a conversation, and how each fault is told."""

import asyncio
import json

import pytest

from agents.api import async_views
from agents.api.inputs import MAX_MESSAGES
from agents.models import Message, Run
from tools.bounded_schema import LONGEST


@pytest.fixture
def path(acme):
    return f"agents/{acme.agent()['id']}/messages/async"


def user(**fields):
    return {"role": "user", "content": "hi"} | fields


def picture(**source):
    return user(content=[{"type": "image", "source": source}])


PNG = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
SOURCE = ["body", "messages", 0, "content", 0, "source"]


@pytest.mark.parametrize(
    "body",
    [
        {"input": "hi"},
        {"input": [{"type": "text", "text": "hi"}]},
        {"messages": [user()]},
        {"messages": [user(type="message"), user(role="system"), user(role="assistant")]},
        {"messages": [user(content=[{"type": "text", "text": "hi"}])]},
        {
            "messages": [
                user(content=[{"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}])
            ]
        },
        {"messages": [user(content="")]},
        {"input": "hi", "max_steps": 3, "use_assistant_message": False},
        {"input": "hi", "an_unknown_field": [1, 2]},
    ],
)
def test_what_is_taken(acme, path, body):
    assert acme.post(path, body)["status"] == "created"


def test_a_picture_that_the_archived_server_told_is_taken(acme, path):
    acme.post(path, {"messages": [picture(**PNG | {"type": "letta", "file_id": "file-1", "detail": None})]})
    assert Run.objects.get().input[0]["content"][0]["source"]["type"] == "base64"


def test_a_picture_may_have_megabytes(acme, path):
    assert acme.post(path, {"messages": [picture(**PNG | {"data": "A" * 8_000_000})]})["status"] == "created"


def test_an_agent_may_begin_with_a_long_past(acme):
    past = [user(content=str(number), sender_id="identity-1") for number in range(MAX_MESSAGES + 1)]
    agent = acme.agent(initial_message_sequence=past)
    assert Message.objects.filter(role="user").count() == len(past)
    newest = acme.get(f"agents/{agent['id']}/messages?limit=1")[0]
    assert (newest["content"], newest["sender_id"]) == (str(MAX_MESSAGES), "identity-1")
    [problem] = acme.refused(422, "POST", "agents/", {"initial_message_sequence": [*past, user(role="robot")]})
    assert problem["loc"] == ["body", "initial_message_sequence", len(past), "role"]


def test_a_body_that_is_far_too_large_is_told_so(acme, path, settings):
    large = "x" * (settings.LARGEST_JSON + 1)
    for place, body in ((path, {"input": large}), ("blocks/", {"label": "a", "value": large})):
        [problem] = acme.refused(422, "POST", place, body)
        assert (problem["loc"], problem["msg"]) == (["body"], "The body may have 20,000,000 bytes")


TOOL_CALL_ID = ["body", "messages", 0, "tool_returns", 0, "tool_call_id"]


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, ["body"]),
        ({"messages": [user()], "input": "hi"}, ["body"]),
        ({"messages": []}, ["body", "messages"]),
        ({"messages": "hi"}, ["body", "messages"]),
        ({"messages": [user()] * (MAX_MESSAGES + 1)}, ["body", "messages"]),
        ({"messages": [user(), "hi"]}, ["body", "messages", 1]),
        ({"messages": [user(role="robot")]}, ["body", "messages", 0, "role"]),
        ({"messages": [{"content": "hi"}]}, ["body", "messages", 0, "role"]),
        ({"messages": [{"role": "user"}]}, ["body", "messages", 0, "content"]),
        ({"messages": [user(content=7)]}, ["body", "messages", 0, "content"]),
        ({"messages": [user(content=[])]}, ["body", "messages", 0, "content"]),
        ({"messages": [user(content=[{"type": "text"}])]}, ["body", "messages", 0, "content", 0]),
        ({"messages": [user(content=[{"type": "image", "source": "x"}])]}, ["body", "messages", 0, "content", 0]),
        ({"messages": [picture(type="file")]}, [*SOURCE, "type"]),
        ({"messages": [picture(type=["url"])]}, [*SOURCE, "type"]),
        ({"messages": [picture(type="url")]}, [*SOURCE, "url"]),
        ({"messages": [picture(type="base64", data="AAAA")]}, [*SOURCE, "media_type"]),
        ({"messages": [picture(type="base64", media_type="image/png", data="")]}, [*SOURCE, "data"]),
        ({"messages": [picture(**PNG | {"data": "data:image/png;base64,AAAA"})]}, [*SOURCE, "data"]),
        ({"messages": [picture(**PNG | {"data": "A" + " " * 1_000_000 + "!"})]}, [*SOURCE, "data"]),  # without hours
        ({"messages": [picture(type="letta", file_id="file-1")]}, [*SOURCE, "media_type"]),
        ({"messages": [user(otid=7)]}, ["body", "messages", 0, "otid"]),
        ({"messages": [user(name=["x"])]}, ["body", "messages", 0, "name"]),
        ({"messages": [user(), user(type="approval", approve=True)]}, ["body", "messages", 1]),
        ({"messages": [{"type": "approval", "approve": "yes"}]}, ["body", "messages", 0, "approve"]),
        ({"messages": [{"type": "approval", "approvals": []}]}, ["body", "messages", 0, "approvals"]),
        ({"messages": [{"type": "tool_return", "tool_returns": [{}]}]}, TOOL_CALL_ID),
        ({"input": "hi", "client_tools": [{"name": ""}]}, ["body", "client_tools", 0, "name"]),
        (
            {"input": "hi", "client_tools": [{"name": "t", "parameters": {"description": "x" * LONGEST}}]},
            ["body", "client_tools", 0, "parameters"],
        ),
        ({"input": "hi", "max_steps": 0}, ["body", "max_steps"]),
        ({"input": "hi", "max_steps": True}, ["body", "max_steps"]),
        ({"input": "hi", "max_steps": "three"}, ["body", "max_steps"]),
        ({"input": "hi", "use_assistant_message": "yes"}, ["body", "use_assistant_message"]),
        ({"input": "hi", "include_return_message_types": "x"}, ["body", "include_return_message_types"]),
        ({"input": 7}, ["body", "messages", 0, "content"]),
    ],
)
def test_what_is_refused_is_told_with_its_place(acme, path, body, loc):
    [problem] = acme.refused(422, "POST", path, body)
    assert (problem["loc"], sorted(problem)) == (loc, ["loc", "msg", "type"])
    assert Run.objects.count() == 0


@pytest.mark.parametrize("option", [{"background": True}, {"stream_tokens": True}, {"include_pings": False}])
def test_options_of_streams_need_a_stream(acme, path, option):
    sent = path.removesuffix("/async")
    assert acme.refused(422, "POST", sent, {"input": "hi"} | option)[0]["loc"] == ["body", next(iter(option))]


@pytest.mark.parametrize(("handle", "status"), [("nobody/model", 404), ("no-slash", 400)])
def test_a_model_that_cannot_be_called_is_refused_before_anything_is_stored(acme, path, handle, status):
    assert acme.refused(status, "POST", path, {"input": "hi", "override_model": handle})
    assert Run.objects.count() == 0


# Long bodies


@pytest.fixture
def read(monkeypatch):
    """Whether each body was read in an event loop."""
    found = []

    def noted(request):
        try:
            asyncio.get_running_loop()
            found.append(True)
        except RuntimeError:
            found.append(False)
        return json.loads(request.body)

    monkeypatch.setattr(async_views, "json_body", noted)
    return found


def test_a_long_body_holds_nobody_up(acme, path, read):
    for text in ("hi", "x" * async_views.READ_AT_ONCE):
        acme.post(path, {"input": text})
    assert read == [True, False]


@pytest.mark.parametrize("end", ["messages", "messages/stream", "messages/async", "summarize"])
def test_a_long_body_of_nobody_is_not_read(acme, path, read, end):
    acme.key = "nobody's"
    acme.refused(401, "POST", path.replace("messages/async", end), {"input": "x" * async_views.READ_AT_ONCE})
    assert read == []


# Saying the same thing twice


def test_an_idempotency_key_gives_the_same_run(acme, path):
    first = acme.post(path, {"input": "hi"}, **{"Idempotency-Key": "a"})
    assert acme.post(path, {"input": "hi"}, **{"Idempotency-Key": "a"})["id"] == first["id"]
    other = acme.send("POST", path, {"input": "ho"}, **{"Idempotency-Key": "a"})
    assert (other.status_code, "another input" in other.json()["detail"]) == (422, True)


def test_the_same_otids_give_the_same_run(acme, path):
    body = {"messages": [user(otid="one"), user(otid="two")]}
    assert acme.post(path, body)["id"] == acme.post(path, body)["id"]
    assert Run.objects.count() == 1


def test_a_retry_of_the_clients_library_gives_the_same_run(acme, path):
    first = acme.post(path, {"input": "hi"})
    assert acme.post(path, {"input": "hi"}, **{"x-stainless-retry-count": "1"})["id"] == first["id"]
    assert acme.post(path, {"input": "hi"}, **{"x-stainless-retry-count": "0"})["id"] != first["id"]


def test_a_key_of_another_organization_is_another_key(acme, globex, path):
    theirs = f"agents/{globex.agent()['id']}/messages/async"
    key = {"Idempotency-Key": "a"}
    assert acme.post(path, {"input": "hi"}, **key)["id"] != globex.post(theirs, {"input": "hi"}, **key)["id"]
