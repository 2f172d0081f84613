"""Tools that users write: from a Python function to a call in the jail, and back to the agent."""

import inspect
import json
import textwrap
from typing import Any

import letta_client
import pytest
from pydantic import BaseModel, Field

from tests.live import Server, call, turn, wait_until

pytestmark = pytest.mark.usefixtures("jail")

ROLL_DICE = '''
import random

def roll_dice(num_sides: int = 6) -> int:
    """Roll a die.

    Args:
        num_sides (int): How many sides the die has.

    Returns:
        int: What it shows.
    """
    return random.randint(1, num_sides)
'''


def tool(server: Server, source: str, **fields: Any) -> Any:
    return server.client().tools.upsert(source_code=textwrap.dedent(source), **fields)


def result(server: Server, source: str, /, secrets: dict[str, str] | None = None, **arguments: Any) -> Any:
    """What comes of it when an agent calls the tool: the tool return message."""
    made = tool(server, source)
    agent = server.agent(tool_ids=[made.id], secrets=secrets or {})
    answer = server.client().agents.messages.create(agent, input=turn(call(made.name, **arguments), "!say done"))
    assert answer.messages[-1].content == "done"
    return next(message for message in answer.messages if message.message_type == "tool_return_message")


def test_a_function_becomes_a_tool_that_an_agent_calls(server: Server) -> None:
    client, made = server.client(), tool(server, ROLL_DICE)
    assert made.json_schema["parameters"]["properties"]["num_sides"]["type"] == "integer"
    agent = server.agent(tool_ids=[made.id])
    answer = client.agents.messages.create(agent, input=turn(call("roll_dice", num_sides=2), "!say It is rolled."))
    kinds = [message.message_type for message in answer.messages]
    assert kinds == ["tool_call_message", "tool_return_message", "assistant_message"]
    returned = answer.messages[1]
    assert (returned.name, returned.status) == ("roll_dice", "success")
    assert returned.tool_return in ("1", "2")
    assert answer.messages[-1].content == "It is rolled."
    assert answer.usage.step_count == 2


def test_the_model_is_shown_its_schema(server: Server) -> None:
    made = tool(server, ROLL_DICE)
    agent = server.agent(tool_ids=[made.id])
    server.client().agents.messages.create(agent, input="hello there, dice")
    request = next(one for one in server.llm.calls() if one["user"] == "hello there, dice")
    [shown] = [one["function"] for one in request["body"]["tools"]]
    assert (shown["name"], shown["description"]) == ("roll_dice", "Roll a die.")


class Item(BaseModel):
    name: str = Field(description="What it is.")


class Entry(BaseModel):
    items: list[Item] = Field(description="What has come.")
    changed_by: int = Field(description="By how many.")


def stock(items: list[Item], changed_by: int) -> str:
    """Keep the books."""
    return f"{', '.join(item.name for item in items)}: {changed_by}"


def test_a_function_alone_whose_arguments_a_model_of_the_client_describes(server: Server) -> None:
    made = tool(server, inspect.getsource(stock), args_json_schema=Entry.model_json_schema())
    agent = server.agent(tool_ids=[made.id])
    words = call("stock", items=[{"name": "tea"}, {"name": "rice"}], changed_by=3)
    answer = server.client().agents.messages.create(agent, input=turn(words, "!say done"))
    assert answer.messages[1].tool_return == "tea, rice: 3"


REMEMBERS = '''
    def remembers(agent_state: "AgentState", label: str) -> dict:
        """Look into the agent.

        Args:
            label (str): Of a block.
        """
        memory = agent_state.memory
        told = {"id": agent_state.id, "name": agent_state.name, "tools": [one.name for one in agent_state.tools]}
        return told | {"value": memory.get_block(label).value, "all": memory.list_block_labels()}
'''


def test_a_tool_may_look_at_the_agent_that_calls_it(server: Server) -> None:
    client, made = server.client(), tool(server, REMEMBERS)
    assert list(made.json_schema["parameters"]["properties"]) == ["label"]
    blocks: list[Any] = [{"label": "human", "value": "Likes tea."}, {"label": "persona", "value": ""}]
    agent = server.agent(tool_ids=[made.id], memory_blocks=blocks, secrets={"TOKEN": "s3cret"}, name="Looked at")
    answer = client.agents.messages.create(agent, input=turn(call("remembers", label="human"), "!say done"))
    returned = next(one for one in answer.messages if one.message_type == "tool_return_message")
    assert json.loads(returned.tool_return) == {
        "id": agent,
        "name": "Looked at",
        "tools": ["remembers"],
        "value": "Likes tea.",
        "all": ["human", "persona"],
    }
    by_hand = client.agents.tools.run("remembers", agent_id=agent, args={"label": "nothing"})
    assert (by_hand.status, "it has human, persona" in str(by_hand.func_return)) == ("error", True)


def test_values_arrive_as_their_types_and_return_as_json(server: Server) -> None:
    source = '''
        from dataclasses import dataclass
        from datetime import date
        from enum import Enum

        class Size(Enum):
            SMALL = "small"
            LARGE = "large"

        @dataclass
        class Order:
            size: Size
            when: date

        async def order(orders: list[Order], note: str | None) -> dict:
            """Order.

            Args:
                orders: What.
                note: Why.
            """
            assert note is None
            return {"sizes": [o.size.name for o in orders], "weekday": orders[0].when.strftime("%A"), "seen": {1}}
    '''
    returned = result(server, source, orders=[{"size": "large", "when": "2026-11-22"}])
    assert json.loads(returned.tool_return) == {"sizes": ["LARGE"], "weekday": "Sunday", "seen": [1]}


def test_an_error_reaches_the_model_with_what_was_printed(server: Server) -> None:
    returned = result(
        server,
        '''
        def fail_loudly(x: int) -> int:
            """Fail.

            Args:
                x: A number.
            """
            print("about to")
            raise ValueError("bad thing")
        ''',
        x=1,
    )
    assert (returned.status, returned.tool_return) == (
        "error",
        "Error executing function fail_loudly: ValueError: bad thing",
    )
    assert returned.stdout == ["about to"]
    assert returned.stderr[-1] == "ValueError: bad thing"
    assert not any("site-packages" in line or "/tools/" in line for line in returned.stderr)


def test_secrets_of_the_agent_and_nothing_of_the_server(server: Server) -> None:
    returned = result(
        server,
        '''
        import os

        def show_environment() -> dict:
            """Show the environment."""
            return dict(os.environ)
        ''',
        secrets={"API_TOKEN": "t0ken"},
    )
    shown = json.loads(returned.tool_return)
    assert shown["API_TOKEN"] == "t0ken"
    assert shown["PERDURE_AGENT_ID"].startswith("agent-")
    assert not any(name in shown for name in ("DATABASE_URL", "OPENAI_API_KEY", "PERDURE_SECRET_KEY", "REDIS_URL"))


def test_a_tool_has_no_network_unless_it_says_so(server: Server) -> None:
    returned = result(
        server,
        '''
        import urllib.request

        def fetch() -> str:
            """Fetch."""
            return urllib.request.urlopen("http://127.0.0.1:8283/", timeout=3).read().decode()
        ''',
    )
    assert returned.status == "error"


def test_a_call_that_takes_too_long_is_stopped(server: Server) -> None:
    source = '''
        import time

        def sleep_long() -> None:
            """Sleep."""
            time.sleep(60)
    '''
    made = tool(server, source)
    server.client().tools.update(made.id, metadata={"timeout_seconds": 0.5})
    agent = server.agent(tool_ids=[made.id])
    answer = server.client().agents.messages.create(agent, input=turn(call("sleep_long"), "!say done"))
    assert "0.5 s" in answer.messages[1].tool_return
    assert answer.messages[-1].content == "done"


@pytest.mark.parametrize("arguments", [{"num_sides": "many"}, {"sides": 6}])
def test_arguments_that_do_not_fit_go_back_to_the_model(server: Server, arguments: dict[str, Any]) -> None:
    returned = result(server, ROLL_DICE, **arguments)
    assert returned.status == "error"
    assert "Invalid tool call" in returned.tool_return


def test_a_tool_of_the_users_own_with_a_built_ins_name(server: Server) -> None:
    """It is theirs alone that attach it."""
    source = '''
        def conversation_search(query: str) -> str:
            """Search.

            Args:
                query: What for.
            """
            return "mine: " + query
    '''
    made = tool(server, source)
    client, asked = server.client(), turn(call("conversation_search", query="tea"), "!say done")
    own = client.agents.messages.create(server.agent(tool_ids=[made.id]), input=asked)
    assert own.messages[1].tool_return == "mine: tea"
    others = client.agents.messages.create(server.agent("conversation_search"), input=asked)
    assert others.messages[1].tool_return.startswith('{"message"')
    client.tools.delete(made.id)


def test_cancelling_stops_a_tool(server: Server) -> None:
    source = '''
        import time

        def wait_a_while() -> None:
            """Wait."""
            time.sleep(50)
    '''
    made = tool(server, source)
    agent = server.agent(tool_ids=[made.id])
    run = server.send(agent, turn(call("wait_a_while"), "!say done"))
    wait_until(lambda: server.sql("SELECT 1 FROM agents_toolattempt WHERE run_id = %s AND status = 'started'", run))
    server.client().agents.messages.cancel(agent)
    assert server.await_end(run, 20)["status"] == "cancelled"
    assert server.transcript(agent)[-1].startswith("tool error")


def test_by_hand_with_the_variables_of_the_agent(server: Server) -> None:
    source = '''
        import os

        def greet(name: str) -> dict:
            """Greet.

            Args:
                name: Whom.
            """
            print("here")
            return {"greeting": f"{os.environ['HELLO']} {name}"}
    '''
    agent = server.agent(tool_ids=[tool(server, source).id], secrets={"HELLO": "Hi"})
    run = server.client().agents.tools.run("greet", agent_id=agent, args={"name": "Ann"})
    assert (run.status, run.func_return, run.stdout) == ("success", {"greeting": "Hi Ann"}, ["here"])
    refused = server.client().agents.tools.run("greet", agent_id=agent, args={"name": 7})
    assert (refused.status, "name" in str(refused.func_return)) == ("error", True)
    assert server.transcript(agent) == []


def test_by_hand_before_it_is_saved(server: Server) -> None:
    body = {"source_code": ROLL_DICE, "args": {"num_sides": 1}}
    done = server.client().post("/v1/tools/run", body=body, cast_to=dict[str, Any])
    assert (done["status"], done["func_return"]) == ("success", 1)
    with pytest.raises(letta_client.BadRequestError, match="docstring"):
        server.client().post("/v1/tools/run", body={"source_code": "def f(): pass"}, cast_to=dict[str, Any])
