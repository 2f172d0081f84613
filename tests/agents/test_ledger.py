"""The commits of a step against a real Postgres: exactly once, fenced, and nothing half-done."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from agents import accepting, cancelling, endings, ledger, loading, turns
from agents.errors import Fenced, LLMError
from agents.events import CLAIM
from agents.loop.decision import Finished, Heartbeat
from agents.loop.messages import Reply, Usage
from agents.loop.step import INTERRUPTED
from agents.models import Inbox, Message, Run, Step, ToolAttempt
from memory.models import Block
from tests.agents import given
from tests.agents.loop.doubles import call, calls, says
from tools.models import Tool
from tools.spec import ToolReturn
from workers.claims import claim

pytestmark = pytest.mark.django_db(transaction=True)


def rows():
    """Everything that a worker may write, for comparison."""
    return [list(model.objects.order_by("pk").values()) for model in (Run, Step, Message, ToolAttempt, Block)]


def reply(turn, *names, text=""):
    made = tuple(call(name, "{}", turn.call_id(index)) for index, name in enumerate(names))
    return Reply(text, calls=made, finish="tool_calls" if made else "stop", usage=Usage(10, 5))


def returned(turn, name, text="done", index=0):
    return ToolReturn(turn.call_id(index), name, "success", text)


# Claiming


def test_the_first_claim_opens_a_step_and_takes_the_input_up():
    agent = given.agent()
    run = given.said(agent, "good morning")
    turn = given.claimed(agent)
    assert (turn.run.id, turn.run.status, turn.run.claims, turn.step.no) == (run.id, "running", 1, 1)
    assert given.transcript(agent) == ["user: good morning"]
    again = given.place(agent)
    assert (again.epoch, again.owner, again.next_seq) == (turn.hold.epoch, "worker-1", 3)


def test_the_input_is_taken_up_once_however_often_the_step_is_claimed():
    agent = given.agent()
    given.said(agent, "good morning")
    first = given.claimed(agent, lease=0)
    second = given.claimed(agent, lease=0)
    assert (first.step.id, first.step.claims) == (second.step.id, 1)
    assert (second.step.claims, second.step.epoch) == (2, second.hold.epoch)
    assert given.transcript(agent) == ["user: good morning"]


def test_runs_are_taken_first_in_first_out():
    agent = given.agent()
    texts = ["one", "two", "three"]
    for text in texts:
        given.said(agent, text)
    script = given.advance(agent, says("1"), says("2"), says("3"))
    assert [request.messages[-1].content for request in script.asked] == texts
    assert given.transcript(agent) == [
        "user: one",
        "assistant: 1",
        "user: two",
        "assistant: 2",
        "user: three",
        "assistant: 3",
    ]


def test_a_run_that_waits_is_not_passed_over():
    agent = given.agent()
    given.said(agent, "one")
    given.said(agent, "two")
    turn = given.claimed(agent)
    endings.postpone(turn, 30, LLMError("rate_limit", "Slow down.", retryable=True))
    assert claim(given.place(agent).id, "worker-2", 30) is None
    assert given.place(agent).owner == ""


def test_a_deadline_ends_a_run_at_its_next_claim():
    agent = given.agent()
    run = given.said(agent)
    Run.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    assert given.claimed(agent).run.is_terminal
    assert given.ended(run) == ("failed", "error", "deadline_exceeded")
    assert given.steps(run) == ["aborted"]


def test_a_step_that_three_workers_died_of_is_given_up_and_the_next_run_goes_on():
    agent = given.agent()
    deadly, harmless = given.said(agent, "deadly"), given.said(agent, "harmless")
    for _ in range(3):
        assert not given.claimed(agent, lease=0).run.is_terminal
    turn = given.claimed(agent)
    assert (turn.run.id, turn.ready) == (deadly.id, True)
    assert given.ended(deadly) == ("failed", "error", "worker_lost")
    given.advance(agent, says("hi"))
    assert given.ended(harmless)[0] == "completed"


def test_getting_further_is_no_reason_to_be_given_up():
    agent = given.agent("ring_bell")
    run = given.said(agent)
    for _ in range(3):
        turn = given.claimed(agent, lease=0)
    given.ledger(turn).commit(reply(turn, "ring_bell"), [], [given.admitted(turn, "ring_bell")])
    for _ in range(3):
        assert not given.claimed(agent, lease=0).run.is_terminal
    assert given.claimed(agent).run.is_terminal
    assert given.ended(run) == ("failed", "error", "worker_lost")
    assert given.tries(run) == [("ring_bell", 1, "interrupted")]
    assert given.transcript(agent)[-1].startswith("tool: The run ended (worker_lost)")


# Commits


def test_a_plain_answer_is_stored_with_the_end_of_the_run():
    agent = given.agent()
    run = given.said(agent)
    turn = given.claimed(agent)
    given.ledger(turn).close(reply(turn, text="hi"), [], lambda done: Finished("end_turn"))
    assert given.ended(run) == ("completed", "end_turn", None)
    assert (given.fresh(run).steps_done, given.steps(run)) == (1, ["committed"])
    step = Step.objects.get()
    assert (step.prompt_tokens, step.completion_tokens, step.finish) == (10, 5, "stop")
    assert (given.place(agent).owner, given.place(agent).lease_until) == ("", None)
    assert Inbox.objects.get().ready_at is None


def test_a_heartbeat_leaves_the_run_queued_and_ready():
    agent = given.agent()
    run = given.said(agent)
    turn = given.claimed(agent)
    note = returned(turn, "look", "nothing")
    given.ledger(turn).close(reply(turn, "look"), [note], lambda done: Heartbeat())
    assert (given.fresh(run).status, given.fresh(run).steps_done, turn.ready) == ("queued", 1, True)
    assert Inbox.objects.get().ready_at is not None
    assert given.claimed(agent).step.no == 2


def test_the_answer_plans_every_call_and_starts_the_first():
    agent = given.agent("ring_bell", "set_lamp")
    run = given.said(agent)
    turn = given.claimed(agent)
    book = given.ledger(turn)
    answer = reply(turn, "ring_bell", "set_lamp")
    assert book.commit(answer, [], [given.admitted(turn, "ring_bell")]) == []
    assert given.tries(run) == [("ring_bell", 1, "started"), ("set_lamp", 1, "planned")]
    book.commit(None, [returned(turn, "ring_bell")], [given.admitted(turn, "set_lamp", 1)])
    assert given.tries(run) == [("ring_bell", 1, "succeeded"), ("set_lamp", 1, "started")]
    book.close(None, [returned(turn, "set_lamp", index=1)], lambda done: Finished("end_turn"))
    assert given.tries(run) == [("ring_bell", 1, "succeeded"), ("set_lamp", 1, "succeeded")]
    assert given.transcript(agent) == [
        "user: hello",
        "assistant: [ring_bell, set_lamp]",
        "tool: done",
        "tool: done",
    ]


def test_the_intents_of_a_group_are_one_commit():
    agent = given.agent("ring_bell", "set_lamp")
    run = given.said(agent)
    dead = given.claimed(agent, lease=0)
    together = [given.admitted(dead, "ring_bell"), given.admitted(dead, "set_lamp", 1)]
    given.ledger(dead).commit(reply(dead, "ring_bell", "set_lamp"), [], together)
    assert given.tries(run) == [("ring_bell", 1, "started"), ("set_lamp", 1, "started")]
    turn = given.claimed(agent)
    interrupted = ToolReturn(turn.call_id(0), "ring_bell", "error", INTERRUPTED)
    given.ledger(turn).commit(None, [interrupted], [given.admitted(turn, "set_lamp", 1, attempt=2)])
    assert given.tries(run) == [
        ("ring_bell", 1, "interrupted"),
        ("set_lamp", 1, "interrupted"),
        ("set_lamp", 2, "started"),
    ]


def test_tools_that_are_marked_for_it_run_at_the_same_time(tmp_path):
    """Each waits until both have begun."""
    agent = given.agent("meet")
    Tool.objects.filter(name="meet").update(enable_parallel_execution=True)
    run = given.said(agent)
    asked = {"folder": str(tmp_path), "people": 2}
    given.advance(agent, calls(("meet", asked), ("meet", asked)), says("Met"))
    assert given.transcript(agent)[2:4] == ["tool: All 2 are here."] * 2
    assert given.tries(run) == [("meet", 1, "succeeded")] * 2
    assert Step.objects.get(no=1).tool_ns > 0


def test_two_hundred_calls_are_all_answered():
    agent = given.agent("core_memory_append")
    run = given.said(agent)
    asked = ("core_memory_append", {"label": "human", "content": "x"})
    given.advance(agent, calls(*[asked] * 200), says("Well"))
    assert given.ended(run)[0] == "completed"
    assert Message.objects.filter(role="tool").count() == 200
    assert Message.objects.filter(role="tool", content__status="success").count() == 32
    assert Block.objects.get().value.count("x") == 32


def test_a_further_try_is_a_row_of_its_own():
    agent = given.agent("set_lamp")
    run = given.said(agent)
    turn = given.claimed(agent, lease=0)
    given.ledger(turn).commit(reply(turn, "set_lamp"), [], [given.admitted(turn, "set_lamp")])
    again = given.claimed(agent)
    given.ledger(again).commit(None, [], [given.admitted(again, "set_lamp", attempt=2)])
    assert given.tries(run) == [("set_lamp", 1, "interrupted"), ("set_lamp", 2, "started")]


def test_a_state_tool_changes_memory_in_the_commit_that_records_it():
    agent = given.agent("core_memory_append")
    given.said(agent)
    turn = given.claimed(agent)
    append = given.admitted(turn, "core_memory_append", label="human", content="likes tea")
    given.ledger(turn).close(reply(turn, "core_memory_append"), [append], lambda done: Heartbeat())
    block = Block.objects.get()
    assert (block.value, block.version, block.last_updated_by_id) == ("likes tea", 2, agent.id)


def test_a_commit_that_fails_changes_nothing():
    agent = given.agent("core_memory_append")
    given.said(agent)
    turn = given.claimed(agent)
    book, before = given.ledger(turn), rows()

    def conclude(done):
        raise RuntimeError("the worker dies here")

    append = given.admitted(turn, "core_memory_append", label="human", content="likes tea")
    with pytest.raises(RuntimeError):
        book.close(reply(turn, "core_memory_append"), [append], conclude)
    assert rows() == before


@pytest.mark.parametrize("claims", [1, 2])
def test_event_numbers_increase_over_claims(claims):
    agent = given.agent()
    run = given.said(agent)
    for _ in range(claims):
        turn = given.claimed(agent, lease=0)
    given.ledger(turn).close(reply(turn, text="hi"), [], lambda done: Finished("end_turn"))
    numbers = [*Message.objects.exclude(event_seq=None).values_list("event_seq", flat=True)]
    assert numbers == [claims * CLAIM + 1]
    assert given.fresh(run).final_event_seq == claims * CLAIM + 2


# The fence


def stale(agent):
    """A turn whose conversation another worker has taken since."""
    turn = given.claimed(agent, lease=0)
    book = given.ledger(turn)
    given.claimed(agent, "worker-2")
    return turn, book


WRITES = {
    "an answer": lambda turn, book: book.close(reply(turn, text="hi"), [], lambda done: Finished("end_turn")),
    "an intent": lambda turn, book: book.commit(reply(turn, "ring_bell"), [], [given.admitted(turn, "ring_bell")]),
    "memory": lambda turn, book: book.close(
        reply(turn, "core_memory_append"),
        [given.admitted(turn, "core_memory_append", label="human", content="x")],
        lambda done: Heartbeat(),
    ),
    "a failure": lambda turn, book: endings.fail(turn, Finished("error", "internal_error", "broken")),
    "a cancel": lambda turn, book: endings.cancel(turn),
    "a wait": lambda turn, book: endings.postpone(turn, 1, LLMError("timeout", "late")),
    "a release": lambda turn, book: endings.release(turn),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_worker_that_lost_its_hold_writes_nothing(write):
    agent = given.agent("ring_bell", "core_memory_append")
    given.said(agent)
    turn, book = stale(agent)
    told = []
    turn.committed = lambda messages, run: told.append(messages)
    before, lane = rows(), given.place(agent)
    with pytest.raises(Fenced):
        WRITES[write](turn, book)
    assert rows() == before
    assert vars(given.place(agent)) | {"_state": None} == vars(lane) | {"_state": None}
    assert told == []


def test_a_late_worker_whose_lease_nobody_took_may_still_commit():
    agent = given.agent()
    run = given.said(agent)
    turn = given.claimed(agent, lease=0)
    given.ledger(turn).close(reply(turn, text="hi"), [], lambda done: Finished("end_turn"))
    assert given.ended(run)[0] == "completed"


# A commit whose end nobody heard of


@pytest.fixture
def unheard(monkeypatch):
    """Every commit comes through, and is tried again because nobody heard of it."""
    for module in (ledger, endings, accepting, cancelling, loading):
        monkeypatch.setattr(module, "settled", given.twice)


def test_a_step_is_committed_once(unheard):
    agent = given.agent("core_memory_append")
    run = given.said(agent)
    given.advance(agent, calls(("core_memory_append", {"label": "human", "content": "tea"})), says("Noted"))
    assert given.ended(run) == ("completed", "end_turn", None)
    assert given.transcript(agent)[1:] == [
        "assistant: [core_memory_append]",
        given.transcript(agent)[2],
        "assistant: Noted",
    ]
    assert Block.objects.get().value == "tea"
    assert given.steps(run) == ["committed", "committed"]


def test_an_intent_is_committed_once(unheard, tmp_path):
    agent = given.agent("ring_bell")
    run = given.said(agent)
    given.advance(agent, calls(("ring_bell", {"folder": str(tmp_path)})), says("Rung"))
    assert len((tmp_path / "rung").read_text().splitlines()) == 1
    assert given.tries(run) == [("ring_bell", 1, "succeeded")]


@pytest.mark.parametrize(
    "end", [endings.cancel, lambda turn: endings.fail(turn, Finished("error", "internal_error", "broken"))]
)
def test_a_run_ends_once(unheard, end):
    agent = given.agent("ring_bell")
    run = given.said(agent)
    turn = given.claimed(agent)
    given.ledger(turn).commit(reply(turn, "ring_bell"), [], [given.admitted(turn, "ring_bell")])
    end(turn)
    assert given.fresh(run).is_terminal
    assert len(given.transcript(agent)) == 3


def test_a_wait_counts_one_failure(unheard):
    agent = given.agent()
    given.said(agent)
    endings.postpone(given.claimed(agent), 30, LLMError("timeout", "late"))
    assert Step.objects.get().llm_failures == 1


# What the database itself sees to


def test_a_terminal_run_stays_as_it_ended():
    agent = given.agent()
    run = given.said(agent)
    given.advance(agent, says("hi"))
    for status in ("queued", "running", "failed", "cancelled"):
        with pytest.raises(IntegrityError, match="stays so"), transaction.atomic():
            Run.objects.filter(id=run.id).update(status=status)
    assert given.ended(run)[0] == "completed"


def test_an_unknown_status_is_refused():
    given.said(given.agent())
    with pytest.raises(IntegrityError, match="run_status_known"):
        Run.objects.update(status="sleeping")


def test_a_step_has_one_answer():
    agent = given.agent()
    given.said(agent)
    given.advance(agent, says("hi"))
    answer = Message.objects.get(role="assistant")
    answer.pk, answer.seq, answer._state.adding = "message-other", 99, True
    with pytest.raises(IntegrityError, match="message_of_step_once"):
        answer.save(force_insert=True)


def test_a_worker_that_stands_still_inside_a_commit_blocks_no_accept():
    """The inbox is a row of its own, so that only the conversation is locked by a commit."""
    agent = given.agent()
    given.said(agent, "one")
    turn = given.claimed(agent)
    with transaction.atomic():
        turns.fence(turn.hold, 1)
        other = connection.copy()
        try:
            with other.cursor() as cursor:
                cursor.execute("SET lock_timeout = '200ms'")
                cursor.execute("UPDATE agents_inbox SET next_run_seq = next_run_seq + 1")
        finally:
            other.close()
