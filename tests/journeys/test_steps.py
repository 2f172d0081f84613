"""Steps: listed, looked into, measured and judged; and runs that are deleted."""

import json
from typing import Any

import letta_client
import pytest

from tests.live import Server


@pytest.fixture(scope="module")
def agent(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    made = server.agent("ring_bell")
    client = server.client()
    for number in range(3):
        client.agents.messages.create(made, input=f"number {number}")
    where = json.dumps({"folder": str(tmp_path_factory.mktemp("tower"))})
    client.agents.messages.create(made, input=f"Ring!\n!call ring_bell {where}")
    return made


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_steps_are_walked_in_both_orders(server: Server, agent: str, limit: int) -> None:
    steps = server.client().steps
    up = [step.id for step in steps.list(agent_id=agent, limit=limit, order="asc")]
    assert len(up) == len(set(up)) == 5
    assert [step.id for step in steps.list(agent_id=agent, limit=limit)] == up[::-1]


def test_a_step_from_all_sides(server: Server, agent: str) -> None:
    client = server.client()
    first = next(iter(client.steps.list(agent_id=agent, order="asc")))
    assert (first.status, first.api_model_handle) == ("success", "openai/fake-1")
    messages = list(client.steps.messages.list(first.id, limit=1))
    assert [message.content for message in messages] == ["number 0", "ok: number 0"]
    metrics = client.steps.metrics.retrieve(first.id)
    assert min(metrics.llm_request_ns or 0, metrics.step_ns or 0) > 0
    assert (metrics.id, metrics.run_id, metrics.agent_id) == (first.id, first.run_id, agent)


def test_the_time_that_tools_took(server: Server, agent: str) -> None:
    client = server.client()
    ringing = list(client.steps.list(agent_id=agent, order="asc"))[3]
    assert client.steps.metrics.retrieve(ringing.id).tool_execution_ns
    shown = client.steps.messages.list(ringing.id).items
    assert [message.message_type for message in shown] == ["user_message", "tool_call_message", "tool_return_message"]


def test_steps_are_judged_and_found_by_it(server: Server, agent: str) -> None:
    client = server.client()
    good, bad, *_ = client.steps.list(agent_id=agent, order="asc")
    assert client.steps.feedback.create(good.id, feedback="positive", tags=["kind"]).feedback == "positive"
    client.steps.feedback.create(bad.id, feedback="negative")
    assert [step.id for step in client.steps.list(agent_id=agent, feedback="negative")] == [bad.id]
    assert [step.id for step in client.steps.list(agent_id=agent, tags=["kind"])] == [good.id]
    assert len(list(client.steps.list(agent_id=agent, has_feedback=False))) == 3
    assert client.steps.retrieve(good.id).tags == ["kind"]


def test_steps_of_a_time_and_of_a_model(server: Server, agent: str) -> None:
    steps = server.client().steps
    assert list(steps.list(agent_id=agent, end_date="2020-01-01")) == []
    assert len(list(steps.list(agent_id=agent, start_date="2020-01-01T00:00:00+02:00", model="fake-1"))) == 5
    assert list(steps.list(agent_id=agent, model="fake-2")) == []


def test_a_run_is_measured(server: Server, agent: str) -> None:
    client = server.client()
    ringing = next(iter(client.runs.list(agent_id=agent)))
    metrics = client.get(f"/v1/runs/{ringing.id}/metrics", cast_to=dict[str, Any])
    [bell] = client.agents.tools.list(agent)
    assert (metrics["num_steps"], metrics["tools_used"]) == (2, [bell.id])


def test_a_run_is_deleted(server: Server) -> None:
    client, agent = server.client(), server.agent()
    client.agents.messages.create(agent, input="Forget this.")
    [run] = client.runs.list(agent_id=agent)
    client.delete(f"/v1/runs/{run.id}", cast_to=object)
    with pytest.raises(letta_client.NotFoundError):
        client.runs.retrieve(run.id)
    assert list(client.steps.list(agent_id=agent)) == []
    answer = client.agents.messages.create(agent, input="Still there?")
    assert answer.messages[-1].content == "ok: Still there?"
    assert len(server.transcript(agent)) == 4
