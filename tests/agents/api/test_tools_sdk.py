"""Tools with the official client, against a running server."""

import uuid

import letta_client
import pytest

from tests.live import Server

ROLL_DICE = '''
def roll_dice(num_sides: int = 6) -> int:
    """Roll a die.

    Args:
        num_sides (int): How many sides it has.
    """
    import random

    return random.randint(1, num_sides)
'''


def named(name: str) -> str:
    return ROLL_DICE.replace("roll_dice", name)


def test_a_tool_is_created_from_source_and_its_schema_read(server: Server) -> None:
    client = server.client()
    tool = client.tools.create(source_code=ROLL_DICE)
    assert (tool.name, tool.tool_type, tool.description) == ("roll_dice", "custom", "Roll a die.")
    shown = client.tools.retrieve(tool.id).json_schema
    assert shown == {
        "name": "roll_dice",
        "description": "Roll a die.",
        "parameters": {
            "type": "object",
            "properties": {"num_sides": {"type": "integer", "description": "How many sides it has.", "default": 6}},
            "required": [],
        },
    }
    agent = client.agents.create(model="openai/fake-1", tool_ids=[tool.id], include_base_tools=False)
    assert [held.id for held in client.agents.tools.list(agent.id)] == [tool.id]


def test_the_life_of_a_tool(server: Server) -> None:
    client, name = server.client(), f"tool_{uuid.uuid4().hex}"
    made = client.tools.create(source_code=named(name), tags=[name], return_char_limit=99)
    again = client.tools.upsert(source_code=named(name), description="Throw.")
    assert (again.id, again.description, again.tags, again.return_char_limit) == (made.id, "Throw.", [name], 99)
    client.tools.update(made.id, source_code=named(f"{name}_2"), metadata={"a": 1})
    renamed = client.tools.retrieve(made.id)
    assert (renamed.name, renamed.metadata) == (f"{name}_2", {"a": 1})
    [found] = client.tools.search(query=name, tags=[name])
    assert (found.tool.id, found.fts_rank) == (made.id, 1)
    assert client.tools.delete(made.id) is None
    with pytest.raises(letta_client.NotFoundError):
        client.tools.delete(made.id)


def test_lists_in_both_orders(server: Server) -> None:
    client, mark = server.client(), f"listed_{uuid.uuid4().hex}"
    ids = [client.tools.create(source_code=named(f"{mark}_{number}")).id for number in range(5)]
    assert [tool.id for tool in client.tools.list(search=mark, limit=2)] == ids[::-1]
    assert [tool.id for tool in client.tools.list(search=mark, limit=2, order="asc")] == ids
    assert [tool.id for tool in client.tools.list(search=mark, limit=2, before=ids[0]).items] == [ids[2], ids[1]]
    assert {tool.id for tool in client.tools.list(tool_ids=ids[:2], tool_types=["custom"])} == set(ids[:2])
    assert list(client.tools.list(tool_ids=ids, exclude_tool_types=["custom"])) == []


def test_a_namesake_of_a_built_in_tool_is_for_those_who_attach_it(server: Server) -> None:
    client = server.client()
    agent, other = server.agent("send_message"), server.agent("send_message")
    own = client.tools.create(source_code=named("send_message"))
    client.agents.tools.attach(own.id, agent_id=agent)
    assert [tool.tool_type for tool in client.agents.tools.list(agent)] == ["custom"]
    assert [tool.tool_type for tool in client.agents.tools.list(other)] == ["letta_core"]
    assert [tool.tool_type for tool in client.agents.tools.list(server.agent("send_message"))] == ["letta_core"]
    client.agents.tools.detach(own.id, agent_id=agent)
    assert list(client.agents.tools.list(agent)) == []
    client.tools.delete(own.id)


def test_approval(server: Server) -> None:
    client, agent = server.client(), server.agent("ring_bell")
    assert client.agents.tools.update_approval("ring_bell", agent_id=agent, body_requires_approval=True) is None
    [rule] = client.agents.retrieve(agent).tool_rules or []
    assert (rule.type, rule.tool_name) == ("requires_approval", "ring_bell")
    client.agents.tools.update_approval("ring_bell", agent_id=agent, body_requires_approval=False)
    assert client.agents.retrieve(agent).tool_rules == []


def test_faults(server: Server) -> None:
    client = server.client()
    with pytest.raises(letta_client.BadRequestError, match="Failed to derive json schema: Line 2: function 'f' has no"):
        client.tools.create(source_code="\ndef f(): ...")
    with pytest.raises(letta_client.UnprocessableEntityError, match="not in typescript"):
        client.tools.create(source_code=ROLL_DICE, source_type="typescript")
    with pytest.raises(letta_client.BadRequestError, match="installs no packages"):
        client.tools.create(source_code=ROLL_DICE, pip_requirements=[{"name": "numpy"}])
