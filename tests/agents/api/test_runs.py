"""The list of runs and its filters; traces."""

from datetime import timedelta

import pytest

from agents.models import Run
from tests.agents import given
from tests.agents.api.queries import asked
from tests.agents.api.test_pages import walked
from tests.agents.loop.doubles import calls, says


@pytest.fixture
def agents(acme):
    return [acme.agent()["id"] for _ in range(2)]


@pytest.fixture
def runs(acme, agents):
    """By what has become of them."""
    made = {}
    states = {
        "created": {},
        "between": {"claims": 1},
        "running": {"status": "running", "claims": 1},
        "completed": {"status": "completed", "stop_reason": "end_turn"},
        "failed": {"status": "failed", "stop_reason": "error"},
        "cancelled": {"status": "cancelled", "stop_reason": "cancelled"},
    }
    for name, columns in states.items():
        made[name] = acme.post(f"agents/{agents[0]}/messages/async", {"input": name})["id"]
        Run.objects.filter(id=made[name]).update(**columns)
    conversation = acme.post(f"conversations/?agent_id={agents[1]}")["id"]
    place = given.Conversation.objects.get(id=conversation)
    made["elsewhere"] = given.accept(place, given.offer("hi", background=True)).id
    Run.objects.exclude(id=made["elsewhere"]).update(background=False)
    return made


def listed(caller, runs, query=""):
    names = {id: name for name, id in runs.items()}
    return [names[run["id"]] for run in caller.get(f"runs/?order=asc&{query}")]


def test_all_of_them(acme, runs):
    assert listed(acme, runs) == list(runs)
    for size in (1, 3, 100):
        assert walked(acme, "runs/", size, ascending="true") == list(runs.values())
        assert walked(acme, "runs/", size, ascending="false") == list(runs.values())[::-1]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("active=true", ["created", "between", "running", "elsewhere"]),
        ("active=false", ["created", "between", "running", "completed", "failed", "cancelled", "elsewhere"]),
        ("statuses=created", ["created", "elsewhere"]),
        ("statuses=running", ["between", "running"]),
        ("statuses=failed&statuses=completed", ["completed", "failed"]),
        ("stop_reason=end_turn", ["completed"]),
        ("background=true", ["elsewhere"]),
        ("background=false&active=true", ["created", "between", "running"]),
    ],
)
def test_filters(acme, runs, query, names):
    assert listed(acme, runs, query) == names


def test_of_agents(acme, runs, agents):
    assert listed(acme, runs, f"agent_id={agents[1]}") == ["elsewhere"]
    assert listed(acme, runs, f"agent_ids={agents[0]}&statuses=failed") == ["failed"]
    assert listed(acme, runs, f"agent_ids={agents[0]}&agent_ids={agents[1]}") == list(runs)
    assert listed(acme, runs, f"agent_id={acme.agent()['id']}") == []


def test_of_conversations(acme, globex, runs, agents):
    conversation = Run.objects.get(id=runs["elsewhere"]).conversation_id
    assert listed(acme, runs, f"conversation_id={conversation}") == ["elsewhere"]
    own = [name for name in runs if name != "elsewhere"]
    assert listed(acme, runs, f"conversation_id=default&agent_id={agents[0]}") == own
    assert listed(acme, runs, f"conversation_id={agents[0]}&active=true") == ["created", "between", "running"]
    found = walked(acme, "runs/", 2, order="desc", conversation_id=agents[0])
    assert found == [runs[name] for name in own][::-1]
    assert globex.get(f"runs/?conversation_id={conversation}") == []


@pytest.mark.parametrize(
    "name", ["agent_id", "agent_ids", "active", "background", "statuses", "order", "order_by", "after"]
)
def test_a_bad_filter_is_told_with_its_place(acme, name):
    assert acme.refused(422, "GET", f"runs/?{name}=nonsense")[0]["loc"] == ["query", name]


def test_traces(acme):
    agent = acme.agent(tools=["conversation_search"])["id"]
    run = acme.post(f"agents/{agent}/messages/async", {"input": "hi"})["id"]
    answers = calls(("conversation_search", {"query": "x"})), says("done")
    given.advance(given.Agent.objects.get(id=agent), *answers)
    spans = acme.get(f"runs/{run}/trace")
    assert [span["name"] for span in spans if span["name"] != "tools"] == [
        "run",
        "step",
        "llm_request",
        "step",
        "llm_request",
    ]
    ids = {span["span_id"] for span in spans}
    assert len(ids) == len(spans)
    assert {span["parent_span_id"] for span in spans[1:]} <= ids
    assert {span["trace_id"] for span in spans} == {run}
    whole = spans[0]
    for span in spans:
        assert whole["start_time_ns"] <= span["start_time_ns"] <= whole["start_time_ns"] + whole["duration_ns"]
    assert acme.get(f"runs/{run}/trace?limit=2") == spans[:2]
    assert acme.get(f"steps/{spans[1]['span_id']}/trace") is None


def test_the_trace_of_a_run_that_has_not_begun(acme, agents):
    run = acme.post(f"agents/{agents[0]}/messages/async", {"input": "hi"})["id"]
    [span] = acme.get(f"runs/{run}/trace")
    assert (span["span_id"], span["duration_ns"]) == (run, None)


def test_the_time_to_the_first_token(acme, agents, runs):
    run = Run.objects.get(id=runs["completed"])
    for no, spoke in enumerate((None, 2_000, 5_000), 1):
        given.Step.objects.create(
            run=run, organization_id=run.organization_id, agent_id=run.agent_id, no=no, epoch=1, first_token_ns=spoke
        )
        given.Step.objects.filter(no=no).update(created_at=run.created_at + timedelta(seconds=no))
    shown = {run["id"]: run["ttft_ns"] for run in acme.get("runs/")}
    assert shown == dict.fromkeys(runs.values()) | {run.id: 2_000_002_000}
    assert acme.get(f"runs/{run.id}")["ttft_ns"] == 2_000_002_000


def test_runs_that_are_named_to_be_cancelled_are_looked_up_together(acme, agents, runs):
    ended = [runs["completed"], runs["failed"]]
    path = f"agents/{agents[0]}/messages/cancel"
    acme.post(path, {"run_ids": ended})
    with asked() as queries:
        said = acme.post(path, {"run_ids": ended * 50})
    assert said == {runs["completed"]: "completed", runs["failed"]: "failed"}
    assert len(queries) < 5
    assert acme.post(path, {"run_ids": [runs["created"]]}) == {runs["created"]: "cancelled"}
    acme.refused(404, "POST", path, {"run_ids": [runs["created"], runs["elsewhere"]]})
