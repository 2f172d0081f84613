"""Steps through the API: lists and their filters, messages, metrics, feedback; and runs that are deleted."""

import pytest

from agents.models import Message, Run, Step
from tests.agents import given
from tests.agents.api.test_pages import walked
from tests.agents.loop.doubles import calls, says


@pytest.fixture
def agent(acme):
    """An agent that has answered three times; the second time it used a tool."""
    made = acme.agent(tools=["conversation_search"])["id"]
    script = [says("one"), calls(("conversation_search", {"query": "x"})), says("two"), says("three")]
    for number, answers in enumerate((script[:1], script[1:3], script[3:])):
        acme.post(f"agents/{made}/messages/async", {"input": f"question {number}"})
        given.advance(given.Agent.objects.get(id=made), *answers)
    return made


@pytest.fixture
def ids(agent):
    return list(Step.objects.order_by("created_at").values_list("id", flat=True))


def listed(caller, query=""):
    return [step["id"] for step in caller.get(f"steps/?order=asc&{query}")]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_steps_are_listed_a_page_at_a_time(acme, ids, size):
    assert len(ids) == 4
    assert walked(acme, "steps/", size, order="asc") == ids
    assert walked(acme, "steps/", size) == ids[::-1]
    assert listed(acme, f"before={ids[2]}&limit=1") == ids[1:2]


def test_steps_of_an_agent_of_a_run_and_of_a_model(acme, agent, ids):
    other = acme.agent()["id"]
    assert listed(acme, f"agent_id={agent}") == ids
    assert listed(acme, f"agent_id={other}") == []
    run = acme.get("runs/?order=asc")[1]["id"]
    assert listed(acme, f"run_id={run}") == ids[1:3]
    assert listed(acme, "model=demo/scripted") == listed(acme, "model=scripted") == ids
    assert listed(acme, "model=cripted") == listed(acme, "trace_ids=x") == listed(acme, "project_id=x") == []


def test_steps_between_two_dates(acme, ids):
    for day, id in enumerate(ids, 1):
        Step.objects.filter(id=id).update(created_at=f"2026-01-0{day}T12:00:00Z")
    assert listed(acme, "start_date=2026-01-02&end_date=2026-01-03") == ids[1:3]
    assert listed(acme, "start_date=2026-01-04T13:00:00%2B02:00") == ids[3:]
    assert "is not a date" in acme.refused(422, "GET", "steps/?end_date=soon")


@pytest.mark.parametrize("name", ["agent_id", "run_id", "feedback", "has_feedback", "order", "after"])
def test_a_bad_filter_is_told_with_its_place(acme, name):
    assert acme.refused(422, "GET", f"steps/?{name}=nonsense")[0]["loc"] == ["query", name]


def test_feedback_is_given_listed_and_taken_back(acme, ids):
    liked = acme.patch(f"steps/{ids[0]}/feedback", {"feedback": "positive", "tags": ["kind"]})
    assert (liked["feedback"], liked["tags"]) == ("positive", ["kind"])
    assert acme.patch(f"steps/{ids[0]}/feedback", {"tags": ["short"]})["tags"] == ["kind", "short"]
    assert acme.patch(f"steps/{ids[0]}/feedback", {"tags": ["kind"]})["tags"] == ["kind", "short"]
    assert acme.get(f"steps/{ids[0]}")["feedback"] == "positive"
    assert listed(acme, "feedback=positive") == listed(acme, "has_feedback=true") == ids[:1]
    assert listed(acme, "tags=short&tags=long") == ids[:1]
    assert listed(acme, "feedback=negative") == listed(acme, "tags=long") == []
    assert acme.patch(f"steps/{ids[0]}/feedback", {"feedback": None})["feedback"] is None
    assert listed(acme, "has_feedback=false") == ids


@pytest.mark.parametrize("body", [{"feedback": "great"}, {"tags": "x"}, {"tags": [1]}])
def test_feedback_that_cannot_be_read(acme, ids, body):
    assert acme.refused(422, "PATCH", f"steps/{ids[0]}/feedback", body)[0]["loc"][1] in body


def test_messages_of_a_step(acme, ids):
    first = acme.get(f"steps/{ids[1]}/messages")
    assert [item["message_type"] for item in first] == ["user_message", "tool_call_message", "tool_return_message"]
    assert {item["step_id"] for item in first} == {ids[1]}
    assert [item["content"] for item in acme.get(f"steps/{ids[2]}/messages")] == ["two"]
    assert walked(acme, f"steps/{ids[1]}/messages", 1) == [item["id"] for item in first]
    backwards = acme.get(f"steps/{ids[1]}/messages?order=desc")
    assert [item["id"] for item in backwards] == [item["id"] for item in first][::-1]


def test_metrics_of_a_step(acme, ids):
    metrics, step = acme.get(f"steps/{ids[1]}/metrics"), Step.objects.get(id=ids[1])
    assert (metrics["id"], metrics["run_id"], metrics["agent_id"]) == (step.id, step.run_id, step.agent_id)
    assert metrics["llm_request_ns"] == step.llm_ns > 0
    assert metrics["step_ns"] == round((step.completed_at - step.created_at).total_seconds() * 1e6) * 1000
    assert metrics["step_start_ns"] // 1000 == round(step.created_at.timestamp() * 1e6)


def test_metrics_of_a_step_that_is_not_over(acme, ids):
    Step.objects.filter(id=ids[0]).update(completed_at=None, llm_ns=None)
    metrics = acme.get(f"steps/{ids[0]}/metrics")
    assert (metrics["step_ns"], metrics["llm_request_ns"]) == (None, None)


def test_metrics_of_a_run(acme, agent):
    plain, with_tool = (acme.get(f"runs/{run['id']}/metrics") for run in acme.get("runs/?order=asc")[:2])
    [tool] = acme.get(f"agents/{agent}/tools")
    assert (plain["num_steps"], plain["tools_used"]) == (1, [])
    assert (with_tool["num_steps"], with_tool["tools_used"]) == (2, [tool["id"]])
    assert with_tool["run_ns"] > 0


def test_a_run_is_deleted_when_it_has_ended(acme, agent, ids):
    run = acme.get("runs/?order=asc")[1]["id"]
    said = Message.objects.count()
    acme.told("DELETE", f"runs/{run}")
    assert "not found" in acme.refused(404, "GET", f"runs/{run}")
    assert listed(acme) == [ids[0], ids[3]]
    assert Message.objects.count() == said


def test_a_run_that_has_not_ended_is_not_deleted(acme, agent):
    run = acme.post(f"agents/{agent}/messages/async", {"input": "hi"})["id"]
    assert "Cancel it" in acme.refused(409, "DELETE", f"runs/{run}")
    assert Run.objects.filter(id=run).exists()


def test_a_conversation_goes_on_after_its_runs_are_deleted(acme, agent):
    for run in acme.get("runs/"):
        acme.told("DELETE", f"runs/{run['id']}")
    acme.post(f"agents/{agent}/messages/async", {"input": "question 3"})
    script = given.advance(given.Agent.objects.get(id=agent), says("four"))
    assert [message.content for message in script.asked[0].messages][-2:] == ["three", "question 3"]
