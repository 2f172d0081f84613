"""What must be true of every state. The numbers are those of docs/run-lifecycle.md."""

from collections import Counter
from collections.abc import Callable

from tests.model.machine import ENDED, OUTSIDE, Entry, Machine, Run, State


def broken(machine: Machine, state: State) -> list[str]:
    return [*state.wrongs, *(name for name, holds in HOLDS.items() if not holds(machine, state))]


def _accepted_runs_are_not_forgotten(machine: Machine, state: State) -> bool:
    return state.ready != "none" or not any(run.status in ("queued", "running") for run in state.runs)


def _messages_of_runs_are_in_order(machine: Machine, state: State) -> bool:
    """No run's messages among another's, and each input once, before what came of it."""
    runs = [entry.run for entry in state.log]
    inputs = [(entry.run, place) for place, entry in enumerate(state.log) if entry.role == "user"]
    taken = [index for index, run in enumerate(state.runs) if run.taken]
    return runs == sorted(runs) and [run for run, _ in inputs] == taken and all(runs.index(r) == p for r, p in inputs)


def _every_call_has_one_return(machine: Machine, state: State) -> bool:
    """In the order of the calls, before anything else is said; only the step under work may have calls without one."""
    expected: list[tuple[int, int, int]] = []
    for entry in state.log:
        if entry.role == "tool":
            if not expected or expected.pop(0) != (entry.run, entry.step, entry.call):
                return False
            continue
        if expected:
            return False
        if entry.role == "assistant":
            calls = machine.calls(entry.run, entry.step)
            expected = [(entry.run, entry.step, call) for call in range(len(calls))]
    return not expected or _is_open(state.runs[expected[0][0]], *expected[0])


def _is_open(run: Run, _: int, step: int, call: int) -> bool:
    return run.status not in ENDED and run.responded and (run.done, run.returned) == (step, call)


def _every_step_has_one_answer(machine: Machine, state: State) -> bool:
    answers = Counter((entry.run, entry.step) for entry in state.log if entry.role == "assistant")
    wanted = {(index, step): 1 for index, run in enumerate(state.runs) for step in range(run.done + run.responded)}
    return answers == wanted


def _bells_are_rung_once(machine: Machine, state: State) -> bool:
    """And a note is kept exactly when its return says so."""
    returned = {(entry.run, entry.step, entry.call) for entry in state.log if entry.outcome == "succeeded"}
    return all(
        count <= 1 if kind != "note" else count == ((run, step, call) in returned)
        for run, step, call, kind, count in _effects(machine, state)
    )


def _what_succeeded_was_done(machine: Machine, state: State) -> bool:
    return all(
        count >= 1 for entry in state.log if entry.outcome == "succeeded" for count in [_done(machine, state, entry)]
    )


def _there_is_one_lease(machine: Machine, state: State) -> bool:
    return state.grants == (state.lease == "live") and state.owned == (state.lease != "none")


def _there_is_one_writer(machine: Machine, state: State) -> bool:
    return sum(worker.current for worker in state.workers if worker.phase != "leaves") <= 1


HOLDS: dict[str, Callable[[Machine, State], bool]] = {
    "I1": _accepted_runs_are_not_forgotten,
    "I2": _messages_of_runs_are_in_order,
    "I3": _every_call_has_one_return,
    "I4": _every_step_has_one_answer,
    "I5": _bells_are_rung_once,
    "I6": _what_succeeded_was_done,
    "I9 one writer": _there_is_one_writer,
    "I10": _there_is_one_lease,
}


def _done(machine: Machine, state: State, entry: Entry) -> int:
    return state.runs[entry.run].effects[machine.effect(entry.run, entry.step, entry.call)]


def _effects(machine: Machine, state: State) -> list[tuple[int, int, int, str, int]]:
    """Run, step, call, kind and count of every call that the model may make, but those of lamps."""
    return [
        (run, step, call, kind, state.runs[run].effects[machine.effect(run, step, call)])
        for run, script in enumerate(machine.scenario.scripts)
        for step, calls in enumerate(script)
        for call, kind in enumerate(calls)
        if kind not in OUTSIDE or kind == "bell"
    ]
