"""The model of the run machine holds, whatever happens; and without any one of its rules it does not."""

import pytest

from tests.model.exploration import explore
from tests.model.machine import Machine
from tests.model.mutants import MUTANTS
from tests.model.scenarios import SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_state_breaks_an_invariant_and_each_can_still_come_to_its_end(name):
    found = explore(Machine(SCENARIOS[name]))
    assert found.broken == {}
    assert found.states > 10_000, "so few states cannot be all of them"


@pytest.mark.parametrize("name", MUTANTS)
def test_a_machine_without_one_rule_is_found_out(name):
    mutant = MUTANTS[name]
    assert mutant.breaks in explore(mutant.machine, until=mutant.breaks).broken
