"""Random lives of a conversation on a real Postgres: two workers are stepped, frozen and killed at every faultpoint.

A worker is a thread that runs the product's own code and halts at each faultpoint until it is told to go on, or to
die there. At most one thread runs at a time, so an example is the same every time.
"""

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, strategies
from hypothesis import settings as examples
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from agents import accepting, advancing, cancelling, endings, ledger, toolbox
from agents.errors import LLMError
from agents.loop.ports import Abort
from agents.models import TERMINAL, Conversation, Inbox, Message, Run, Step, ToolAttempt
from agents.streaming import Wires
from agents.turns import Turn
from memory.models import Block
from tests import invariants
from tests.agents import given
from tests.agents.loop.doubles import Answer, calls, says
from tests.agents.test_ledger import reply
from workers import claims
from workers.claims import Holds, claim
from workers.heartbeat import Heartbeat
from workers.sweep import due

pytestmark = pytest.mark.django_db(transaction=True)

HALTS = {"c4", "c5", "c7", "fence", "c8", "c10", "c12", "c13"}
STUCK = 30  # seconds
ALL_THE_WAY = 1000  # faultpoints
ORGANIZED = (Conversation, Inbox, Run, Step, Message, ToolAttempt, Block)

_local = threading.local()


class Killed(BaseException):
    """The process is gone: nothing in the code may catch this."""


def halt(name: str, about: object = "") -> None:
    """In the place of `faultpoint`."""
    worker = getattr(_local, "worker", None)
    if worker is not None and name in HALTS:
        worker.halt(name)


class Worker:
    """A worker process with one slot. `place` is the faultpoint at which it stands, None when it has nothing to do."""

    def __init__(self, name: str):
        self._name = name
        self._orders: queue.Queue[bool] = queue.Queue()
        self._places: queue.Queue[str | None] = queue.Queue()
        self.answer: Answer = says("hi")
        self._start_anew()

    def _start_anew(self) -> None:
        self.place: str | None = None
        self.at = ""
        self.turn: Turn | None = None
        self._error: BaseException | None = None
        self.holds = Holds(self._name, 60)
        self.heartbeat = Heartbeat(self.holds)

    def take(self, conversation_id: str) -> None:
        """Come up to the claim."""
        self.at = conversation_id
        threading.Thread(target=self._run, args=[conversation_id], daemon=True).start()
        self.place = self._places.get(timeout=STUCK)

    def go(self, *, die: bool = False) -> None:
        """On to the next faultpoint, or to the end."""
        self._orders.put(die)
        self.place = self._places.get(timeout=STUCK)
        error = self._error
        if self.place is None:
            self.end_heartbeat()
            self._start_anew()
        if error is not None:
            raise error

    def halt(self, place: str) -> None:
        self._places.put(place)
        if self._orders.get():
            raise Killed

    def stream(self, request: Any, abort: Abort) -> Any:
        """The model: what it answers is decided when it is asked."""
        if isinstance(self.answer, Exception):
            raise self.answer
        yield from self.answer

    @property
    def is_late(self) -> bool:
        """Whether another was given the conversation since."""
        hold = self.turn.hold if self.turn else None
        return hold is not None and not Conversation.objects.filter(id=hold.conversation_id, epoch=hold.epoch).exists()

    def _run(self, conversation_id: str) -> None:
        _local.worker = self
        try:
            self.holds.run(conversation_id, self._work)
        except Killed:
            pass
        except BaseException as error:
            self._error = error
        finally:
            connection.close()
            self._places.put(None)

    def _work(self, turn: Turn, abort: Abort) -> None:
        self.turn = turn
        advancing.advance(turn, given.Outfit(self), abort)

    def end_heartbeat(self) -> None:
        if self.heartbeat._connection:
            self.heartbeat._connection.close()


workers = strategies.sampled_from(["A", "B"])
SPOKEN, ASKS = "spoken", "asks"
QUESTION = "send_message_to_agent_and_wait_for_reply"
ANSWERS = [
    SPOKEN,
    "remembers",
    "rings",
    "rings, remembers and rings",
    "remembers and rings",
    "lights",
    "lights and rings",
    ASKS,
    "rings, remembers and asks",
    "calls what is not there",
    "writes no JSON",
    "is overloaded",
    "is forbidden",
    "says nothing",
]
answers = strategies.sampled_from(ANSWERS)
HAPPENINGS = {
    "work": 12,
    "another_takes_over": 4,
    "kill": 2,
    "renew": 4,
    "shut_down": 1,
    "accept": 2,
    "accept_with_a_key": 1,
    "cancel": 1,
    "a_wait_ends": 2,
    "a_deadline_passes": 1,
    "sweep": 1,
}
"""What may happen, and how often beside the rest."""
happenings = strategies.sampled_from([what for what, weight in HAPPENINGS.items() for _ in range(weight)])
places = strategies.sampled_from([0, 0, 1])  # the agent's conversation, or its colleague's


class Lifecycle(RuleBasedStateMachine):
    """One agent, a colleague that it may ask, their conversations, their clients and two workers."""

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder
        self.workers = {name: Worker(name) for name in "AB"}
        self.wires = Wires(settings.REDIS_URL, 60)
        self.agent = given.agent("ring_bell", "set_lamp", "core_memory_append", QUESTION)
        self.colleague = given.agent(QUESTION, organization=self.agent.organization)
        self.places = [given.place(self.agent).id, given.place(self.colleague).id]
        self.accepted: list[str] = []
        self.keys: dict[str, str] = {}
        self.ended: dict[str, tuple[str, str | None]] = {}
        self.asked_to_cancel: set[str] = set()

    @initialize()
    def begin(self):
        self.accept()

    @rule(what=happenings, name=workers, answer=answers, far=strategies.integers(1, 9), at=places)
    def happens(self, what, name, answer, far, at):
        """One rule for all: of several, Hypothesis leaves some out of most examples, and those would not get far."""
        move = getattr(self, what)
        if what in ("work", "another_takes_over"):
            move(self.workers[name], answer, far, self.places[at])
        elif what in ("kill", "renew", "shut_down"):
            move(self._busy(name))
        elif what in ("accept_with_a_key", "cancel"):
            move(far)
        else:
            move()

    # Clients

    def accept(self):
        self.accepted.append(given.said(self.agent, f"message {len(self.accepted)}").id)

    def accept_with_a_key(self, which):
        key = f"{self.agent.id}:{which % 2}"
        run = given.said(self.agent, f"keyed {key}", idempotency_key=key)
        assert self.keys.setdefault(key, run.id) == run.id
        self.accepted.append(run.id)

    def cancel(self, which):
        run_id = self.accepted[-which % len(self.accepted)]
        self.asked_to_cancel.add(run_id)
        cancelling.cancel(run_id, self.wires)

    # Time

    def the_lease_runs_out(self):
        over = timezone.now() - timedelta(seconds=1)
        Conversation.objects.exclude(lease_until=None).update(lease_until=over)

    def a_wait_ends(self):
        now = timezone.now()
        Inbox.objects.filter(ready_at__gt=now).update(ready_at=now)
        Run.objects.filter(not_before__gt=now).update(not_before=now)

    def a_deadline_passes(self):
        head = Run.objects.exclude(status__in=TERMINAL).order_by("created_at").first()
        if head:
            Run.objects.filter(id=head.id).update(deadline_at=timezone.now() - timedelta(seconds=1))

    def sweep(self):
        assert set(due(0)) <= set(self.places)

    # Workers

    def work(self, worker, answer, far, place):
        if worker.place is None:
            worker.take(place)
        if worker.place == "c4":
            self._claim(worker)
        self._go(worker, answer, far)

    def another_takes_over(self, worker, answer, far, place):
        self.the_lease_runs_out()
        self.work(worker, answer, far, place)

    def _claim(self, worker: Worker) -> None:
        """What another holds is not to be had."""
        held = Conversation.objects.filter(id=worker.at, lease_until__gt=timezone.now()).exists()
        worker.go()
        assert not (held and worker.place)

    def kill(self, worker):
        if worker:
            worker.go(die=True)

    def renew(self, worker):
        """And hear of what was cancelled."""
        if worker:
            worker.heartbeat._renew()

    def shut_down(self, worker):
        if worker:
            worker.holds.stop()

    def _busy(self, name: str = "A") -> Worker | None:
        """This worker if it is at work, or else the other one if that is."""
        named = [self.workers[name], *self.workers.values()]
        return next((worker for worker in named if worker.place is not None), None)

    def _go(self, worker: Worker, answer: str, far: int) -> None:
        """A worker that another has taken over from changes no row."""
        worker.answer = self._answer(answer)
        while worker.place is not None and far:
            before = self._rows() if worker.is_late else None
            worker.go()
            assert before is None or self._rows() == before
            far -= 1

    def _answer(self, kind: str) -> Answer:
        bell, lamp = ("ring_bell", {"folder": str(self.folder)}), ("set_lamp", {"folder": str(self.folder)})
        note = ("core_memory_append", {"label": "human", "content": "."})
        question = (QUESTION, {"message": "Well?", "other_agent_id": self.colleague.id})
        return {
            SPOKEN: says("hi"),
            "remembers": calls(note),
            "rings": calls(bell),
            "rings, remembers and rings": calls(bell, note, bell),
            "remembers and rings": calls(note, bell),
            "lights": calls(lamp),
            "lights and rings": calls(lamp, bell),
            ASKS: calls(question),
            "rings, remembers and asks": calls(bell, note, question),
            "calls what is not there": calls(("fly", {})),
            "writes no JSON": calls(("ring_bell", "{folder"), bell),
            "is overloaded": LLMError("overloaded", "Come back later.", retryable=True),
            "is forbidden": LLMError("authentication", "Who are you?"),
            "says nothing": says(""),
        }[kind]

    def _rows(self) -> list[Any]:
        return [list(model.objects.order_by("pk").values()) for model in ORGANIZED]

    # What holds at any time

    @invariant()
    def the_rows_are_right(self):
        wrong = _wrong_rows()
        assert not wrong, wrong

    @invariant()
    def bells_are_rung_once(self):
        connection.ensure_connection()
        invariants.check_bells(connection.connection, self.folder)

    @invariant()
    def what_has_ended_stays(self):
        ends = Run.objects.filter(status__in=TERMINAL)
        now = {run.id: (run.status, run.error_code) for run in ends}
        assert {run_id: now.get(run_id) for run_id in self.ended} == self.ended
        assert {run_id for run_id, (status, _) in now.items() if status == "cancelled"} <= self.asked_to_cancel
        assert "internal_error" not in {code for _, code in now.values()}
        self.ended = now

    @invariant()
    def notes_are_kept_once(self):
        """What the memory holds is what the returns say: a call that was run inside its commit was run once."""
        done = Message.objects.filter(
            agent=self.agent, role="tool", name="core_memory_append", content__status="success"
        )
        assert Block.objects.get(agents=self.agent).value.count(".") == done.count()

    @invariant()
    def questions_are_sent_once(self):
        """One run for each call that asks, from the commit that records the call; an answered call has a reply."""
        asked = Run.objects.filter(asked_by__agent=self.agent).values_list("asked_by_call", flat=True)
        assert len(asked) == len(set(asked))
        tries = ToolAttempt.objects.filter(run__agent=self.agent, name=QUESTION).exclude(status="planned")
        answered = Message.objects.filter(agent=self.agent, role="tool", name=QUESTION, content__status="success")
        replied = Run.objects.filter(asked_by__agent=self.agent, status="completed")
        assert set(asked) <= set(tries.values_list("call_id", flat=True))
        assert set(answered.values_list("content__call_id", flat=True)) <= set(
            replied.values_list("asked_by_call", flat=True)
        )

    # The end

    def teardown(self):
        try:
            self._come_to_the_end()
            connection.ensure_connection()
            invariants.check(connection.connection, self.accepted)
            self.what_has_ended_stays()
        finally:
            for worker in self.workers.values():
                if worker.place is not None:
                    worker.go(die=True)
                worker.end_heartbeat()
            with connection.cursor() as cursor:
                cursor.execute("TRUNCATE accounts_organization CASCADE")

    def _come_to_the_end(self) -> None:
        """With time, workers that live and a model that answers, every run ends. The sweep alone finds the work."""
        for worker in self.workers.values():
            self._go(worker, SPOKEN, ALL_THE_WAY)
        for _ in range(8 * Run.objects.count() + 8):
            self.the_lease_runs_out()
            self.a_wait_ends()
            found = due(0)
            if not found:
                break
            self.work(self.workers["A"], SPOKEN, ALL_THE_WAY, found[0])
        assert not Run.objects.exclude(status__in=TERMINAL).exists()


def _wrong_rows() -> list[str]:
    """The names of tests.invariants that find something, by one statement."""
    parts = [f"SELECT {place} WHERE EXISTS ({query})" for place, query in enumerate(invariants.WRONG.values())]
    names = list(invariants.WRONG)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        return [names[place] for (place,) in cursor]


def test_whatever_happens_to_its_workers_a_conversation_stays_right(monkeypatch, tmp_path, request):
    for module in (accepting, advancing, ledger, toolbox, claims):
        monkeypatch.setattr(module, "faultpoint", halt)
    for module in (accepting, advancing, cancelling):
        monkeypatch.setattr(module, "hint", lambda conversation_id: None)  # every hint is lost
    folders = (tmp_path / str(number) for number in count())

    def lifecycle() -> Lifecycle:
        folder = next(folders)
        folder.mkdir()
        return Lifecycle(folder)

    run_state_machine_as_test(
        lifecycle,
        settings=examples(
            max_examples=200 if request.config.getoption("--faults") else 30,
            stateful_step_count=30,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


# What such lives have shown once


def test_a_message_that_comes_in_while_a_claim_finds_nothing_is_not_forgotten(monkeypatch):
    agent = given.agent()
    rest = ledger._rest

    def slowly(hold):
        with ThreadPoolExecutor(1) as client:
            client.submit(_accepted_elsewhere, agent).result()
        rest(hold)

    monkeypatch.setattr(ledger, "_rest", slowly)
    assert claim(given.place(agent).id, "worker-1", 30) is None
    assert due(0) == [given.place(agent).id]


def _accepted_elsewhere(agent):
    try:
        given.said(agent)
    finally:
        connection.close()


def test_a_deadline_ends_a_run_that_waits():
    agent = given.agent()
    run = given.said(agent)
    endings.postpone(given.claimed(agent), 600, LLMError("rate_limit", "Slow down."))
    Run.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    assert given.claimed(agent).run.is_terminal
    assert given.ended(run) == ("failed", "error", "deadline_exceeded")


def test_a_further_try_is_begun_once_though_nobody_heard_of_its_commit(monkeypatch):
    agent = given.agent("set_lamp")
    run = given.said(agent)
    first = given.claimed(agent, lease=0)
    given.ledger(first).commit(reply(first, "set_lamp"), [], [given.admitted(first, "set_lamp")])
    second = given.claimed(agent)
    monkeypatch.setattr(ledger, "settled", given.twice)
    given.ledger(second).commit(None, [], [given.admitted(second, "set_lamp", attempt=2)])
    assert given.tries(run) == [("set_lamp", 1, "interrupted"), ("set_lamp", 2, "started")]
