"""Facts that were said and have left the context are found again, by a scripted policy that searches for each of them.

python -m pytest tests/journeys/test_planted_facts.py --faults -s        the long one, with its figures
"""

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.retrieval import made
from memory import minilm
from memory.embeddings import LOCAL
from tests.fakellm import FakeLLM
from tests.journeys.test_organizations import SECOND
from tests.journeys.test_search import history_has_vectors
from tests.live import Server
from tests.live.waiting import wait_until

TOGETHER = 3
"""So many messages of the user come in one request; the agent answers with one."""
LIMIT = 16_000
AT_ONCE = 25
NOTED = "Noted."


@dataclass(frozen=True)
class Told:
    """What was said, and what is asked about it: (kind, question, the text that is wanted)."""

    agent: str
    texts: list[str]
    questions: list[tuple[str, str, str]]


def script_of(facts: int, messages: int) -> tuple[list[str], list[tuple[str, str, str]]]:
    """What the user says, older facts before their corrections, and what is asked about it."""
    lines = made(facts)
    told = {line["id"]: line for line in lines if "text" in line}
    rng = random.Random(5)
    early = [line["text"] for id, line in told.items() if id.startswith("fact")]
    late = [line["text"] for id, line in told.items() if id.startswith("newer")]
    spoken = messages * TOGETHER // (TOGETHER + 1)
    talk = [f"Nothing much happened on day {number}." for number in range(spoken - len(early) - len(late))]
    first, second = talk[: len(talk) // 2] + early, talk[len(talk) // 2 :] + late
    rng.shuffle(first)
    rng.shuffle(second)
    asked = [(line["kind"], line["question"], told[line["gold"][0]]["text"]) for line in lines if "question" in line]
    return first + second, asked


def planted(server: Server, facts: int, messages: int, compactions: int, **fields: Any) -> Told:
    """Tell an agent all of it, and have its context summarised again and again. Its window never overflows."""
    client = server.client()
    texts, questions = script_of(facts, messages)
    agent = server.agent("conversation_search", context_window_limit=LIMIT, **fields)
    starts = list(range(0, len(texts), TOGETHER))
    due = [starts[len(starts) * number // compactions - 1] for number in range(1, compactions + 1)]
    for start in starts:
        said = [{"role": "user", "content": text} for text in texts[start : start + TOGETHER]]
        said[-1]["content"] += f"\n!say {NOTED}"
        client.agents.messages.create(agent, messages=said)  # type: ignore[arg-type]
        if start in due:
            settings: Any = {"mode": "all"} if start == due[-1] else {"sliding_window_percentage": 0.8}
            server.llm.script(match="Conversation:", text="Facts about people, and small talk.")
            client.agents.messages.compact(agent, compaction_settings=settings)
            assert in_window(server, agent)["context_window_size_current"] < LIMIT
    return Told(agent, texts, questions)


def in_window(server: Server, agent: str) -> dict[str, Any]:
    return server.client().get(f"/v1/agents/{agent}/context", cast_to=dict[str, Any])


def stored(server: Server, agent: str) -> list[str]:
    rows = server.sql(
        "SELECT text FROM agents_message WHERE agent_id = %s AND role IN ('user', 'assistant') ORDER BY seq", agent
    )
    return [text.removesuffix(f"\n!say {NOTED}") for (text,) in rows]


def searched(server: Server, agent: str, searches: list[dict[str, Any]]) -> list[list[str]]:
    """What each search finds, made by the agent itself: many in one answer, asked for by a message without words."""
    found: list[list[str]] = []
    for start in range(0, len(searches), AT_ONCE):
        name = f"Search {start} of {len(searches)}."
        calls = [{"name": "conversation_search", "arguments": one} for one in searches[start : start + AT_ONCE]]
        server.llm.script(match=name, calls=calls)
        answer = server.client().agents.messages.create(agent, input=name)
        returns = [json.loads(message.tool_return) for message in answer.messages if hasattr(message, "tool_return")]
        found += [[result["content"] for result in one["results"]] for one in returns]
    assert len(found) == len(searches)
    return found


def place_of(wanted: str, found: list[str]) -> int | None:
    return next((place for place, text in enumerate(found) if text.startswith(wanted)), None)


def figures(server: Server, told: Told) -> dict[str, tuple[float, float]]:
    """For each kind of question, which share has the wanted text first, and among five."""
    found = searched(server, told.agent, [{"query": question, "limit": 5} for _, question, _ in told.questions])
    places: dict[str, list[int | None]] = {}
    for (kind, _, wanted), texts in zip(told.questions, found, strict=True):
        places.setdefault(kind, []).append(place_of(wanted, texts))
    shares = {
        kind: (of.count(0) / len(of), sum(place is not None for place in of) / len(of)) for kind, of in places.items()
    }
    for kind, (first, five) in shares.items():
        print(f"{kind:10} {len(places[kind]):4} questions  first {first:.3f}  among five {five:.3f}")
    return shares


def check_all_is_kept(server: Server, told: Told, messages: int) -> None:
    kept = stored(server, told.agent)
    assert len(kept) == messages
    assert [text for text in kept if text != NOTED] == told.texts
    shown = json.dumps(in_window(server, told.agent)["messages"])
    assert not any(text in shown for text in told.texts)


SMALL = (10, 60, 2)
LONG = (100, 2_000, 5)
"""Facts, messages, compactions."""
SIZES = [
    pytest.param(SMALL, id="small"),
    pytest.param(LONG, id="long", marks=[pytest.mark.thorough, pytest.mark.timeout(1_200)]),
]


@pytest.mark.parametrize("size", SIZES)
def test_by_words(server: Server, size: tuple[int, int, int]) -> None:
    told = planted(server, *size)
    check_all_is_kept(server, told, size[1])
    shares = figures(server, told)
    assert shares["same"][1] >= 0.99
    assert shares["corrected"][0] >= 0.95


@pytest.fixture
def embedding_server(tmp_path: Path, llm: FakeLLM) -> Iterator[Server]:
    """One that may use the local model."""
    with Server(tmp_path, llm, PERDURE_LOCAL_EMBEDDINGS="1", PERDURE_SWEEP="0.5") as running:
        yield running


@pytest.mark.skipif(minilm.folder() is None, reason="the local embedding model is not installed")
@pytest.mark.parametrize("size", SIZES)
def test_by_words_and_vectors(embedding_server: Server, size: tuple[int, int, int]) -> None:
    server = embedding_server
    told = planted(server, *size, embedding=LOCAL)
    check_all_is_kept(server, told, size[1])
    wait_until(lambda: history_has_vectors(server, told.agent), 600, "the messages have their vectors")
    shares = figures(server, told)
    assert shares["same"][1] >= 0.99
    assert shares["other"][1] >= 0.80
    assert shares["corrected"][0] >= 0.90


def test_searches_stay_within_their_bounds(server: Server) -> None:
    """Neither another agent's messages, nor another organization's, nor deleted ones; roles and dates are honoured."""
    client, agent, other = server.client(), server.agent("conversation_search"), server.agent()
    stranger = server.client(key=server.manage("shell", script=SECOND).split("key:")[1].split()[0])
    theirs = stranger.agents.create(model="openai/fake-1", include_base_tools=False).id
    client.agents.messages.create(other, input="The pelican is not mine.")
    stranger.agents.messages.create(theirs, input="The pelican is a stranger's.")
    gone = client.conversations.create(agent_id=agent).id
    list(client.conversations.messages.create(gone, input="The pelican is gone.\n!say The pelican was here."))
    client.conversations.delete(gone)
    client.agents.messages.create(agent, input="The pelican is mine.\n!say A pelican, then.")
    bounds = [
        {},
        {"roles": ["assistant"]},
        {"roles": ["user"]},
        {"end_date": "2026-01-01"},
        {"start_date": "2026-01-01"},
    ]
    found = searched(server, agent, [{"query": "pelican", "limit": 20, **one} for one in bounds])
    pelicans = [{text.partition("\n")[0] for text in texts if "elican" in text} for texts in found]
    mine, answer = "The pelican is mine.", "A pelican, then."
    assert pelicans == [{mine, answer}, {answer}, {mine}, set(), {mine, answer}]
    of_strangers = stranger.messages.search(query="pelican")
    assert {item.agent_id for item in of_strangers} == {theirs}


def test_an_agent_is_told_what_it_remembers(server: Server) -> None:
    """Set through the client that knows nothing of it; the same bytes in every step, and in the turns that follow."""
    client = server.client()
    agent = server.agent("conversation_search", extra_body={"retrieval": {"sources": ["archives"], "tokens": 300}})
    client.agents.passages.create(agent, text="The heron at the pier is called Edgar.")
    asked = "How is the heron called?"
    server.llm.script(match=asked, calls=[{"name": "conversation_search", "arguments": {"query": "pier"}}])
    client.agents.messages.create(agent, input=asked)
    client.agents.messages.create(agent, input="Thank you.")
    requests = [one["body"]["messages"][1:] for one in server.llm.calls() if agent in str(one["body"])]
    assert len(requests) == 3
    assert "is called Edgar" in str(requests[0])
    for earlier, later in itertools.pairwise(requests):
        assert later[: len(earlier)] == earlier
    shown = client.agents.messages.list(agent, order="asc").items
    assert [message.content for message in shown if message.message_type == "user_message"] == [asked, "Thank you."]
