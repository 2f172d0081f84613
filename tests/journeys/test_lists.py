"""Lists of messages and runs, page by page."""

import uuid

import pytest

from tests.live import Server


@pytest.fixture(scope="module")
def agent(server: Server) -> str:
    made = server.agent()
    client = server.client()
    for number in range(4):
        client.agents.messages.create(made, input=f"number {number}")
    return made


def contents(messages: object) -> list[str]:
    return [message.content for message in messages if message.message_type != "system_message"]  # type: ignore[attr-defined]


ALL = [text for number in range(4) for text in (f"number {number}", f"ok: number {number}")]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_cover_everything_once(server: Server, agent: str, limit: int) -> None:
    messages = server.client().agents.messages
    assert contents(messages.list(agent, order="asc", limit=limit)) == ALL
    assert contents(messages.list(agent, order="desc", limit=limit)) == ALL[::-1]


def test_without_an_order(server: Server, agent: str) -> None:
    """The newest page, oldest first; the cursor is absolute."""
    messages = server.client().agents.messages
    page = messages.list(agent, limit=3).items
    assert contents(page) == ALL[-3:]
    assert contents(messages.list(agent, limit=1).items) == ALL[-1:]
    assert contents(messages.list(agent, after=page[0].id).items) == ALL[-2:]
    assert contents(messages.list(agent, before=page[0].id, limit=2).items) == ALL[-5:-3]
    assert contents(messages.list(agent, limit=0).items) == []


def test_conversations(server: Server) -> None:
    client = server.client()
    conversation = client.conversations.create(agent_id=server.agent())
    for number in range(3):
        list(client.conversations.messages.create(conversation.id, input=f"number {number}"))
    assert contents(client.conversations.messages.list(conversation.id, order="asc", limit=2)) == ALL[:6]
    assert contents(client.conversations.messages.list(conversation.id, order="desc", limit=2)) == ALL[:6][::-1]


def test_runs(server: Server, agent: str) -> None:
    runs = server.client().runs
    down = [run.id for run in runs.list(agent_id=agent, limit=1)]
    assert len(down) == len(set(down)) == 4
    assert [run.id for run in runs.list(agent_id=agent, limit=3, order="asc")] == down[::-1]
    assert list(runs.list(agent_id=agent, statuses=["failed"])) == list(runs.list(agent_id=agent, active=True)) == []


def test_only_some_kinds(server: Server, agent: str) -> None:
    messages = server.client().agents.messages
    assert contents(messages.list(agent, order="asc", include_return_message_types=["user_message"])) == ALL[::2]


@pytest.mark.parametrize("limit", [1, 2])
def test_all_of_one_kind_are_reached(server: Server, agent: str, limit: int) -> None:
    messages = server.client().agents.messages
    asked = messages.list(agent, limit=limit, order="desc", include_return_message_types=["assistant_message"])
    assert contents(asked) == ALL[1::2][::-1]


def test_what_is_listed_can_be_deleted_on_the_way(server: Server) -> None:
    client, tag = server.client(), uuid.uuid4().hex
    made = {client.agents.create(model="demo/scripted", tags=[tag]).id for _ in range(5)}
    gone = set()
    for agent in client.agents.list(limit=2, tags=[tag]):
        client.agents.delete(agent.id)
        gone.add(agent.id)
    assert gone == made


def test_no_message_is_of_a_group(server: Server) -> None:
    client, agent = server.client(), server.agent()
    client.agents.messages.create(agent, input="hi")
    assert client.agents.messages.list(agent, include_err=True).items
    assert client.agents.messages.list(agent, group_id="group-1").items == []
