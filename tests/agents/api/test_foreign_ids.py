"""Ids that stand in bodies and queries: another organization's are told as ids of nothing, and reach nothing.

Those in paths have their own table, in test_views.py.
"""

from typing import Any

import pytest
from django.db import connection

from accounts.models import Organization
from agents.models import Agent
from tests.agents import given
from tests.agents.api.conftest import Caller
from tests.agents.api.test_views import IDENTITY, ids
from tools.models import McpServer

__all__ = ["ids"]

Request = tuple[str, str, dict[str, Any]]

# `{x}` is of the other organization, `{my_x}` of the one that asks.
NOT_FOUND: list[Request] = [
    *(
        request
        for name in ("block", "tool", "identity", "folder")
        for request in (
            ("POST", "agents/", {"model": "demo/scripted", f"{name}_ids": [f"{{{name}}}"]}),
            ("PATCH", "agents/{my_agent}", {f"{name}_ids": [f"{{{name}}}"]}),
        )
    ),
    ("POST", "agents/", {"model": "demo/scripted", "source_ids": ["{folder}"]}),
    ("PATCH", "agents/{my_agent}", {"source_ids": ["{folder}"]}),
    ("PATCH", "agents/{my_agent}/core-memory/blocks/attach/{block}", {}),
    ("PATCH", "agents/{my_agent}/core-memory/blocks/detach/{block}", {}),
    ("PATCH", "agents/{my_agent}/tools/attach/{tool}", {}),
    ("PATCH", "agents/{my_agent}/tools/detach/{tool}", {}),
    ("PATCH", "agents/{my_agent}/archives/attach/{archive}", {}),
    ("PATCH", "agents/{my_agent}/archives/detach/{archive}", {}),
    ("PATCH", "agents/{my_agent}/folders/attach/{folder}", {}),
    ("PATCH", "agents/{my_agent}/folders/detach/{folder}", {}),
    ("PATCH", "agents/{my_agent}/identities/attach/{identity}", {}),
    ("PATCH", "agents/{my_agent}/identities/detach/{identity}", {}),
    ("PATCH", "agents/{my_agent}/files/{file}/open", {}),
    ("PATCH", "agents/{my_agent}/files/{file}/close", {}),
    ("DELETE", "agents/{my_agent}/archival-memory/{passage}", {}),
    ("DELETE", "archives/{my_archive}/passages/{passage}", {}),
    ("GET", "folders/{my_folder}/files/{file}", {}),
    ("DELETE", "folders/{my_folder}/{file}", {}),
    ("POST", "agents/{my_agent}/tools/far/run", {"args": {}}),
    ("POST", "agents/{my_agent}/messages/cancel", {"run_ids": ["{run}"]}),
    ("GET", "agents/{my_agent}/messages?conversation_id={conversation}", {}),
    ("GET", "agents/{my_agent}/context?conversation_id={conversation}", {}),
    ("POST", "identities/", IDENTITY | {"identifier_key": "new", "agent_ids": ["{agent}"]}),
    ("POST", "identities/", IDENTITY | {"identifier_key": "new", "block_ids": ["{block}"]}),
    ("PUT", "identities/", IDENTITY | {"identifier_key": "mine", "agent_ids": ["{agent}"]}),
    ("PATCH", "identities/{my_identity}", {"agent_ids": ["{agent}"]}),
    ("PATCH", "identities/{my_identity}", {"block_ids": ["{block}"]}),
    ("GET", "identities/{my_identity}/jobs/{job}", {}),
    ("GET", "identities/{my_identity}/jobs/{job}/archive", {}),
    ("POST", "blocks/import", {"agent_id": "{agent}", "blocks": [{"label": "human", "value": "mine"}]}),
    ("POST", "passages/search", {"query": "filed", "agent_id": "{agent}"}),
    ("POST", "passages/search", {"query": "filed", "archive_id": "{archive}"}),
    ("POST", "messages/search", {"query": "hello", "agent_id": "{agent}"}),
    ("POST", "messages/search", {"query": "hello", "conversation_id": "{conversation}"}),
    ("POST", "messages/search", {"query": "hello", "conversation_id": "{agent}"}),
    ("GET", "messages?conversation_id={conversation}", {}),
    ("GET", "messages?conversation_id=default&agent_id={agent}", {}),
    ("GET", "runs?conversation_id={agent}", {}),
    ("GET", "runs?conversation_id=default&agent_id={agent}", {}),
    ("GET", "approvals?conversation_id={conversation}", {}),
    ("POST", "conversations/?agent_id={agent}", {}),
    ("POST", "conversations/{my_conversation}/fork?message_id={message}", {}),
    ("POST", "conversations/{my_conversation}/stream", {"run_id": "{run}"}),
    ("POST", "conversations/default/stream", {"agent_id": "{agent}"}),
    ("POST", "conversations/default/messages", {"agent_id": "{agent}", "input": "hello"}),
    ("POST", "conversations/default/compact", {"agent_id": "{agent}"}),
    ("PATCH", "conversations/default", {"agent_id": "{agent}", "summary": "mine"}),
    ("POST", "conversations/default/cancel?agent_id={agent}", {}),
    ("POST", "conversations/default/recompile?agent_id={agent}", {}),
    ("PATCH", "mcp-servers/{my_mcp_server}/refresh?agent_id={agent}", {}),
    ("POST", "mcp-servers/{my_mcp_server}/tools/{mcp_tool}/run", {"args": {}}),
]

NOTHING = [
    "agents?identity_id={identity}",
    "agents?identifier_keys=k",
    "agents?tags=x",
    "approvals?agent_id={agent}",
    "archives?agent_id={agent}",
    "blocks?identity_id={identity}",
    "blocks?value_search=Ann",
    "conversations?agent_id={agent}",
    "runs?agent_id={agent}",
    "runs?agent_ids={agent}",
    "runs?conversation_id={conversation}",
    "steps?agent_id={agent}",
    "steps?run_id={run}",
    "tools?tool_ids={tool}",
    "tools?names=far",
    "tags",
]

LISTS = {
    "agents": "agent",
    "approvals": "approval",
    "archives": "archive",
    "blocks": "block",
    "conversations": "conversation",
    "folders": "folder",
    "folders/{my_folder}/files": "file",
    "folders/{my_folder}/agents": "agent",
    "identities": "identity",
    "identities/{my_identity}/agents": "agent",
    "identities/{my_identity}/blocks": "block",
    "messages": "message",
    "agents/{my_agent}/messages": "message",
    "agents/{my_agent}/archival-memory": "passage",
    "agents/{my_agent}/files": "file",
    "agents/{my_agent}/tools": "tool",
    "agents/{my_agent}/core-memory/blocks": "block",
    "runs": "run",
    "runs/{my_run}/messages": "message",
    "runs/{my_run}/steps": "step",
    "steps": "step",
    "tools": "tool",
}


@pytest.fixture
def both(ids: dict[str, str], globex: Caller) -> dict[str, str]:
    """Ids of the first organization, and of the second as `my_...`."""
    agent = globex.agent()["id"]
    folder = globex.post("folders/", {"name": "Mine"})["id"]
    globex.patch(f"agents/{agent}/folders/attach/{folder}")
    near = McpServer.objects.create(
        organization_id=globex.organization.id, name="near", server_type="sse", url="https://near.example"
    )
    own = {
        "my_agent": agent,
        "my_folder": folder,
        "my_mcp_server": near.id,
        "my_archive": globex.post("archives/", {"name": "mine"})["id"],
        "my_conversation": globex.post(f"conversations/?agent_id={agent}")["id"],
        "my_identity": globex.post("identities/", IDENTITY | {"identifier_key": "mine"})["id"],
        "my_run": given.said(Agent.objects.get(id=agent)).id,
    }
    return ids | own


def filled(value: Any, with_ids: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: filled(item, with_ids) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, with_ids) for item in value]
    return value.format(**with_ids)


def rows_of(organization: Organization) -> dict[str, list[str]]:
    """Every row that belongs to it, as text."""
    found = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.columns WHERE column_name = 'organization_id'")
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT t::text FROM {table} AS t WHERE organization_id = %s ORDER BY 1", [organization.id])
            found[table] = [row for (row,) in cursor.fetchall()]
        for table in ("agents_agentblock", "agents_agenttool", "agents_agentarchive", "agents_agentidentity"):
            cursor.execute(
                f"SELECT t::text FROM {table} AS t JOIN agents_agent AS a ON a.id = t.agent_id "
                "WHERE a.organization_id = %s ORDER BY 1",
                [organization.id],
            )
            found[table] = [row for (row,) in cursor.fetchall()]
    return found


def test_they_are_not_found_and_nothing_is_changed(acme: Caller, globex: Caller, both: dict[str, str]) -> None:
    before = rows_of(acme.organization), rows_of(globex.organization)
    wrong = []
    for method, path, body in NOT_FOUND:
        response = globex.send(method, path.format(**both), filled(body, both) if method != "GET" else None)
        if response.status_code != 404:
            wrong.append((method, path, body, response.status_code, response.content[:200]))
    assert wrong == []
    assert (rows_of(acme.organization), rows_of(globex.organization)) == before


def test_lists_that_are_narrowed_by_them_are_empty(globex: Caller, both: dict[str, str]) -> None:
    assert {path: globex.get(path.format(**both)) for path in NOTHING} == {path: [] for path in NOTHING}


@pytest.mark.parametrize("name", ["after", "before"])
def test_they_are_no_cursors(globex: Caller, both: dict[str, str], name: str) -> None:
    asked = {f"{path}?{name}={{{kind}}}".format(**both): kind for path, kind in LISTS.items()}
    said = {path: globex.send("GET", path).status_code for path in asked}
    assert said == dict.fromkeys(asked, 422)


def test_messages_that_an_agent_keeps_are_its_own(globex: Caller, both: dict[str, str]) -> None:
    globex.refused(400, "PATCH", f"agents/{both['my_agent']}", {"message_ids": [both["message"]]})
