"""Conversations with real workers: a model of their own, streams that are taken up again, forks that go on."""

import letta_client
import pytest

from tests.live import Server, call, turn


@pytest.fixture
def conversation(server: Server) -> str:
    return str(server.client().conversations.create(agent_id=server.agent("set_lamp")).id)


def texts(events: object) -> list[str]:
    return [event.content for event in events if event.message_type == "assistant_message"]  # type: ignore[attr-defined]


def begun(server: Server, conversation: str, text: str, otid: str | None = None) -> str:
    """A run in the background, and nobody listens; its id."""
    message = {"role": "user", "content": text} | ({"otid": otid} if otid else {})
    with server.client().conversations.messages.create(
        conversation,
        messages=[message],  # type: ignore[list-item]
        background=True,
    ) as stream:
        return str(next(iter(stream)).run_id)


class TestStreams:
    def test_the_run_under_way(self, server: Server, conversation: str) -> None:
        run = begun(server, conversation, "one\n!sleep 1")
        begun(server, conversation, "two")
        events = list(server.client().conversations.messages.stream(conversation))
        assert {event.run_id for event in events if event.message_type == "assistant_message"} == {run}

    def test_by_otid_while_it_waits_and_when_it_is_over(self, server: Server, conversation: str) -> None:
        begun(server, conversation, "one\n!sleep 1")
        begun(server, conversation, "two", otid="mine-2")
        for _ in range(2):
            assert texts(server.client().conversations.messages.stream(conversation, otid="mine-2")) == ["ok: two"]

    def test_by_run_from_behind_an_event(self, server: Server, conversation: str) -> None:
        run = begun(server, conversation, "one")
        server.await_end(run)
        events = list(server.client().conversations.messages.stream(conversation, run_id=run))
        assert texts(events) == ["ok: one"]
        after = next(event.seq_id for event in events if event.message_type == "assistant_message")
        rest = list(server.client().conversations.messages.stream(conversation, run_id=run, starting_after=after))
        assert [event.message_type for event in rest] == ["stop_reason", "usage_statistics"]

    def test_nothing_to_follow(self, server: Server, conversation: str) -> None:
        stream = server.client(max_retries=0).conversations.messages.stream
        for words in ({}, {"otid": "nobody's"}, {"run_id": "run-00000000-0000-4000-8000-000000000000"}):
            with pytest.raises(letta_client.NotFoundError):
                list(stream(conversation, **words))
        with pytest.raises(letta_client.UnprocessableEntityError):
            list(stream(conversation, starting_after=-1))


def test_a_model_of_its_own(server: Server) -> None:
    client = server.client()
    agent = server.agent()
    conversation = client.conversations.create(agent_id=agent, model="anthropic/fake-2").id
    list(client.conversations.messages.create(conversation, input="hi"))
    client.conversations.update(conversation, model="openai/fake-2")
    list(client.conversations.messages.create(conversation, input="hi"))
    client.conversations.update(conversation, model=None)  # the agent's again
    list(client.conversations.messages.create(conversation, input="hi"))
    steps = client.steps.list(agent_id=agent, order="asc").items
    assert [step.api_model_handle for step in steps] == ["anthropic/fake-2", "openai/fake-2", "openai/fake-1"]


def test_a_fork_goes_on_where_the_original_was(server: Server, conversation: str, tmp_path) -> None:
    client = server.client()
    list(client.conversations.messages.create(conversation, input=turn(call("set_lamp", folder=tmp_path), "!say lit")))
    fork = client.conversations.fork(conversation).id
    list(client.conversations.messages.create(fork, input="In the fork"))
    list(client.conversations.messages.create(conversation, input="In the original"))
    asked = [call for call in server.llm.calls() if call["user"].startswith("In the ")][-2:]
    assert [len(call["body"]["messages"]) for call in asked] == [6, 6]
    contents = [message.content for message in client.conversations.messages.list(fork, order="desc", limit=2).items]
    assert contents == ["ok: In the fork", "In the fork"]


def test_deleted(server: Server, conversation: str) -> None:
    client = server.client(max_retries=0)
    run = begun(server, conversation, "one\n!sleep 2")
    with pytest.raises(letta_client.ConflictError):
        client.conversations.delete(conversation)
    server.await_end(run)
    client.conversations.delete(conversation)
    with pytest.raises(letta_client.NotFoundError):
        list(client.conversations.messages.create(conversation, input="hi"))
    assert server.sql("SELECT 1 FROM agents_inbox WHERE conversation_id = %s", conversation) == []
