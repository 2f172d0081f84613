"""Agents that write to each other: sent once, waited for without a worker, and never for ever."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents import ledger, mail
from agents.advancing import advance
from agents.cancelling import cancel
from agents.loop.ports import Abort
from agents.models import TERMINAL, Agent, Inbox, Run, ToolAttempt
from agents.streaming import Wires
from tests.agents import given
from tests.agents.loop.doubles import Answer, calls, says
from workers.claims import claim
from workers.sweep import due

pytestmark = pytest.mark.django_db(transaction=True)

ASK, SEND, TAGGED = (
    "send_message_to_agent_and_wait_for_reply",
    "send_message_to_agent_async",
    "send_message_to_agents_matching_tags",
)


@pytest.fixture
def agents() -> list[Agent]:
    """Three of one organization."""
    owner = given.organization()
    return [
        given.agent(ASK, SEND, TAGGED, "core_memory_append", organization=owner, name=name, tags=["team", name])
        for name in ("Ann", "Bob", "Cid")
    ]


def ask(agent: Agent, text: str = "Well?", tool: str = ASK) -> Answer:
    return calls((tool, {"message": text, "other_agent_id": agent.id}))


def tagged(*some: str, every: tuple[str, ...] = ("team",)) -> Answer:
    return calls((TAGGED, {"message": "All well?", "match_all": list(every), "match_some": list(some)}))


def takes(agent: Agent, *answers: Answer) -> None:
    """The next step of the agent, which has one."""
    script = given.Script(*answers)
    advance(given.claimed(agent), given.Outfit(script), Abort())
    assert len(script.asked) == len(answers)


def is_idle(agent: Agent) -> bool:
    return claim(given.place(agent).id, "worker-2", 30) is None


def last(agent: Agent) -> str:
    return given.transcript(agent)[-1]


def tools(agent: Agent) -> list[str]:
    return [line for line in given.transcript(agent) if line.startswith("tool: ")]


def test_a_question_is_answered_and_the_asker_goes_on(agents: list[Agent]) -> None:
    ann, bob, _ = agents
    run = given.said(ann)
    takes(ann, ask(bob, "How is the weather?"))
    assert given.fresh(run).status == "queued"
    assert (given.place(ann).owner, given.place(ann).lease_until) == ("", None)
    assert given.steps(run) == ["responded"]
    assert is_idle(ann)
    takes(bob, says("It rains."))
    [heard] = [line for line in given.transcript(bob) if line.startswith("user")]
    assert f"from another agent, Ann ({ann.id})" in heard
    assert heard.endswith("How is the weather?")
    takes(ann)
    takes(ann, says("It rains, says Bob."))
    assert given.transcript(ann)[1:] == [f"assistant: [{ASK}]", "tool: It rains.", "assistant: It rains, says Bob."]
    assert given.ended(run) == ("completed", "end_turn", None)
    assert given.tries(run) == [(ASK, 1, "succeeded")]


def test_what_an_agent_says_with_its_tool_is_its_reply(agents: list[Agent]) -> None:
    ann = agents[0]
    mem = given.agent(organization=ann.organization, agent_type="memgpt_agent", include_base_tools=True)
    given.said(ann)
    takes(ann, ask(mem))
    takes(mem, calls(("send_message", {"thinking": "Hm.", "message": "Quite well."})))
    takes(ann)
    assert last(ann) == "tool: Quite well."


def test_who_is_asked_twice_in_one_answer_and_everything_beside_it(agents: list[Agent]) -> None:
    """Everything else has its return when the wait begins, and the replies come together."""
    ann, bob, cid = agents
    run = given.said(ann)
    question = {"message": "Well?"}
    takes(
        ann,
        calls(
            (ASK, question | {"other_agent_id": bob.id}),
            ("core_memory_append", {"label": "human", "content": "asked"}),
            (ASK, question | {"other_agent_id": cid.id}),
        ),
    )
    assert tools(ann) == ["tool: asked"]
    takes(bob, says("Bob is well."))
    assert is_idle(ann)
    takes(cid, says("Cid is well."))
    takes(ann)
    assert tools(ann) == ["tool: asked", "tool: Bob is well.", "tool: Cid is well."]
    assert [status for _, _, status in given.tries(run)] == ["succeeded"] * 3


def test_a_message_without_waiting(agents: list[Agent]) -> None:
    ann, bob, _ = agents
    run = given.said(ann)
    given.advance(ann, ask(bob, "The kettle boils.", SEND), says("Sent."))
    assert given.ended(run)[0] == "completed"
    takes(bob, says("Good."))
    assert f'other_agent_id "{ann.id}"' in given.transcript(bob)[0]
    assert is_idle(ann)


def test_all_with_the_tags(agents: list[Agent]) -> None:
    ann, bob, cid = agents
    given.agent(organization=ann.organization, tags=["other"])
    given.agent(tags=["team"])  # of another organization
    given.said(ann)
    takes(ann, tagged())
    takes(bob, says("Yes."))
    cancel(Run.objects.get(agent=cid).id, Wires("redis://127.0.0.1:1", 1))
    takes(ann)
    assert '"reply": "Yes."' in last(ann)
    assert "was stopped before it had replied" in last(ann)


@pytest.mark.parametrize(
    ("every", "some", "names"), [((), ("Bob",), ["Bob"]), (("team",), ("Bob", "Cid"), ["Bob", "Cid"])]
)
def test_which_tags(agents: list[Agent], every: Any, some: Any, names: list[str]) -> None:
    given.said(agents[0])
    takes(agents[0], tagged(*some, every=every))
    assert sorted(run.agent.name for run in Run.objects.exclude(asked_by=None)) == names


REFUSED: dict[str, tuple[Any, str]] = {
    "nobody": (lambda ann: calls((ASK, {"message": "x", "other_agent_id": "agent-none"})), "There is no agent"),
    "no id at all": (lambda ann: calls((SEND, {"message": "x", "other_agent_id": "\x00"})), "There is no agent"),
    "another organization's": (lambda ann: ask(given.agent()), "There is no agent"),
    "itself": (lambda ann: ask(ann), "your own id"),
    "no tags": (lambda ann: tagged(every=()), "at least one tag"),
    "tags of nobody": (lambda ann: tagged(every=("x",)), "No other agent"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_sent(agents: list[Agent], case: str) -> None:
    answer, told = REFUSED[case]
    run = given.said(agents[0])
    takes(agents[0], answer(agents[0]))
    assert told in last(agents[0])
    assert Run.objects.count() == 1
    assert given.tries(run)[0][2] == "failed"
    takes(agents[0], says("Well then."))
    assert given.ended(run)[0] == "completed"


def test_one_of_two_that_cannot_be_sent_holds_up_nothing(agents: list[Agent]) -> None:
    ann, bob, _ = agents
    given.said(ann)
    both = [(ASK, {"message": "x", "other_agent_id": id}) for id in ("agent-none", bob.id)]
    takes(ann, calls(*both))
    takes(bob, says("Yes."))
    takes(ann)
    assert [line[:20] for line in tools(ann)] == ["tool: Yes.", "tool: There is no ag"]
    assert Run.objects.filter(agent=bob).count() == 1


def test_whoever_is_asked_does_not_ask_back(agents: list[Agent]) -> None:
    ann, bob, _ = agents
    run = given.said(ann)
    takes(ann, ask(bob))
    takes(bob, ask(ann))
    assert f"Agent Ann ({ann.id}) is waiting for your reply" in last(bob)
    takes(bob, says("Fine."))
    given.advance(ann, says("Done."))
    assert given.ended(run)[0] == "completed"


def test_a_ring_of_three(agents: list[Agent]) -> None:
    ann, bob, cid = agents
    for one in agents:
        given.said(one, "Ask the next.")
    # All three are at work before the first question is asked, so each has one of its own and one to answer.
    takes(ann, ask(bob))
    takes(bob, ask(cid))
    takes(cid, ask(ann))
    assert "is waiting for your reply" in last(cid)
    takes(cid, says("I cannot ask."))
    takes(cid, says("Cid."))
    takes(bob)
    takes(bob, says("Bob."))
    takes(bob, says("Bob again."))
    takes(ann)
    takes(ann, says("Ann."))
    assert not Run.objects.exclude(status__in=TERMINAL).exists()


def test_a_chain_has_an_end(agents: list[Agent]) -> None:
    ann, bob, _ = agents
    run = given.said(ann)
    Run.objects.filter(id=run.id).update(depth=mail.MAX_DEPTH)
    takes(ann, ask(bob))
    assert "end of a chain" in last(ann)
    assert Run.objects.count() == 1


def test_who_waits_for_approval_takes_no_message(agents: list[Agent]) -> None:
    ann = agents[0]
    held = given.agent("send_message", organization=ann.organization, name="Dan")
    given.waits_for_leave(held)
    given.said(ann)
    takes(ann, ask(held))
    assert "waits for a person's approval" in last(ann)
    assert is_idle(held)


def test_a_reply_that_never_comes(agents: list[Agent]) -> None:
    ann, bob, _ = agents
    run = given.said(ann)
    takes(ann, ask(bob))
    Run.objects.filter(id=run.id).update(not_before=timezone.now() - timedelta(seconds=1))
    takes(ann)
    assert "has not replied in time" in last(ann)
    assert given.tries(run) == [(ASK, 1, "failed")]
    takes(bob, says("Late."))
    takes(ann, says("Never mind."))
    assert given.ended(run)[0] == "completed"


def test_the_wait_is_no_longer_than_the_run(agents: list[Agent], settings: Any) -> None:
    settings.REPLY_SECONDS = 10_000
    run = given.said(agents[0])
    takes(agents[0], ask(agents[1]))
    waiting = given.fresh(run)
    assert waiting.not_before == waiting.deadline_at
    assert Inbox.objects.get(conversation=given.place(agents[0])).ready_at == waiting.not_before


def test_the_other_fails(agents: list[Agent]) -> None:
    ann, bob, _ = agents
    given.said(ann)
    takes(ann, ask(bob))
    Run.objects.filter(agent=bob).update(deadline_at=timezone.now() - timedelta(seconds=1))
    assert given.claimed(bob).run.is_terminal
    takes(ann)
    assert "failed before it had replied" in last(ann)


def test_cancelling_the_asker_leaves_the_other_alone(agents: list[Agent]) -> None:
    ann, bob, _ = agents
    run = given.said(ann)
    takes(ann, ask(bob))
    assert cancel(run.id, Wires("redis://127.0.0.1:1", 1)).status == "cancelled"
    assert "cancelled the request" in last(ann)
    takes(bob, says("Yes?"))
    assert is_idle(ann)


def test_messages_that_come_meanwhile_wait_their_turn(agents: list[Agent]) -> None:
    ann, bob, _ = agents
    given.said(ann)
    takes(ann, ask(bob))
    given.said(ann, "And now?")
    assert is_idle(ann)
    ready_at = Inbox.objects.get(conversation=given.place(ann)).ready_at
    assert ready_at is not None
    assert ready_at > timezone.now()
    takes(bob, says("Yes."))
    takes(ann)
    takes(ann, says("Bob says yes."))
    takes(ann, says("Now this."))
    assert [line for line in given.transcript(ann) if line.startswith("user")] == ["user: hello", "user: And now?"]


def test_the_sweep_finds_who_waits_for_nobody(agents: list[Agent]) -> None:
    ann, bob, _ = agents
    given.said(ann)
    takes(ann, ask(bob))
    Inbox.objects.update(hinted_at=None)
    assert due(0) == [given.place(bob).id]
    bob.delete()
    assert due(0) == [given.place(ann).id]
    takes(ann)
    assert "interrupted" in last(ann)


def test_a_worker_that_lost_its_hold_sends_nothing(agents: list[Agent]) -> None:
    ann, bob, _ = agents
    given.said(ann)
    stale = given.claimed(ann, lease=0)
    given.claimed(ann, "worker-2")
    advance(stale, given.Outfit(given.Script(ask(bob))), Abort())
    assert Run.objects.count() == 1
    assert not ToolAttempt.objects.exists()


@pytest.mark.parametrize("tool", [ASK, SEND])
def test_a_commit_that_nobody_heard_of_sends_once(
    agents: list[Agent], tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob, _ = agents
    monkeypatch.setattr(ledger, "settled", given.twice)
    given.said(ann)
    takes(ann, ask(bob, tool=tool))
    assert Run.objects.filter(agent=bob).count() == 1


def test_a_crash_after_the_reply_asks_nobody_again(agents: list[Agent]) -> None:
    ann, bob, _ = agents
    run = given.said(ann)
    takes(ann, ask(bob))
    takes(bob, says("Yes."))
    given.claimed(ann, lease=0)
    takes(ann)
    assert last(ann) == "tool: Yes."
    assert (Run.objects.count(), given.fresh(run).claims) == (2, 3)
