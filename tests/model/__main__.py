"""Visits every state of every scenario, and shows how each mutant breaks."""

import sys
import time

from tests.model.exploration import explore
from tests.model.machine import Machine
from tests.model.mutants import MUTANTS
from tests.model.scenarios import SCENARIOS


def main() -> int:
    total, faults = 0, 0
    for name, scenario in SCENARIOS.items():
        started = time.monotonic()
        found = explore(Machine(scenario))
        total, faults = total + found.states, faults + len(found.broken)
        took = time.monotonic() - started
        print(f"{found.states:>9,} states {found.transitions:>10,} transitions {took:5.1f} s  {name}")
        for invariant, way in found.broken.items():
            print(f"          BROKEN {invariant}: {' > '.join(way)}")
    print(f"{total:>9,} states in all\n")
    for name, mutant in MUTANTS.items():
        way = explore(mutant.machine, until=mutant.breaks).broken.get(mutant.breaks)
        faults += way is None
        print(f"{name}\n          {mutant.breaks}: {' > '.join(way) if way else 'NOT SEEN'}")
    return 1 if faults else 0


sys.exit(main())
