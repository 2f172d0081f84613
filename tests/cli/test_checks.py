"""`./perdure test`: which steps, in which order, and where it stops."""

from cli import checks


def test_the_first_failure_ends_it(monkeypatch, capfd) -> None:
    monkeypatch.setattr(checks, "BIN", "/bin")
    monkeypatch.setattr(checks, "CHECKS", {"Fine": ("true",), "Broken": ("sh", "-c", "exit 3"), "Never": ("true",)})
    assert checks.check(False, []) == 3
    assert capfd.readouterr().out == "Fine ...\nBroken ...\n"


def test_the_tests_come_last_and_give_the_exit_code(monkeypatch, capfd) -> None:
    monkeypatch.setattr(checks, "BIN", "/bin")
    monkeypatch.setattr(checks, "CHECKS", {"Fine": ("true",)})
    echoing = ("sh", "-c", "echo here; exit 5")
    monkeypatch.setattr(checks, "pytest_commands", lambda faults, arguments: {"Tests": echoing, "Never": echoing})
    assert checks.check(False, ["-x"]) == 5
    assert capfd.readouterr().out == "Fine ...\nTests ...\nhere\n"


def test_fault_tests_are_asked_for_and_run_alone() -> None:
    [quick] = checks.pytest_commands(False, []).values()
    assert (checks.QUICK in quick, "-n" in quick, "--faults" in quick) == (True, True, False)
    shared, alone = checks.pytest_commands(True, ["-x"]).values()
    assert ("not faults" in shared, "-n" in shared, "--faults" in shared) == (True, True, True)
    assert ("faults" in alone, "-n" in alone, "--faults" in alone) == (True, False, True)
    assert shared[-1] == alone[-1] == "-x"


def test_what_is_named_runs_in_one_process() -> None:
    for faults in (False, True):
        [command] = checks.pytest_commands(faults, ["-k", "x"]).values()
        assert (command[-2:], "-n" in command, checks.QUICK in command) == (("-k", "x"), False, not faults)
