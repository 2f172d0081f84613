"""Every change of a block's value is a version, whoever makes it, and none is ever lost."""

from importlib import import_module

import pytest
from django.db import connection

from accounts.keys import issue_key
from accounts.models import User
from agents.advancing import advance
from agents.models import Agent, Conversation, Step
from memory.models import Block, BlockVersion
from memory.versions import MOST_LINES, difference
from tests.agents import given
from tests.agents.api.conftest import Caller
from tests.agents.loop.doubles import Script, calls, says

APPEND = "core_memory_append"


@pytest.fixture
def ann(acme: Caller) -> User:
    """Whose key the caller has."""
    user = User.objects.create(username="ann", organization=acme.organization)
    acme.key = issue_key(acme.organization, user=user)[1]
    return user


@pytest.fixture
def agent(acme: Caller, ann: User) -> Agent:
    made = acme.agent(memory_blocks=[{"label": "human", "value": "one", "limit": 20}], tools=[APPEND, "memory"])
    return Agent.objects.get(id=made["id"])


@pytest.fixture
def block(agent: Agent) -> str:
    return agent.blocks.get().id


def kept(block: str) -> list[tuple[int, str, str | None]]:
    rows = BlockVersion.objects.filter(block_id=block).order_by("number")
    return [(row.number, row.value, row.author_id) for row in rows]


def numbers(rows: list[dict[str, object]]) -> list[object]:
    return [row["number"] for row in rows]


def test_a_new_block_is_its_first_version(acme: Caller, ann: User, block: str) -> None:
    assert kept(block) == [(1, "one", ann.id)]
    alone = acme.post("blocks/", {"label": "alone", "value": "x"})["id"]
    assert kept(alone) == [(1, "x", ann.id)]


def test_a_change_by_a_client(acme: Caller, ann: User, agent: Agent, block: str) -> None:
    acme.patch(f"blocks/{block}", {"value": "two"})
    acme.patch(f"agents/{agent.id}/core-memory/blocks/human", {"value": "three"})
    for nothing_new in ({"value": "three"}, {"description": "d"}, {"limit": 30}):
        acme.patch(f"blocks/{block}", nothing_new)
    assert kept(block) == [(1, "one", ann.id), (2, "two", ann.id), (3, "three", ann.id)]
    assert Block.objects.get(id=block).version == 3


def test_a_change_by_an_agent_is_its_steps(ann: User, agent: Agent, block: str) -> None:
    given.said(agent)
    made = ("memory", {"command": "create", "path": "plans", "file_text": "rest", "description": "d"})
    given.advance(agent, calls((APPEND, {"label": "human", "content": "two"}), made), says("Done"))
    step = Step.objects.earliest("no").id
    assert kept(block) == [(1, "one", ann.id), (2, "one\ntwo", step)]
    assert kept(Block.objects.get(label="plans").id) == [(1, "rest", step)]


def test_a_rename_by_an_agent_is_no_version_and_its_author_is_not_left_behind(agent: Agent, block: str) -> None:
    given.said(agent)
    given.advance(agent, calls(("memory", {"command": "rename", "path": "human", "new_path": "user"})), says("Done"))
    assert len(kept(block)) == 1
    with connection.cursor() as cursor:
        cursor.execute("UPDATE memory_block SET value = 'by hand' WHERE id = %s", [block])
    assert kept(block)[1] == (2, "by hand", None)


def test_two_conversations_at_once_both_leave_a_version(acme: Caller, agent: Agent, block: str) -> None:
    places = [given.place(agent).id, acme.post(f"conversations/?agent_id={agent.id}")["id"]]
    for place in places:
        given.accept(Conversation.objects.get(id=place), given.offer("go"))
    turns = [given.claim(place, "worker-1", given.LONG) for place in places]
    for turn, word in zip(turns, ("two", "three"), strict=True):
        assert turn is not None
        said = calls((APPEND, {"label": "human", "content": word}))
        advance(turn, given.Outfit(Script(said)), given.Abort())
    steps = [turn.step.id for turn in turns if turn]
    assert kept(block)[1:] == [(2, "one\ntwo", steps[0]), (3, "one\ntwo\nthree", steps[1])]


def test_a_conversations_own_copy_begins_anew(acme: Caller, ann: User, agent: Agent, block: str) -> None:
    acme.patch(f"blocks/{block}", {"value": "two"})
    place = acme.post(f"conversations/?agent_id={agent.id}", {"isolated_block_labels": ["human"]})
    assert kept(place["isolated_block_ids"][0]) == [(1, "two", ann.id)]


def test_the_list(acme: Caller, ann: User, block: str) -> None:
    acme.patch(f"blocks/{block}", {"value": "one\ntwo"})
    acme.patch(f"blocks/{block}", {"value": "two"})
    newest, middle, first = acme.get(f"blocks/{block}/versions")
    assert (newest["number"], newest["value"], newest["block_id"]) == (3, "two", block)
    assert newest["diff"] == "@@ -1,2 +1 @@\n-one\n two"
    assert middle["diff"] == "@@ -1 +1,2 @@\n one\n+two"
    assert first["diff"] == "@@ -0,0 +1 @@\n+one"
    assert (first["author_kind"], first["author_id"]) == ("user", ann.id)
    assert numbers(acme.get(f"blocks/{block}/versions?limit=2")) == [3, 2]
    assert numbers(acme.get(f"blocks/{block}/versions?after={middle['id']}")) == [1]
    assert numbers(acme.get(f"blocks/{block}/versions?order=asc&limit=1000")) == [1, 2, 3]


def test_too_much_is_not_compared() -> None:
    assert difference("\n" * MOST_LINES, "") is None


def test_an_undo_is_a_version_and_can_be_undone(acme: Caller, ann: User, block: str) -> None:
    acme.patch(f"blocks/{block}", {"value": "two"})
    assert acme.post(f"blocks/{block}/undo")["value"] == "one"
    assert kept(block)[2] == (3, "one", ann.id)
    assert acme.post(f"blocks/{block}/undo", {})["value"] == "two"
    assert acme.post(f"blocks/{block}/undo", {"version": 1})["value"] == "one"
    assert [number for number, _, _ in kept(block)] == [1, 2, 3, 4, 5]


def test_a_person_may_undo_what_agents_may_only_read(acme: Caller, block: str) -> None:
    acme.patch(f"blocks/{block}", {"value": "two", "read_only": True})
    assert acme.post(f"blocks/{block}/undo")["value"] == "one"


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (404, {"version": 9}, "has no version 9. It has those from 1 to 2."),
        (409, {"expected_version": 1}, "is at version 2, no longer at 1"),
        (400, {"version": 1}, "1 more than the block's limit of 2"),
        (422, {"version": 0}, None),
        (422, {"version": "one"}, None),
    ],
)
def test_an_undo_that_is_refused_changes_nothing(
    acme: Caller, block: str, status: int, body: dict[str, object], told: str | None
) -> None:
    acme.patch(f"blocks/{block}", {"value": "2", "limit": 2})
    detail = acme.refused(status, "POST", f"blocks/{block}/undo", body)
    assert told is None or told in detail
    assert Block.objects.get(id=block).version == 2


def test_the_first_version_has_none_before_it(acme: Caller, block: str) -> None:
    assert "no version 0" in acme.refused(404, "POST", f"blocks/{block}/undo", {"expected_version": 1})


def test_anothers_versions_are_not_there(acme: Caller, globex: Caller, block: str) -> None:
    acme.patch(f"blocks/{block}", {"value": "two"})
    globex.refused(404, "GET", f"blocks/{block}/versions")
    globex.refused(404, "POST", f"blocks/{block}/undo")
    assert len(kept(block)) == 2


def test_versions_go_with_their_block(acme: Caller, block: str) -> None:
    acme.told("DELETE", f"blocks/{block}")
    assert kept(block) == []


def test_an_older_block_begins_with_what_it_holds(acme: Caller, ann: User, block: str) -> None:
    acme.patch(f"blocks/{block}", {"value": "two"})
    BlockVersion.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(import_module("memory.migrations.0010_versions").FIRST)
    assert kept(block) == [(2, "two", ann.id)]
    assert "from 2 to 2" in acme.refused(404, "POST", f"blocks/{block}/undo")
