"""The durable events of a run, made again from its rows."""

import pytest

from agents.errors import LLMError
from agents.events import FAILURES, Progress, durable_events, progress_of, totals_of
from agents.models import Step
from tests.agents import given
from tests.agents.loop.doubles import calls, says

pytestmark = pytest.mark.django_db(transaction=True)


def events(run, after=0):
    return list(durable_events(given.fresh(run), after))


def kinds(found):
    return [event["message_type"] for event in found]


@pytest.fixture
def done(tmp_path):
    agent = given.agent("set_lamp")
    run = given.said(agent)
    given.advance(agent, calls(("set_lamp", {"folder": str(tmp_path)}), thought="Dark."), says("It is on"))
    return run


def test_a_run_tells_its_messages_then_how_it_ended(done):
    assert kinds(events(done)) == [
        "reasoning_message",
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
        "stop_reason",
        "usage_statistics",
    ]


def test_numbers_increase_and_every_one_can_be_resumed_behind(done):
    all_of_them = events(done)
    numbers = [event["seq_id"] for event in all_of_them]
    assert numbers == sorted(set(numbers))
    for index, number in enumerate(numbers):
        assert events(done, number) == all_of_them[index + 1 :]


def test_a_run_under_way_tells_what_it_has():
    agent = given.agent()
    run = given.said(agent)
    assert events(run) == []
    assert progress_of([run.id]) == {}


def test_the_progress_of_a_run_that_is_over_is_its_end(done):
    assert progress_of([done.id]) == {done.id: Progress(events(done)[-2]["seq_id"], over=True)}


@pytest.mark.parametrize("code", [*FAILURES, "server_error"])
def test_a_failed_run_says_what_went_wrong(code):
    agent = given.agent()
    run = given.said(agent)
    given.advance(agent, LLMError(code, "No."))
    last = events(run)
    assert kinds(last) == ["stop_reason", "error_message"]
    kept = "provider_quota" if code == "quota" else code
    assert last[1]["error_type"] == FAILURES.get(kept, ("llm_error",))[0]
    assert last[1]["detail"].endswith("No.")  # what does not fit is told with what to shorten


def test_usage_counts_recorded_answers_alone(done):
    usage = totals_of(done).usage()
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["step_count"]) == (20, 10, 2)
    assert usage["context_tokens"] == 15
    Step.objects.filter(no=2).update(status="aborted")
    assert totals_of(done).usage()["total_tokens"] == 15
