"""Archives that agents share: filed by a client, found by an agent, and the other way round."""

import uuid
from datetime import UTC, datetime

import letta_client
import pytest

from tests.live import Server

TOOLS = ["archival_memory_insert", "archival_memory_search"]


def test_an_archive_from_its_making_to_its_end(server: Server) -> None:
    client, name = server.client(), f"Ships {uuid.uuid4()}"
    made = client.archives.create(name=name, description="All of them.")
    assert [archive.id for archive in client.archives.list(name=name)] == [made.id]
    assert client.archives.update(made.id, description="Some.").description == "Some."
    passage = client.archives.passages.create(
        made.id, text="Heron", tags=["x"], metadata={"berth": 7}, created_at="2026-01-02T03:04:05Z"
    )
    assert (passage.metadata, passage.created_at) == ({"berth": 7}, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    more = client.archives.passages.create_many(made.id, passages=[{"text": "Egret"}, {"text": "Stork", "tags": ["y"]}])
    assert [passage.text for passage in more] == ["Egret", "Stork"]
    client.archives.passages.delete(more[0].id, archive_id=made.id)
    left = client.passages.search(archive_id=made.id)
    assert [result.passage.text for result in left] == ["Stork", "Heron"]
    client.archives.delete(made.id)
    with pytest.raises(letta_client.NotFoundError):
        client.archives.retrieve(made.id)


def test_archives_are_walked_in_both_orders(server: Server) -> None:
    client, agent = server.client(), server.agent()
    made = [client.archives.create(name=f"{number}").id for number in range(5)]
    for archive in made:
        assert client.agents.archives.attach(archive, agent_id=agent) is None
    assert [archive.id for archive in client.archives.list(agent_id=agent, limit=2, order="asc")] == made
    assert [archive.id for archive in client.archives.list(agent_id=agent, limit=2)] == made[::-1]
    for archive in made[1:]:
        assert client.agents.archives.detach(archive, agent_id=agent) is None
    assert [archive.id for archive in client.archives.list(agent_id=agent)] == made[:1]


def test_two_agents_share_what_one_of_them_files(server: Server) -> None:
    client = server.client()
    first, second = (client.agents.create(model="demo/scripted", tools=TOOLS).id for _ in range(2))
    client.agents.messages.create(first, input="File away: the lighthouse keeper is called Bo.")
    [archive] = client.archives.list(agent_id=first)
    client.agents.archives.attach(archive.id, agent_id=second)
    answer = client.agents.messages.create(second, input="Search your archive for lighthouse")
    assert "Bo" in str(answer.messages[-1].content)
    client.agents.archives.detach(archive.id, agent_id=second)
    assert client.agents.passages.search(second, query="lighthouse").count == 0


def test_the_passages_of_an_agent(server: Server) -> None:
    client = server.client()
    agent = client.agents.create(model="demo/scripted", tools=TOOLS, timezone="Europe/Vienna").id
    when = datetime(2026, 1, 2, 12, tzinfo=UTC)
    [heron] = client.agents.passages.create(agent, text="The heron is grey", tags=["bird", "grey"], created_at=when)
    [oak] = client.agents.passages.create(agent, text="The oak is grey", tags=["tree"])
    assert [passage.id for passage in client.agents.passages.list(agent)] == [heron.id, oak.id]
    assert [passage.id for passage in client.agents.passages.list(agent, ascending=False, limit=1)] == [oak.id]
    assert [passage.id for passage in client.agents.passages.list(agent, search="heron")] == [heron.id]
    found = client.agents.passages.search(
        agent, query="grey", tags=["bird", "tree"], tag_match_mode="any", top_k=5, end_datetime=datetime(2026, 1, 3)
    )
    assert [(result.content, result.timestamp) for result in found.results] == [
        ("The heron is grey", "2026-01-02T13:00:00+01:00")
    ]
    assert [item.passage.id for item in client.passages.search(agent_id=agent, query="oak")] == [oak.id]
    assert "oak" in str(client.agents.messages.create(agent, input="Search your archive for oak").messages[-1].content)
    client.agents.passages.delete(heron.id, agent_id=agent)
    assert [passage.id for passage in client.agents.passages.list(agent)] == [oak.id]


def test_what_cannot_be(server: Server) -> None:
    client = server.client()
    with pytest.raises(letta_client.BadRequestError, match="GROQ_API_KEY"):
        client.archives.create(name="x", embedding="groq/some-embedding")
    with pytest.raises(letta_client.BadRequestError, match="numbers, and embedding_dim is 3"):
        client.archives.create(
            name="x",
            embedding="openai/text-embedding-3-small",
            embedding_config={"embedding_dim": 3, "embedding_endpoint_type": "openai", "embedding_model": "x"},
        )
    archive = client.archives.create(name="x").id
    with pytest.raises(letta_client.UnprocessableEntityError, match="Split it up"):
        client.archives.passages.create(archive, text="x" * 40_000)
