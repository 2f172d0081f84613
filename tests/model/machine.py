"""The run machine of one conversation, as values: what the database holds, what the workers do, what may go wrong.

A state is a tuple, and a transition is a function that gives the states which may follow. Each transaction of the code
is one transition; what happens between two transactions may be put off for ever, so a worker that is frozen needs no
transition of its own. What the code compares by number (epochs, times) is here only what the comparison would say.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

MAX_CLAIMS = 2  # 3 in the code; one fewer shows the same behaviour in half the states
MAX_LLM_FAILURES = 2  # 6 in the code
ENDED = frozenset({"completed", "failed", "cancelled"})
OUTSIDE = frozenset({"bell", "lamp"})
"""Tools that reach the world. A bell cannot be un-rung; switching a lamp on again changes nothing. A "note" is kept in
our own database. So is a "question" to another agent, but its reply has to be waited for; it is the last call of its
step."""
MAX_TRIES = 2  # of a lamp; 3 in the code

Script = tuple[tuple[str, ...], ...]
"""What the model answers to a message: for each step the tools that it calls; a step without calls is the last."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What keeps the machine right. Each is true of the code; a mutant goes without one of them."""

    fence: bool = True  # a write is refused to whoever was claimed away from
    lease: bool = True  # a claim has to wait for the lease of another
    intent: bool = True  # a tool runs after it was committed that it would
    answer_first: bool = True  # a tool runs after the answer that calls it was committed
    sweep: bool = True
    keys: bool = True  # the same idempotency key gives the same run
    fifo: bool = True  # the first run that has not ended is claimed, and no other
    once: bool = True  # a tool whose end nobody saw, and that is not idempotent, is not run again
    renews_held_only: bool = True  # a lease that was given back is not renewed
    looks_again: bool = True  # a claim that found nothing looks again before it says so
    cancels_by_run: bool = True  # who is told to cancel is told which run
    pairs: bool = True  # a run that ends early gives its open calls a return
    posts_inside: bool = True  # a question is sent by the commit that records its call
    asks_once: bool = True  # a question whose reply did not come in time is not sent again


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is said and what may happen, beside crashes, delays, stolen leases, and hints that are lost or doubled."""

    scripts: tuple[Script, ...]
    workers: int = 2
    cancels: frozenset[int] = frozenset()  # messages whose client may cancel
    llm_fails: bool = False
    deadlines: bool = False
    shutdowns: bool = False


class Entry(NamedTuple):
    """One message of the transcript; `call` and `outcome` are a return's."""

    run: int
    step: int
    role: str
    call: int = -1
    outcome: str = ""


class Run(NamedTuple):
    """A run, and the row of the step that it stands before. `effects` counts, call by call, what was done."""

    status: str = "offered"
    taken: bool = False
    cancel: bool = False
    late: bool = False
    waits: bool = False
    done: int = 0  # steps
    responded: bool = False
    returned: int = 0  # calls of this step that have a return
    tries: int = 0  # of the call after them
    claims: int = 0
    failures: int = 0
    asked: str = ""  # what has become of this step's question: sent or replied
    effects: tuple[int, ...] = ()


class Worker(NamedTuple):
    """What a worker is about to do, to which step, and whether its epoch is (still) the conversation's.

    idle, rests (holds the row lock: it found nothing to do), claimed, answered (knows the answer, which is not stored),
    begins (is about to run call `at`), ran (knows the result of call `at`), leaves (has committed and given back).
    """

    phase: str = "idle"
    run: int = -1
    step: int = -1
    at: int = -1
    current: bool = False
    fresh: bool = False  # the answer is not stored yet


class State(NamedTuple):
    """lease: none, live or over. grants: leases given whose time is not over. ready: none, now or later.

    `wrongs` names what was seen to happen that no state shows afterwards.
    """

    runs: tuple[Run, ...]
    workers: tuple[Worker, ...]
    log: tuple[Entry, ...] = ()
    owned: bool = False
    lease: str = "none"
    grants: int = 0
    ready: str = "none"
    hint: bool = False
    told: bool = False  # a word about a cancelled run is on its way to the workers
    wrongs: frozenset[str] = frozenset()


IDLE = Worker()


@dataclass(frozen=True, slots=True)
class Machine:
    """All transitions of a scenario under some rules."""

    scenario: Scenario
    rules: Rules = Rules()

    def start(self) -> State:
        runs = tuple(Run(effects=(0,) * sum(map(len, script))) for script in self.scenario.scripts)
        return State(runs, (IDLE,) * self.scenario.workers)

    def next(self, state: State) -> Iterator[tuple[str, State]]:
        """Every state that may follow, with the name of what leads there. The order of the workers says nothing."""
        for transition in OF_ALL:
            for after in transition(self, state):
                yield transition.__name__, _sorted(after)
        for index, worker in enumerate(state.workers):
            if index and worker == state.workers[index - 1]:
                continue
            for step in OF_A_WORKER:
                for after in step(self, state, index):
                    yield step.__name__, _sorted(after)

    def calls(self, run: int, step: int) -> tuple[str, ...]:
        return self.scenario.scripts[run][step]

    def effect(self, run: int, step: int, call: int) -> int:
        """The place of a call among the run's effects."""
        return sum(map(len, self.scenario.scripts[run][:step])) + call


def _sorted(state: State) -> State:
    ordered = tuple(sorted(state.workers))
    return state if ordered == state.workers else state._replace(workers=ordered)


# Clients --------------------------------------------------------------------------------------------------------------


def accept(machine: Machine, state: State) -> Iterator[State]:
    """T0. Its hint may be lost at once, which is what a crash before the hint does as well."""
    offered = [index for index, run in enumerate(state.runs) if run.status == "offered"]
    if offered:
        ready = state.ready if state.ready != "none" else "now"
        yield _with_run(state, offered[0], status="queued")._replace(ready=ready, hint=True)


def accept_again(machine: Machine, state: State) -> Iterator[State]:
    """The client heard no answer and sends its message once more: with the key, it gets the run that there is."""
    if not machine.rules.keys and any(run.status != "offered" for run in state.runs):
        yield _wrong(state, "I8")


def cancel(machine: Machine, state: State) -> Iterator[State]:
    """One transaction that locks the conversation; what a worker holds is asked for, all else ends here and now."""
    if _locked(state):
        return
    for index in machine.scenario.cancels:
        run = state.runs[index]
        if run.status == "offered" or run.status in ENDED or run.cancel:
            continue
        asked = _with_run(state, index, cancel=True)
        if _head(state) != index:
            yield _with_run(asked, index, status="cancelled")
        elif state.lease == "live":
            yield asked._replace(told=not machine.rules.cancels_by_run)
        else:
            yield _end(machine, _taken(_fenced_off(asked), index), index, "cancelled", "cancelled")


# Time and the network -------------------------------------------------------------------------------------------------


def lease_runs_out(machine: Machine, state: State) -> Iterator[State]:
    if state.lease == "live":
        yield state._replace(lease="over", grants=0)


def wait_ends(machine: Machine, state: State) -> Iterator[State]:
    for index, run in enumerate(state.runs):
        if run.waits:
            ready = "now" if state.ready == "later" else state.ready
            yield _with_run(state, index, waits=False)._replace(ready=ready)


def reply_comes(machine: Machine, state: State) -> Iterator[State]:
    """The end of the run that was asked wakes the one that waits for it, in the same transaction."""
    for index, run in enumerate(state.runs):
        if run.asked == "sent" and run.status in ("queued", "running"):
            woken = _with_run(state, index, asked="replied", waits=False)
            ready = "now" if run.waits and _head(state) == index else state.ready
            yield woken._replace(ready=ready, hint=state.hint or run.waits)


def deadline_passes(machine: Machine, state: State) -> Iterator[State]:
    if not machine.scenario.deadlines:
        return
    for index, run in enumerate(state.runs):
        if run.status in ("queued", "running") and not run.late:
            yield _with_run(state, index, late=True)


def hint_is_lost(machine: Machine, state: State) -> Iterator[State]:
    if state.hint:
        yield state._replace(hint=False)


def sweep(machine: Machine, state: State) -> Iterator[State]:
    """Makes runs past their deadline ready, and hands out every conversation that is ready and held by nobody."""
    if not machine.rules.sweep or _locked(state):
        return
    late = any(run.late and run.status in ("queued", "running") for run in state.runs)
    ready = "now" if late else state.ready
    if ready == "now":
        yield state._replace(ready=ready, hint=state.hint or state.lease != "live")


# Workers: claiming ----------------------------------------------------------------------------------------------------


def claim(machine: Machine, state: State, index: int) -> Iterator[State]:
    """T1, on a hint, which may come twice. A claim that finds nothing keeps the row locked a little longer."""
    if state.workers[index] != IDLE or not state.hint or _locked(state):
        return
    if state.lease == "live" and machine.rules.lease:
        yield state._replace(hint=False)
        return
    for hinted in (state, state._replace(hint=False)):
        heads = _claimable(machine, state)
        if not heads:
            yield _with_worker(hinted, index, Worker("rests", run=_head(state)))
        for head in heads:
            yield _claimed(machine, hinted, index, head)


def rest(machine: Machine, state: State, index: int) -> Iterator[State]:
    """There was nothing to do. A message may have come in since, because an accept locks the inbox only."""
    if state.workers[index].phase != "rests":
        return
    head = _head(state) if machine.rules.looks_again else state.workers[index].run
    ready = "none" if head < 0 else "later" if state.runs[head].waits else "now"
    freed = _fenced_off(state)._replace(owned=False, lease="none", grants=0, ready=ready)
    yield _with_worker(freed, index, IDLE)


def renew(machine: Machine, state: State, index: int) -> Iterator[State]:
    """By the worker's heartbeat, which may be late, and which holds on until the turn has quite ended."""
    worker = state.workers[index]
    if not worker.current or _locked(state):
        return
    if state.lease == "over" or (state.lease == "none" and not machine.rules.renews_held_only):
        yield state._replace(lease="live", grants=1)


def crash(machine: Machine, state: State, index: int) -> Iterator[State]:
    """Everything that was not committed is gone, and so is a transaction that was open."""
    if state.workers[index] != IDLE:
        yield _with_worker(state, index, IDLE)


# Workers: a step ------------------------------------------------------------------------------------------------------


def ask(machine: Machine, state: State, index: int) -> Iterator[State]:
    """The model answers. A step that was answered before goes on with the answer that is stored."""
    worker = state.workers[index]
    if worker.phase != "claimed" or _stored(state, worker):
        return
    yield _with_worker(state, index, worker._replace(phase="answered", fresh=True))
    first = _outside_from(machine, worker, 0)
    if not machine.rules.answer_first and first is not None:
        yield _with_worker(state, index, worker._replace(phase="begins", at=first, fresh=True))


def model_fails(machine: Machine, state: State, index: int) -> Iterator[State]:
    """The run waits a while and tries again, or has failed often enough."""
    worker = state.workers[index]
    if _locked(state) or not machine.scenario.llm_fails or worker.phase != "claimed" or _stored(state, worker):
        return
    if (fenced := _fence(machine, state, index)) is None:
        yield from _refused(state, index)
        return
    failures = state.runs[worker.run].failures + 1
    if failures == MAX_LLM_FAILURES:
        yield _left(_end(machine, fenced, worker.run, "failed", "interrupted"), index)
        return
    waiting = _with_run(fenced, worker.run, status="queued", waits=True, failures=failures, claims=0)
    yield _left(_given_back(waiting)._replace(ready="later"), index)


def write(machine: Machine, state: State, index: int) -> Iterator[State]:
    """A commit of the step: what is known, with the intent of the next tool outside; or with the end of the step."""
    worker = state.workers[index]
    if not (worker.phase in ("answered", "ran") or (worker.phase == "claimed" and _stored(state, worker))):
        return
    if _locked(state):
        return
    if (fenced := _fence(machine, state, index)) is None:
        yield from _refused(state, index)
        return
    recorded, following = _record(machine, fenced, worker)
    if following is not None and machine.calls(worker.run, worker.step)[following] == "question":
        yield from _waiting(machine, recorded, index, following)
        return
    if following is None:
        yield _left(_close(machine, recorded, worker), index)
        return
    begun = worker._replace(phase="begins", at=following, fresh=False)
    yield _with_worker(recorded, index, begun)


def run_tool(machine: Machine, state: State, index: int) -> Iterator[State]:
    worker = state.workers[index]
    if worker.phase == "begins":
        done = _affected(machine, state, worker.run, worker.step, worker.at)
        yield _with_worker(done, index, worker._replace(phase="ran"))


def post(machine: Machine, state: State, index: int) -> Iterator[State]:
    """Never: the question is sent by the commit. Of a mutant that sends it before."""
    worker = state.workers[index]
    if machine.rules.posts_inside or worker.phase != "answered" or worker.at >= 0:
        return
    place = _question(machine, worker)
    if place >= 0:
        done = _affected(machine, state, worker.run, worker.step, place)
        yield _with_worker(done, index, worker._replace(at=place))


def stop(machine: Machine, state: State, index: int) -> Iterator[State]:
    """The worker hears that the run is cancelled or late, at a place where it looks."""
    worker = state.workers[index]
    if not _may_stop(machine, state, worker):
        return
    run = state.runs[worker.run]
    if run.cancel or run.late or state.told:
        status = "cancelled" if run.cancel or state.told else "failed"
        if (fenced := _fence(machine, state, index)) is None:
            yield from _refused(state, index)
            return
        outcome = "cancelled" if status == "cancelled" else "interrupted"
        yield _left(_end(machine, fenced._replace(told=False), worker.run, status, outcome), index)


def shut_down(machine: Machine, state: State, index: int) -> Iterator[State]:
    """The worker is told to end: it gives the step back as it stands. No hint: the sweep comes back to it."""
    worker = state.workers[index]
    if not machine.scenario.shutdowns or not _may_stop(machine, state, worker):
        return
    if (fenced := _fence(machine, state, index)) is None:
        yield from _refused(state, index)
        return
    yield _left(_given_back(_with_run(fenced, worker.run, claims=0))._replace(ready="now"), index)


def leave(machine: Machine, state: State, index: int) -> Iterator[State]:
    if state.workers[index].phase == "leaves":
        yield _with_worker(state, index, IDLE)


OF_ALL: tuple[Callable[[Machine, State], Iterator[State]], ...] = (
    accept,
    accept_again,
    cancel,
    lease_runs_out,
    wait_ends,
    reply_comes,
    deadline_passes,
    hint_is_lost,
    sweep,
)
OF_A_WORKER: tuple[Callable[[Machine, State, int], Iterator[State]], ...] = (
    claim,
    rest,
    renew,
    crash,
    ask,
    model_fails,
    write,
    run_tool,
    post,
    stop,
    shut_down,
    leave,
)


# Parts of transitions: claims -----------------------------------------------------------------------------------------


def _head(state: State) -> int:
    """The first run that has not ended, -1 if there is none."""
    return next((index for index, run in enumerate(state.runs) if run.status in ("queued", "running")), -1)


def _claimable(machine: Machine, state: State) -> list[int]:
    if machine.rules.fifo:
        wanted = [_head(state)] if _head(state) >= 0 else []
    else:
        wanted = [index for index, run in enumerate(state.runs) if run.status in ("queued", "running")]
    return [index for index in wanted if _may_go_on(state.runs[index])]


def _may_go_on(run: Run) -> bool:
    return not run.waits or run.cancel or run.late


def _claimed(machine: Machine, state: State, index: int, head: int) -> State:
    """The epoch is another now; the run is taken, or ended at once if it must not go on."""
    grants = state.grants + 1 if state.lease == "live" else 1
    state = _fenced_off(state)._replace(owned=True, lease="live", grants=grants)
    state = _taken(state, head)
    run = state.runs[head]
    if run.cancel:
        return _left(_end(machine, state, head, "cancelled", "cancelled"), index)
    if run.late or run.claims > MAX_CLAIMS:
        return _left(_end(machine, state, head, "failed", "interrupted"), index)
    return _with_worker(state, index, Worker("claimed", head, run.done, current=True))


def _taken(state: State, head: int) -> State:
    """The run's input becomes messages with its first claim."""
    run = state.runs[head]
    log = state.log if run.taken else (*state.log, Entry(head, 0, "user"))
    return _with_run(state, head, status="running", taken=True, claims=run.claims + 1)._replace(log=log)


def _fenced_off(state: State) -> State:
    """The next epoch: no worker's is the conversation's any longer."""
    if not any(worker.current for worker in state.workers):
        return state
    return state._replace(workers=tuple(worker._replace(current=False) for worker in state.workers))


# Parts of transitions: commits ----------------------------------------------------------------------------------------


def _fence(machine: Machine, state: State, index: int) -> State | None:
    """None: refused. Without the fence, the late write happens, and is noted."""
    if state.workers[index].current:
        return state
    return None if machine.rules.fence else _wrong(state, "I9")


def _refused(state: State, index: int) -> Iterator[State]:
    yield _with_worker(state, index, IDLE)


def _stored(state: State, worker: Worker) -> bool:
    """Whether the step's answer is stored already, or even the step's end (then the worker is late)."""
    run = state.runs[worker.run]
    return run.responded or run.done > worker.step or run.status in ENDED


def _record(machine: Machine, state: State, worker: Worker) -> tuple[State, int | None]:
    """The answer if it is new, every return that is known or made by this commit, and the next tool outside."""
    run, step = worker.run, worker.step
    again, log = _again(machine, state, worker), list(state.log)
    if worker.fresh:
        log.append(Entry(run, step, "assistant"))
    position = 0 if worker.fresh else state.runs[run].returned
    calls = machine.calls(run, step)
    while position < len(calls) and not again:
        outcome = _outcome(machine, state, worker, position)
        if outcome is None:
            break
        if calls[position] == "note":
            state = _affected(machine, state, run, step, position)
        log.append(Entry(run, step, "tool", position, outcome))
        position += 1
    following = position if position < len(calls) else None
    earlier = min(state.runs[run].tries, MAX_TRIES) if again else 0
    outside = following is not None and calls[following] in OUTSIDE
    tries = earlier + 1 if outside and machine.rules.intent else 0
    state = _with_run(state, run, responded=True, returned=position, tries=tries, claims=0)
    return state._replace(log=tuple(log)), following


def _again(machine: Machine, state: State, worker: Worker) -> bool:
    """Whether a call whose end nobody saw is run once more."""
    run = state.runs[worker.run]
    if worker.phase != "claimed" or not run.tries or run.returned >= len(machine.calls(worker.run, worker.step)):
        return False
    kind = machine.calls(worker.run, worker.step)[run.returned]
    return not machine.rules.once or (kind == "lamp" and run.tries < MAX_TRIES)


def _outcome(machine: Machine, state: State, worker: Worker, position: int) -> str | None:
    """How a call has ended; None: it is yet to be run."""
    if position == _question(machine, worker):
        unheard = "failed" if machine.rules.asks_once else None
        return {"replied": "succeeded", "sent": unheard, "": None}[state.runs[worker.run].asked]
    if machine.calls(worker.run, worker.step)[position] not in OUTSIDE:
        return "succeeded"
    if worker.phase == "ran" and worker.at == position:
        return "succeeded"
    run = state.runs[worker.run]
    if worker.phase == "claimed" and run.tries and position == run.returned:
        return "interrupted"
    return None


def _question(machine: Machine, worker: Worker) -> int:
    """The place of the step's question among its calls, -1 if it asks none."""
    calls = machine.calls(worker.run, worker.step)
    return calls.index("question") if "question" in calls else -1


def _waiting(machine: Machine, state: State, index: int, place: int) -> Iterator[State]:
    """The question is sent with this commit, and the run waits for the reply without a lease."""
    worker = state.workers[index]
    if machine.rules.posts_inside:
        state = _affected(machine, state, worker.run, worker.step, place)
    elif worker.at < 0:
        return
    waiting = _with_run(state, worker.run, status="queued", waits=True, asked="sent")
    yield _left(_given_back(waiting)._replace(ready="later"), index)


def _close(machine: Machine, state: State, worker: Worker) -> State:
    """T5: the run goes on with another step, or is completed."""
    if worker.step + 1 == len(machine.scenario.scripts[worker.run]):
        return _ended(machine, state, worker.run, "completed")
    if state.runs[worker.run].status in ENDED:
        state = _wrong(state, "I7")
    following = {"status": "queued", "done": worker.step + 1, "responded": False, "returned": 0, "asked": ""}
    state = _with_run(state, worker.run, **following, claims=0, failures=0)
    return _given_back(state)._replace(ready="now", hint=True)


def _end(machine: Machine, state: State, index: int, status: str, outcome: str) -> State:
    """The run ends before its time: calls of a stored answer that are open get a return."""
    run = state.runs[index]
    if run.responded and machine.rules.pairs:
        calls = machine.calls(index, run.done)
        paired = tuple(Entry(index, run.done, "tool", call, outcome) for call in range(run.returned, len(calls)))
        state = state._replace(log=(*state.log, *paired))
    return _ended(machine, state, index, status)


def _ended(machine: Machine, state: State, index: int, status: str) -> State:
    run = state.runs[index]
    if run.status in ENDED:
        state = _wrong(state, "I7")
    if status == "cancelled" and not run.cancel:
        state = _wrong(state, "cancelled unasked")
    steps = run.done + 1 if run.responded else run.done
    state = _with_run(
        state,
        index,
        **{"status": status, "done": steps, "responded": False, "returned": 0, "asked": ""},
        **{"tries": 0, "claims": 0, "failures": 0, "waits": False},
    )
    more = any(later.status != "offered" for later in state.runs[index + 1 :])
    return _given_back(state)._replace(ready="now" if more else "none", hint=state.hint or more)


def _given_back(state: State) -> State:
    return state._replace(owned=False, lease="none", grants=0)


def _left(state: State, index: int) -> State:
    """The worker has committed for the last time, but its heartbeat does not know yet."""
    return _with_worker(state, index, Worker("leaves", current=True))


def _outside_from(machine: Machine, worker: Worker, position: int) -> int | None:
    calls = machine.calls(worker.run, worker.step)
    return next((at for at in range(position, len(calls)) if calls[at] in OUTSIDE), None)


def _may_stop(machine: Machine, state: State, worker: Worker) -> bool:
    """The places where the code looks at the abort button: around the model's call, and before each tool outside."""
    if _locked(state):
        return False
    if worker.phase in ("claimed", "answered"):
        return True
    return worker.phase == "ran" and _outside_from(machine, worker, worker.at + 1) is not None


def _affected(machine: Machine, state: State, run: int, step: int, call: int) -> State:
    """The tool has had its effect, once more. Three times are as wrong as two."""
    counts, place = state.runs[run].effects, machine.effect(run, step, call)
    once_more = min(counts[place] + 1, 1 if machine.calls(run, step)[call] == "lamp" else 2)
    return _with_run(state, run, effects=(*counts[:place], once_more, *counts[place + 1 :]))


# Parts of transitions: rows -------------------------------------------------------------------------------------------


def _locked(state: State) -> bool:
    """Whether a transaction that is open keeps the conversation's row."""
    return any(worker.phase == "rests" for worker in state.workers)


def _with_run(state: State, index: int, **fields: object) -> State:
    runs = state.runs
    return state._replace(runs=(*runs[:index], runs[index]._replace(**fields), *runs[index + 1 :]))


def _with_worker(state: State, index: int, worker: Worker) -> State:
    workers = state.workers
    return state._replace(workers=(*workers[:index], worker, *workers[index + 1 :]))


def _wrong(state: State, what: str) -> State:
    return state._replace(wrongs=state.wrongs | {what})
