"""With 100,000 agents and 1,000,000 messages in one organization, every list and retrieval goes through an index."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from agents.models import Agent, Conversation, Message, Run, Step
from memory.models import Block
from tests.agents.api.conftest import Caller, caller
from tests.agents.api.queries import Query, asked

pytestmark = [pytest.mark.thorough, pytest.mark.django_db]

LARGE = {model._meta.db_table for model in (Agent, Block, Conversation, Message, Run, Step)}
MOST_ROWS = 3_000
"""What any part of a plan may come upon. A page may have 1000 items."""

FILL = Path(__file__).with_name("large_tables.sql").read_text()

# To answer these, all the rows of the organization are gone through; what comes of it is not long.
WHOLE = {
    "agents/count": "a number",
    "tags": "each tag once",
    "agents?order_by=last_run_completion": "sorted by what is in another table",
}

PATHS = [
    "agents",
    "agents?limit=200",
    "agents?order=asc",
    "agents?order_by=updated_at",
    "agents?after={late_agent}",
    "agents?before={late_agent}&order=asc",
    "agents?name=agent 5",
    "agents?tags=tag 77",
    "agents?tags=tag 77&tags=tag 78&match_all_tags=true",
    "agents?identity_id={identity}",
    "agents?identifier_keys=ann",
    "agents/{agent}",
    "agents/{agent}/messages",
    "agents/{agent}/messages?order=asc",
    "agents/{agent}/messages?after={late_message}&order=desc",
    "agents/{agent}/messages?before={late_message}",
    "agents/{agent}/core-memory/blocks",
    "agents/{agent}/tools",
    "blocks",
    "blocks?order=asc&after={late_block}",
    "blocks/{block}",
    "blocks/{block}/agents",
    "conversations",
    "conversations?agent_id={agent}",
    "conversations?agent_id={agent}&after={late_conversation}",
    "conversations/{late_conversation}",
    "conversations/{late_conversation}/messages",
    "identities",
    "identities/{identity}/agents",
    "messages",
    "messages?order=asc",
    "messages?after={late_message}&order=asc",
    "messages?before={late_message}",
    "messages?conversation_id={conversation}",
    "messages/{late_message}",
    "runs",
    "runs?agent_id={agent}",
    "runs?agent_id={agent}&after={late_run}",
    "runs?after={late_run}",
    "runs?conversation_id={conversation}&order=asc",
    "runs?active=true",
    "runs?agent_id={other_agent}&active=true",
    "runs/{late_run}",
    "runs/{late_run}/messages",
    "runs/{late_run}/steps",
    "runs/{late_run}/usage",
    "runs/{late_run}/metrics",
    "runs/{late_run}/trace",
    "steps",
    "steps?agent_id={agent}",
    "steps?after={late_step}",
    "steps?run_id={late_run}",
    "steps/{late_step}",
    "steps/{late_step}/messages",
    "steps/{late_step}/metrics",
    "tools",
    *WHOLE,
]


@pytest.fixture(scope="module")
def large(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[Caller, dict[str, str]]]:
    """The caller, and the ids of what its paths name."""
    with django_db_blocker.unblock():
        truncate()
        acme = caller("Large")
        yield acme, filled(acme)
        truncate()


def truncate() -> None:
    """Of tables that were emptied by deleting Postgres may believe that their pages hold nothing, and join new rows
    with new rows by going through all of them, until it is told otherwise."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE accounts_organization CASCADE")


def filled(acme: Caller) -> dict[str, str]:
    agent = acme.agent(memory_blocks=[{"label": "human", "value": ""}])
    body = {"identifier_key": "ann", "name": "Ann", "identity_type": "user", "agent_ids": [agent["id"]]}
    conversation = Conversation.objects.get(agent_id=agent["id"]).id
    words = {"organization": acme.organization.id, "agent": agent["id"], "conversation": conversation}
    with connection.cursor() as cursor:
        for statement in FILL.split(";"):
            cursor.execute(statement, words if "%(" in statement else None)
    assert (Agent.objects.count(), Message.objects.count() >= 1_000_000) == (100_000, True)
    return words | {
        "identity": acme.post("identities/", body)["id"],
        "block": agent["blocks"][0]["id"],
        "other_agent": late(Agent),
        "late_agent": late(Agent),
        "late_block": late(Block),
        "late_conversation": late(Conversation, agent_id=agent["id"], is_default=False),
        "late_message": late(Message, conversation_id=conversation),
        "late_run": late(Run, conversation_id=conversation),
        "late_step": late(Step, agent_id=agent["id"]),
    }


def late(model: Any, **which: Any) -> str:
    """The id of a row from the middle, by age."""
    rows = model.objects.filter(**which).order_by("created_at", "id")
    return str(rows[rows.count() // 2].id)


@pytest.mark.parametrize("path", PATHS)
def test_no_path_goes_through_a_table(large: tuple[Caller, dict[str, str]], path: str) -> None:
    acme, ids = large
    with asked() as queries:
        in_another_thread(lambda: acme.get(path.format(**ids).replace(" ", "%20")))
    assert queries
    assert [wrong for query in queries for step in scans(query) if (wrong := trouble(step, query, path))] == []


def in_another_thread(request: Callable[[], Any]) -> None:
    """With a connection of its own, because some requests give theirs back: this test's has a transaction open."""

    def asking() -> None:
        try:
            request()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asking).result()


def trouble(step: dict[str, Any], query: Query, path: str) -> str:
    """What is wrong with a part of a plan, or nothing."""
    read = (step["Actual Rows"] + step.get("Rows Removed by Filter", 0)) * step["Actual Loops"]
    if path in WHOLE or (step["Node Type"] != "Seq Scan" and read <= MOST_ROWS):
        return ""
    through = step.get("Index Name", "no index")
    return f"{step['Node Type']} of {step['Relation Name']} through {through}: {read} rows, for {query[0]}"


def scans(query: Query) -> Iterator[dict[str, Any]]:
    """The parts of the plan that read a large table."""
    sql, params = query
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
        ((told,),) = cursor.fetchall()
    plan = told if isinstance(told, list) else json.loads(told)
    yield from (step for step in parts(plan[0]["Plan"]) if step.get("Relation Name") in LARGE)


def parts(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from parts(inner)
