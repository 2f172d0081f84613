"""A tool of an organization that has the name of a built-in one: its own, for the agents that hold it."""

import pytest

from agents.creation import attach_tools
from agents.models import Message
from memory.models import Block
from tests.agents import given
from tests.agents.loop.doubles import calls, says
from tools import catalog
from tools.models import Tool
from tools.sandbox import Level, detect
from tools.schema import schema_from_source

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(detect().level < Level.FILTERED, reason="this machine cannot lock tools in"),
]

OWN = '''
def memory_rethink(label: str, new_memory: str) -> str:
    """Something else altogether.

    Args:
        label: A word.
        new_memory: Another.
    """
    return f"own: {label} {new_memory}"
'''


def test_a_tool_named_like_a_built_in_is_its_owners_own_and_replaces_it_for_nobody() -> None:
    holder = given.agent("memory_rethink", human="tea")
    other = given.agent("memory_rethink", human="tea", organization=holder.organization)
    schema = schema_from_source(OWN)
    own = catalog.put(
        holder.organization_id, None, {"name": "memory_rethink", "source_code": OWN, "json_schema": schema}
    )
    attach_tools(holder, [own])
    later = given.agent("memory_rethink", human="tea", organization=holder.organization)
    for agent in (holder, other, later):
        given.said(agent)
        asked = given.advance(agent, calls(("memory_rethink", {"label": "human", "new_memory": "milk"})), says("Done"))
        shown = next(tool for tool in asked.asked[0].tools if tool.name == "memory_rethink")
        assert (shown.description == "Something else altogether.") == (agent is holder)
    returns = [Message.objects.get(agent=agent, role="tool").text for agent in (holder, other, later)]
    assert returns == ["own: human milk", "milk", "milk"]
    assert [Block.objects.get(agents=agent).value for agent in (holder, other, later)] == ["tea", "milk", "milk"]
    builtin = Tool.objects.get(organization=holder.organization_id, name="memory_rethink", source_code=None)
    assert (builtin.tool_type, builtin.id != own.id) == ("letta_sleeptime_core", True)
