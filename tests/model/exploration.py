"""Every state that can be reached, breadth first; and whether each of them can still come to the end."""

from collections import deque
from dataclasses import dataclass, field

from tests.model.invariants import broken
from tests.model.machine import ENDED, Machine

STUCK = "can still finish"


@dataclass(slots=True)
class Explored:
    """`broken` gives for each invariant that does not hold a shortest way to break it: names of transitions."""

    states: int = 0
    transitions: int = 0
    broken: dict[str, list[str]] = field(default_factory=dict)


def explore(machine: Machine, until: str = "") -> Explored:
    """States that break an invariant are not followed any further; with one that breaks `until`, all is known."""
    start = machine.start()
    numbers, arrows = {start: 0}, [(-1, "")]
    before: list[list[int]] = [[]]
    ends, found, todo = [], Explored(), deque([start])
    while todo:
        state = todo.popleft()
        number = numbers[state]
        if wrong := broken(machine, state):
            for name in wrong:
                found.broken.setdefault(name, _way(arrows, number))
            if until in wrong:
                break
            continue
        if all(run.status in ENDED for run in state.runs):
            ends.append(number)
        for name, after in machine.next(state):
            found.transitions += 1
            known = numbers.setdefault(after, len(numbers))
            if known == len(before):
                arrows.append((number, name))
                before.append([])
                todo.append(after)
            before[known].append(number)
    found.states = len(numbers)
    stuck = None if found.broken else _first_stuck(before, ends)
    if stuck is not None:
        found.broken[STUCK] = _way(arrows, stuck)
    return found


def _first_stuck(before: list[list[int]], ends: list[int]) -> int | None:
    """The first state from which no end can be reached, looking from the ends backwards."""
    saved, todo = set(ends), deque(ends)
    while todo:
        for number in before[todo.popleft()]:
            if number not in saved:
                saved.add(number)
                todo.append(number)
    return next((number for number in range(len(before)) if number not in saved), None)


def _way(arrows: list[tuple[int, str]], number: int) -> list[str]:
    names: list[str] = []
    while number > 0:
        number, name = arrows[number]
        names.append(name)
    return names[::-1]
