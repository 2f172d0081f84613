"""What is explored: each scenario is small enough to be visited whole, and has what the others lack."""

from tests.model.machine import Scenario, Script

SPEAKS: Script = ((),)
RINGS: Script = (("bell",), ())
ASKS: Script = (("note", "question"), ())
BOTH = frozenset({0, 1})

SCENARIOS: dict[str, Scenario] = {
    "several calls in one step": Scenario(((("bell", "note", "bell"), ()), RINGS)),
    "cancels": Scenario((RINGS, RINGS), cancels=BOTH),
    "tools that may be run again": Scenario(((("lamp", "note", "bell"), ()), SPEAKS), cancels=BOTH),
    "three workers": Scenario((RINGS, SPEAKS), workers=3),
    "questions to another agent": Scenario((ASKS, SPEAKS), cancels=BOTH, shutdowns=True),
    "waits, deadlines, cancels and clean stops": Scenario(
        (RINGS, SPEAKS), cancels=BOTH, llm_fails=True, deadlines=True, shutdowns=True
    ),
}
