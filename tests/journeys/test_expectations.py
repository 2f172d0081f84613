"""What users of such servers expect, and have not always been given."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import letta_client
import pytest

from tests.live import Server, call, turn


def test_messages_that_come_at_once_all_stay_in_context(server: Server) -> None:
    client, agent = server.client(), server.agent()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: client.agents.messages.create(agent, input=f"number {n}"), range(6)))
    assert len(client.agents.retrieve(agent).message_ids or []) == 13
    said = [line for line in server.transcript(agent) if line.startswith("user")]
    assert sorted(said) == [f"user: number {number}" for number in range(6)]


def test_what_was_said_is_kept_when_the_model_fails(server: Server) -> None:
    client, agent = server.client(max_retries=0), server.agent()
    server.llm.script(match="Remember the kettle.", status=401)
    with pytest.raises(letta_client.APIStatusError):
        client.agents.messages.create(agent, input="Remember the kettle.")
    assert server.transcript(agent) == ["user: Remember the kettle."]
    assert client.agents.messages.create(agent, input="Still there?").stop_reason.stop_reason == "end_turn"
    assert len(client.agents.retrieve(agent).message_ids or []) == 4


def test_what_was_said_is_kept_when_the_run_is_cancelled(server: Server) -> None:
    client, agent = server.client(), server.agent()
    run = server.send(agent, "!sleep 20\n!say too late")
    client.agents.messages.cancel(agent, run_ids=[run])
    assert server.await_end(run)["status"] == "cancelled"
    assert server.transcript(agent) in ([], ["user: !sleep 20"])  # it may not have begun
    assert client.runs.retrieve(run).stop_reason == "cancelled"
    assert client.agents.messages.create(agent, input="Go on.").messages[-1].content == "ok: Go on."


def test_a_run_that_has_ended_stays_as_it_ended(server: Server) -> None:
    client, agent = server.client(), server.agent()
    server.llm.script(match="This fails.", status=401)
    run = server.send(agent, "This fails.")
    server.await_end(run)
    assert set(client.agents.messages.cancel(agent, run_ids=[run]).values()) == {"failed"}
    assert client.runs.retrieve(run).status == "failed"


def test_cancelling_with_nothing_under_way_is_a_conflict(server: Server) -> None:
    client, agent = server.client(max_retries=0), server.agent()
    client.agents.messages.create(agent, input="hello")
    with pytest.raises(letta_client.ConflictError):
        client.agents.messages.cancel(agent)


def test_cancelling_reaches_the_run_that_is_named_and_no_other(server: Server) -> None:
    client, agent = server.client(), server.agent()
    first, second, third = (server.send(agent, f"!delay 0.1\n!say answer number {n}") for n in range(3))
    client.agents.messages.cancel(agent, run_ids=[second])
    ends = [server.await_end(run)["status"] for run in (first, second, third)]
    assert ends == ["completed", "cancelled", "completed"]


def test_a_failed_run_says_why_it_stopped(server: Server) -> None:
    client, agent = server.client(max_retries=0), server.agent()
    server.llm.script(match="Fail please.", status=401)
    with pytest.raises(letta_client.APIStatusError) as failed:
        client.agents.messages.create(agent, input="Fail please.")
    run = client.runs.list(agent_id=agent).items[0]
    assert (run.status, run.stop_reason) == ("failed", "llm_api_error")
    assert failed.value.body["error"]["type"] == "llm_authentication"  # type: ignore[index]


@pytest.mark.parametrize("fails", [False, True])
def test_every_stream_ends_with_its_mark(server: Server, fails: bool) -> None:
    agent = server.agent()
    if fails:
        server.llm.script(match="Stream on.", status=401)
    with server.client().agents.messages.with_streaming_response.stream(agent, input="Stream on.") as response:
        lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert ("event: error" in lines) == fails


def test_blocks_and_tools_are_in_the_same_order_every_time(server: Server) -> None:
    client = server.client()
    labels = ["zebra", "human", "apple", "persona"]
    agent = server.agent(
        "memory_insert",
        "archival_memory_search",
        "conversation_search",
        memory_blocks=[{"label": x, "value": x} for x in labels],
    )
    for _ in range(5):
        state = client.agents.retrieve(agent, include=["agent.blocks", "agent.tools"])
        assert [block.label for block in state.blocks] == labels
        assert [tool.name for tool in state.tools] == ["memory_insert", "archival_memory_search", "conversation_search"]


def test_the_prompt_is_the_same_bytes_until_memory_changes(server: Server) -> None:
    agent = server.agent("memory_insert", memory_blocks=[{"label": "human", "value": "Ann"}])
    for number in range(3):
        server.client().agents.messages.create(agent, input=f"steady {number} {agent}")
    systems = [one["body"]["messages"][0] for one in server.llm.calls() if one["user"].endswith(agent)]
    assert len(systems) == 3
    assert systems[0] == systems[1] == systems[2]


def test_a_search_of_the_conversation_obeys_dates(server: Server) -> None:
    agent = server.agent("conversation_search")
    server.client().agents.messages.create(agent, input="The heron flew.")
    for dates, found in (({"end_date": "2020-01-01"}, 0), ({"start_date": "2020-01-01"}, 1)):
        asked = turn(call("conversation_search", query="heron flew", roles=["user"], **dates), "!say ok", text="Look.")
        answer = server.client().agents.messages.create(agent, input=asked)
        results = json.loads(answer.messages[1].tool_return)["results"]
        assert sum(one["content"] == "The heron flew." for one in results) == found


def test_a_block_keeps_to_its_limit_and_its_lock(server: Server) -> None:
    client = server.client()
    agent = server.agent(
        "core_memory_append",
        memory_blocks=[
            {"label": "short", "value": "", "limit": 5},
            {"label": "locked", "value": "x", "read_only": True},
        ],
    )
    steps = [call("core_memory_append", label=label, content="too long") for label in ("short", "locked")]
    answer = client.agents.messages.create(agent, input=turn(*steps, "!say ok"))
    returns = [message for message in answer.messages if message.message_type == "tool_return_message"]
    assert [one.status for one in returns] == ["error", "error"]
    assert [client.agents.blocks.retrieve(label, agent_id=agent).value for label in ("short", "locked")] == ["", "x"]


def test_a_return_is_json_and_not_pythons_way_to_write_it(server: Server) -> None:
    agent = server.agent("archival_memory_insert", "archival_memory_search")
    steps = [call("archival_memory_insert", content="It's so."), call("archival_memory_search", query="so")]
    answer = server.client().agents.messages.create(agent, input=turn(*steps, "!say ok"))
    found = json.loads(answer.messages[3].tool_return)
    assert [one["content"] for one in found] == ["It's so."]


def test_an_unknown_model_is_told_with_those_that_there_are(server: Server) -> None:
    with pytest.raises(letta_client.NotFoundError, match="nobody") as refused:
        server.client().agents.create(model="nobody/knows")
    assert "openai" in str(refused.value)


def test_an_agent_is_made_whole_or_not_at_all(server: Server) -> None:
    client = server.client()
    before = client.get("/v1/agents/count", cast_to=int)
    absent: Any = "tool-00000000-0000-4000-8000-000000000000"
    with pytest.raises(letta_client.NotFoundError):
        client.agents.create(model="openai/fake-1", tool_ids=[absent], memory_blocks=[{"label": "a", "value": "b"}])
    assert client.get("/v1/agents/count", cast_to=int) == before


def test_an_agent_is_deleted_with_all_that_is_its_own_and_no_shared_block(server: Server) -> None:
    client = server.client()
    shared = client.blocks.create(label="team", value="shared")
    agent, other = (server.agent(block_ids=[shared.id]) for _ in range(2))
    client.agents.messages.create(agent, input="hello")
    client.agents.delete(agent)
    with pytest.raises(letta_client.NotFoundError):
        client.agents.retrieve(agent)
    for table in ("agents_message", "agents_run", "agents_step", "agents_conversation"):
        assert server.sql(f"SELECT count(*) FROM {table} WHERE agent_id = %s", agent) == [(0,)]
    assert client.agents.blocks.retrieve("team", agent_id=other).value == "shared"


def test_a_turn_that_did_not_fit_leaves_the_agent_as_it_was(server: Server) -> None:
    client, agent = server.client(max_retries=0), server.agent(context_window_limit=3000)
    client.agents.messages.create(agent, input="Small.")
    server.llm.script(
        match="Large.", status=400, repeat=0, body={"error": {"code": "context_length_exceeded", "message": "too long"}}
    )
    with pytest.raises(letta_client.APIStatusError):
        client.agents.messages.create(agent, input="Large.")
    ids = client.agents.retrieve(agent).message_ids or []
    assert {client.messages.retrieve(id)[0].id for id in ids} == set(ids)
    assert client.agents.messages.create(agent, input="Small again.").messages[-1].content == "ok: Small again."


def test_a_turn_that_outlasts_its_lease_keeps_its_conversation(server: Server) -> None:
    agent = server.agent()
    slow = server.send(agent, "!sleep 3\n!say slow")  # the lease of these tests is 2 s
    quick = server.send(agent, "quick")
    assert [server.await_end(run)["status"] for run in (slow, quick)] == ["completed"] * 2
    assert server.transcript(agent) == ["user: !sleep 3", "assistant: slow", "user: quick", "assistant: ok: quick"]
    assert server.sql("SELECT sum(llm_failures), max(claims) FROM agents_step WHERE run_id = %s", slow) == [(0, 0)]


def test_runs_that_nobody_waits_for_keep_the_clients_tools(server: Server) -> None:
    client, agent = server.client(), server.agent()
    look = {"name": "look", "description": "Look around.", "parameters": {"type": "object", "properties": {}}}
    run = client.agents.messages.create_async(agent, input=turn("!call look {}"), client_tools=[look])
    assert server.await_end(run.id)["stop_reason"] == "requires_approval"


def test_a_run_that_ended_long_ago_is_streamed_to_its_end(server: Server) -> None:
    client, agent = server.client(), server.agent()
    run = server.send(agent, "hello")
    server.await_end(run)
    kinds = [event.message_type for event in client.runs.messages.stream(run, starting_after=0)]
    assert kinds[-2:] == ["stop_reason", "usage_statistics"]


def test_nobody_is_taken_at_their_word_for_who_they_are(server: Server) -> None:
    stranger = server.client(key="nobody's", default_headers={"user_id": "user-1"})
    with pytest.raises(letta_client.AuthenticationError) as refused:
        stranger.agents.list()
    assert "user-1" not in str(refused.value)


def test_handles_do_not_depend_on_where_the_provider_is(server: Server) -> None:
    handles = [model.handle for model in server.client().models.list()]
    assert "openai/fake-1" in handles
    assert not [handle for handle in handles if "proxy" in handle]


def test_what_is_wrong_is_listed_with_its_place(server: Server) -> None:
    with pytest.raises(letta_client.UnprocessableEntityError) as refused:
        server.client().agents.create(model="openai/fake-1", timezone=["nowhere"])  # type: ignore[arg-type]
    [problem] = refused.value.body["detail"]
    assert (problem["loc"], set(problem)) == (["body", "timezone"], {"loc", "msg", "type"})


def test_what_was_deleted_is_not_found(server: Server) -> None:
    client = server.client()
    source = 'def wave() -> str:\n    """Wave."""\n    return "hi"\n'
    tool = client.tools.create(source_code=source)
    client.tools.delete(tool.id)
    for forgotten in (lambda: client.tools.retrieve(tool.id), lambda: client.tools.delete(tool.id)):
        with pytest.raises(letta_client.NotFoundError):
            forgotten()
