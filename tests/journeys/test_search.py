"""What is filed is found again: by words and by vectors, also after the embedder was away, and at the end of chains."""

import itertools
import json
import random
import uuid
from typing import Any

import pytest

from memory import minilm
from tests.fakellm import FakeLLM
from tests.live import Server
from tests.live.directions import call, turn
from tests.live.waiting import wait_until

EMBEDDING = "openai/text-embedding-3-small"
PAIRS = 150
LEVELS = 4
AT_ONCE = 28


def vectors_made(server: Server, archive: str) -> bool:
    [(missing,)] = server.sql("SELECT count(*) FROM memory_missingvector WHERE archive_id = %s", archive)
    return bool(missing == 0)


def contents(found: Any) -> list[str]:
    return [result.passage.text for result in found]


def test_an_archive_with_an_embedding(server: Server) -> None:
    client = server.client()
    archive = client.archives.create(name=f"Birds {uuid.uuid4()}", embedding=EMBEDDING)
    assert archive.embedding_config
    assert (archive.embedding_config.handle, archive.embedding_config.embedding_dim) == (EMBEDDING, 1536)
    client.archives.passages.create_many(
        archive.id,
        passages=[
            {"text": "likeheron at the pond", "tags": ["bird"], "created_at": "2026-01-02T12:00:00Z"},
            {"text": "an old oak", "tags": ["tree"], "created_at": "2026-01-03T12:00:00Z"},
            {"text": "the harbour in winter", "tags": ["place"], "created_at": "2026-02-01T12:00:00Z"},
        ],
    )
    wait_until(lambda: vectors_made(server, archive.id), what="the vectors are made")
    found = client.passages.search(archive_id=archive.id, query="heron")
    assert contents(found)[0] == "likeheron at the pond"
    assert found[0].metadata == {"words_only": False}
    by_tag = client.passages.search(archive_id=archive.id, query="heron", tags=["tree", "place"])
    assert set(contents(by_tag)) == {"an old oak", "the harbour in winter"}
    by_date = client.passages.search(
        archive_id=archive.id, query="heron", start_date="2026-01-03", end_date="2026-01-31"
    )  # type: ignore[arg-type]
    assert contents(by_date) == ["an old oak"]


def test_an_agent_searches_by_vectors_too(server: Server) -> None:
    client = server.client()
    archive = client.archives.create(name="x", embedding=EMBEDDING)
    agent = server.agent("archival_memory_search", "archival_memory_insert")
    client.agents.archives.attach(archive.id, agent_id=agent)
    filed = call("archival_memory_insert", content="likelighthouse in the north")
    client.agents.messages.create(agent, input=turn(filed, "!say ok"))
    wait_until(lambda: vectors_made(server, archive.id), what="the vector is made")
    answer = client.agents.messages.create(
        agent, input=turn(call("archival_memory_search", query="lighthouse"), "!say ok")
    )
    [found] = json.loads(answer.messages[1].tool_return)
    assert found["content"] == "likelighthouse in the north"


def history_has_vectors(server: Server, agent: str) -> bool:
    [(behind,)] = server.sql(
        "SELECT count(*) FROM agents_conversation AS place LEFT JOIN agents_embeddedhistory AS known "
        "ON known.conversation_id = place.id WHERE place.agent_id = %s "
        "AND known.seq IS DISTINCT FROM place.next_seq - 1",
        agent,
    )
    return bool(behind == 0)


def test_what_was_said_is_found_in_other_words(server: Server) -> None:
    client = server.client()
    agent = server.agent("conversation_search", embedding=EMBEDDING)
    client.agents.messages.create(agent, input="There is a likecormorant on the pier.")
    client.agents.messages.create(agent, input="The ferry leaves at noon.")
    wait_until(lambda: history_has_vectors(server, agent), what="the messages have their vectors")
    for mode in ("vector", "hybrid"):
        found = client.messages.search(query="cormorant", agent_id=agent, search_mode=mode)  # type: ignore[arg-type]
        assert "likecormorant" in str(found[0].content)
        assert found[0].words_only is False  # type: ignore[union-attr]
    assert client.messages.search(query="cormorant", agent_id=agent, search_mode="fts") == []
    asked = turn(call("conversation_search", query="cormorant", roles=["user"], limit=2), "!say ok")
    answer = client.agents.messages.create(agent, input=asked)
    assert any("likecormorant" in found["content"] for found in json.loads(answer.messages[1].tool_return)["results"])


def test_an_embedder_that_is_down_loses_nothing(tmp_path: Any) -> None:
    with FakeLLM() as llm, Server(tmp_path, llm, PERDURE_SWEEP="0.3") as server:
        client = server.client()
        archive = client.archives.create(name="x", embedding=EMBEDDING)
        llm.script_embeddings({"status": 401, "repeat": 0})
        client.archives.passages.create(archive.id, text="likeheron at the pond")
        wait_until(
            lambda: server.sql("SELECT 1 FROM memory_missingvector WHERE error LIKE '%%status 401%%'"),
            what="the failure is noted",
        )
        client.archives.passages.create(archive.id, text="a heron")
        found = client.passages.search(archive_id=archive.id, query="heron")
        assert (contents(found), found[0].metadata) == (["a heron"], {"words_only": True})
        llm.reset()
        wait_until(lambda: vectors_made(server, archive.id), what="the vectors are made")
        assert set(contents(client.passages.search(archive_id=archive.id, query="heron"))) == {
            "a heron",
            "likeheron at the pond",
        }
        changed = client.patch(f"/v1/archives/{archive.id}", body={"embedding": "openai/other"}, cast_to=object)
        assert changed["coming_embedding"] == "openai/other"  # type: ignore[index]
        wait_until(
            lambda: client.archives.retrieve(archive.id).embedding_config.handle == "openai/other",  # type: ignore[union-attr]
            what="the new embedding takes over",
        )


def chain(rng: random.Random, level: int) -> tuple[str, str, list[tuple[str, str]]]:
    keys = [str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(level + 1)]
    return keys[0], keys[-1], list(itertools.pairwise(keys))


@pytest.mark.parametrize("embedding", ["none", EMBEDDING])
def test_nested_keys_are_looked_up_to_their_last_value(server: Server, embedding: str) -> None:
    """A scripted policy: look the key up, and its value, until it is no key any more."""
    client, rng = server.client(), random.Random(7)
    chains = [chain(rng, level) for level in range(1, LEVELS + 1) for _ in range(PAIRS // 10)]
    pairs = [pair for _, _, found in chains for pair in found]
    assert len(pairs) == PAIRS
    archive = client.archives.create(name="keys", embedding=embedding)
    rng.shuffle(pairs)
    client.archives.passages.create_many(
        archive.id, passages=[{"text": f"key: {key}, value: {value}"} for key, value in pairs]
    )
    agent = server.agent("archival_memory_search")
    client.agents.archives.attach(archive.id, agent_id=agent)
    wait_until(lambda: vectors_made(server, archive.id), what="the vectors are made")
    current = {first: first for first, _, _ in chains}
    for _ in range(LEVELS):
        keys = list(current.values())
        values = [
            value for at in range(0, len(keys), AT_ONCE) for value in looked_up(server, agent, keys[at : at + AT_ONCE])
        ]
        current = {first: value or key for (first, key), value in zip(current.items(), values, strict=True)}
    assert [current[first] for first, _, _ in chains] == [last for _, last, _ in chains]


def looked_up(server: Server, agent: str, keys: list[str]) -> list[str | None]:
    """One turn with all searches in one answer."""
    asked = [call("archival_memory_search", query=key) for key in keys]
    said = server.client().agents.messages.create(agent, input="\n".join([*asked, "!then", "!say ok"]))
    returns = [json.loads(message.tool_return) for message in said.messages if hasattr(message, "tool_return")]
    return [value_of(key, found) for key, found in zip(keys, returns, strict=True)]


def value_of(key: str, found: Any) -> str | None:
    results = found["results"] if isinstance(found, dict) else found
    texts = [result["content"] for result in results]
    return next((text.rpartition(" ")[2] for text in texts if text.startswith(f"key: {key},")), None)


@pytest.mark.skipif(minilm.folder() is None, reason="the local embedding model is not installed")
def test_the_local_model_needs_no_server(tmp_path: Any, llm: FakeLLM) -> None:
    with Server(tmp_path, llm, PERDURE_LOCAL_EMBEDDINGS="1", PERDURE_SWEEP="0.3") as server:
        client = server.client()
        [listed] = [one for one in client.models.embeddings.list() if one.provider_name == "local"]
        archive = client.archives.create(name="x")
        assert archive.embedding_config
        assert archive.embedding_config.handle == listed.handle == "local/all-minilm-l6-v2"
        for text in ("Ann is a physician in Oslo.", "The ferry leaves at noon.", "Bo grows tomatoes."):
            client.archives.passages.create(archive.id, text=text)
        wait_until(lambda: vectors_made(server, archive.id), what="the vectors are made")
        found = client.passages.search(archive_id=archive.id, query="Who works as a doctor?")
        assert contents(found)[0] == "Ann is a physician in Oslo."
