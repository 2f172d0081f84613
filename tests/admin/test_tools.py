"""The page of a tool: what models are shown, what is run, and what came of the last calls."""

import pytest

from agents.models import ToolAttempt
from tests.admin.conftest import HOSTILE, Tenant, agent_of, talked
from tools.models import Tool


@pytest.fixture
def clock(acme: Tenant) -> Tool:
    return Tool.objects.create(
        organization=acme.organization,
        name="clock",
        description="Tell the time.",
        source_code=f"def clock(zone: str) -> str:\n    return '{HOSTILE}'",
        json_schema={"name": "clock", "parameters": {"properties": {"zone": {"type": "string"}}}},
    )


def page(tenant: Tenant, tool: Tool) -> str:
    return tenant.client.get(f"/admin/tools/tool/{tool.id}/change/").content.decode()


def test_schema_source_and_last_calls(acme: Tenant, globex: Tenant, clock: Tool) -> None:
    told = page(acme, clock)
    for part in ("&quot;zone&quot;", "def clock(zone: str)", "12 ms", "succeeded", acme.run.id):
        assert part in told
    assert HOSTILE not in told
    assert globex.run.id not in told


def test_a_tool_that_nobody_has_called(acme: Tenant, clock: Tool) -> None:
    ToolAttempt.objects.all().delete()
    assert "none yet" in page(acme, clock)


def test_only_the_last_calls(acme: Tenant, clock: Tool) -> None:
    for number in range(21):
        talked(agent_of(acme.organization, f"agent {number}"))
    told = page(acme, clock)
    assert told.count("12 ms") == 20
    assert acme.run.id not in told
