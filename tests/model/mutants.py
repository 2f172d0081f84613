"""The machine without one of its rules, and what breaks then: the proof that the model would see it."""

from dataclasses import dataclass

from tests.model.exploration import STUCK
from tests.model.machine import Machine, Rules, Scenario
from tests.model.scenarios import ASKS, BOTH, RINGS, SPEAKS

PLAIN = Scenario((RINGS, SPEAKS))
ASKING = Scenario((ASKS,))
CANCELLED = Scenario((RINGS, SPEAKS), cancels=BOTH)


@dataclass(frozen=True, slots=True)
class Mutant:
    """`breaks` is an invariant that must be among those found broken."""

    rules: Rules
    breaks: str
    scenario: Scenario = PLAIN

    @property
    def machine(self) -> Machine:
        return Machine(self.scenario, self.rules)


MUTANTS: dict[str, Mutant] = {
    "no fence": Mutant(Rules(fence=False), "I9"),
    "no lease: a claim does not look at it": Mutant(Rules(lease=False), "I10"),
    "no intent: a tool is run before it was committed that it would be": Mutant(Rules(intent=False), "I5"),
    "tool before persist: a tool is run before its answer is committed": Mutant(Rules(answer_first=False), "I5"),
    "no sweep": Mutant(Rules(sweep=False), STUCK),
    "no idempotency key": Mutant(Rules(keys=False), "I8"),
    "no first in, first out": Mutant(Rules(fifo=False), "I2"),
    "retry all: a tool whose end nobody saw is run again": Mutant(Rules(once=False), "I5"),
    "a lease that was given back is renewed": Mutant(Rules(renews_held_only=False), "I10"),
    "a claim that found nothing says so without looking again": Mutant(Rules(looks_again=False), "I1"),
    "a cancel is told to whoever holds the conversation": Mutant(
        Rules(cancels_by_run=False), "cancelled unasked", CANCELLED
    ),
    "a question is sent before the commit that records it": Mutant(Rules(posts_inside=False), "I5", ASKING),
    "a question whose reply did not come is sent again": Mutant(Rules(asks_once=False), "I5", ASKING),
    "open calls of a run that ends early get no return": Mutant(Rules(pairs=False), "I3", CANCELLED),
}
