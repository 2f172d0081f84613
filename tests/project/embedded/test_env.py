"""The readers of environment variables."""

import pytest

from project import env
from project.env import REQUIRED, SettingError


def test_an_unset_variable_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("P", raising=False)
    assert env.text("P") is None
    assert env.text("P", "a") == "a"
    assert env.flag("P", True) is True
    assert env.number("P", 7) == 7
    assert env.seconds("P", 1.5) == 1.5
    assert env.words("P", ("a",)) == ("a",)
    assert env.secret("P") is None


def test_empty_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P", "  ")
    assert env.text("P", "a") == "a"
    assert env.number("P", 7) == 7


def test_a_required_variable_is_missed_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("P", raising=False)
    for read in (env.text, env.flag, env.number, env.seconds, env.words, env.secret):
        with pytest.raises(SettingError, match="P is not set"):
            read("P", REQUIRED)


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("Yes", True), ("on", True), ("0", False), ("FALSE", False)]
)
def test_flags(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("P", value)
    assert env.flag("P", not expected) is expected


@pytest.mark.parametrize(
    ("value", "expected"), [("30", 30.0), ("2.5", 2.5), ("500ms", 0.5), ("30s", 30.0), ("5m", 300.0), ("2h", 7200.0)]
)
def test_durations(monkeypatch: pytest.MonkeyPatch, value: str, expected: float) -> None:
    monkeypatch.setenv("P", value)
    assert env.seconds("P", 1) == expected


@pytest.mark.parametrize("value", ["s", "-1", "1 hour", "1e3", "nan", "1.2.3s"])
def test_what_is_no_duration_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("P", value)
    with pytest.raises(SettingError, match="expected a duration"):
        env.seconds("P", 1)


def test_an_error_names_the_variable_the_value_and_what_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P", "maybe")
    with pytest.raises(SettingError, match=r"P is 'maybe'; expected one of 1, 0"):
        env.flag("P", False)
    with pytest.raises(SettingError, match=r"P is 'maybe'; expected a whole number of at least 1\."):
        env.number("P", 1, minimum=1)


def test_a_number_below_its_minimum_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P", "0")
    assert env.number("P", 5) == 0
    with pytest.raises(SettingError):
        env.number("P", 5, minimum=1)


def test_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P", " a, b c ,,")
    assert env.words("P") == ("a", "b c")


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / "key").write_text("geheim\n")
    monkeypatch.delenv("P", raising=False)
    monkeypatch.setenv("P_FILE", str(tmp_path / "key"))
    assert env.secret("P") == "geheim"


def test_a_secret_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("P_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingError, match=r"P_FILE is .*none"):
        env.secret("P")


def test_a_secret_is_not_given_twice(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("P", "a")
    monkeypatch.setenv("P_FILE", str(tmp_path / "key"))
    with pytest.raises(SettingError, match="P and P_FILE"):
        env.secret("P")


@pytest.mark.parametrize("value", ["mcp.lan", "mcp.lan:8000, 10.0.0.5", "[fd00::5]:9000,[::1]"])
def test_hosts(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("P", value)
    assert env.hosts("P") == tuple(entry.strip() for entry in value.split(","))


@pytest.mark.parametrize("value", ["http://mcp.lan", "mcp.lan:http", "::1", "a@b", "a/b", "ok, :80"])
def test_what_is_no_host(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("P", value)
    with pytest.raises(SettingError, match="expected host or host:port"):
        env.hosts("P")
