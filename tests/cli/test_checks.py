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
    monkeypatch.setattr(checks, "pytest_command", lambda faults, arguments: ("sh", "-c", f"echo {arguments}; exit 5"))
    assert checks.check(False, ["-x"]) == 5
    assert capfd.readouterr().out == "Fine ...\nTests ...\n[-x]\n"


def test_fault_tests_are_asked_for() -> None:
    assert "not faults" in checks.pytest_command(False, [])
    assert "not faults" not in checks.pytest_command(True, [])
    assert checks.pytest_command(False, ["-k", "x"])[-2:] == ("-k", "x")
