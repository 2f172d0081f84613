"""Typed readers of environment variables. They fail loudly: the variable's name, what it held, what is expected."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar, overload

T = TypeVar("T")

YES: Final = frozenset({"1", "true", "yes", "on"})
NO: Final = frozenset({"0", "false", "no", "off"})
HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s/@:\[\]]+)(:\d{1,5})?")
UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class SettingError(Exception):
    """An environment variable is missing or holds something else than it should."""


class Required:
    """The type of REQUIRED: as a default it says that the variable has to be set."""


REQUIRED: Final = Required()


@overload
def text(name: str, default: str | Required) -> str: ...
@overload
def text(name: str, default: None = None) -> str | None: ...
def text(name: str, default: str | Required | None = None) -> str | None:
    """The variable's text without surrounding white space. Empty counts as not set."""
    return os.environ.get(name, "").strip() or absent(name, default)


def handle(name: str) -> str | None:
    """A model, as provider/model."""
    return parsed(name, None, as_handle, "a model's handle, provider/model, such as ollama/llama3.2")


def flag(name: str, default: bool | Required) -> bool:
    return parsed(name, default, as_flag, "one of 1, 0, true, false, yes, no, on, off")


def number(name: str, default: int | Required, minimum: int | None = None) -> int:
    def parse(value: str) -> int:
        result = int(value)
        if minimum is not None and result < minimum:
            raise ValueError
        return result

    expected = "a whole number" if minimum is None else f"a whole number of at least {minimum}"
    return parsed(name, default, parse, expected)


def seconds(name: str, default: float | Required) -> float:
    """A duration in seconds: `30`, `2.5`, or with a unit: `500ms`, `30s`, `5m`, `2h`, `1d`."""
    return parsed(name, default, as_seconds, "a duration such as 30, 2.5, 500ms, 5m or 2h")


def words(name: str, default: tuple[str, ...] | Required = ()) -> tuple[str, ...]:
    """A comma-separated list."""
    return parsed(name, default, as_words, "words with commas between them")


def hosts(name: str) -> tuple[str, ...]:
    """A comma-separated list of `host` or `host:port`; an IPv6 address stands in brackets."""
    return parsed(name, (), as_hosts, "host or host:port, with commas between them")


@overload
def secret(name: str, default: str | Required) -> str: ...
@overload
def secret(name: str, default: None = None) -> str | None: ...
def secret(name: str, default: str | Required | None = None) -> str | None:
    """NAME, or the content of the file that NAME_FILE points to (Docker and Kubernetes mount secrets so)."""
    path = text(f"{name}_FILE")
    if path is None:
        return text(name, default)
    if text(name) is not None:
        raise SettingError(f"{name} and {name}_FILE are both set; set only one of them.")
    try:
        return Path(path).read_text(encoding="utf-8").strip() or absent(name, default)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{name}_FILE is {path!r}; expected a file that can be read: {error}") from error


def parsed(name: str, default: T | Required, parse: Callable[[str], T], expected: str) -> T:
    value = text(name)
    if value is None:
        return absent(name, default)
    try:
        return parse(value)
    except ValueError:
        raise SettingError(f"{name} is {value!r}; expected {expected}.") from None


def absent(name: str, default: T | Required) -> T:
    if isinstance(default, Required):
        raise SettingError(f"{name} is not set and has no default; set it, for example in the environment.")
    return default


def as_flag(value: str) -> bool:
    if value.lower() not in YES | NO:
        raise ValueError
    return value.lower() in YES


def as_seconds(value: str) -> float:
    unit = value.lstrip("0123456789.")
    if unit and unit not in UNITS:
        raise ValueError
    return float(value.removesuffix(unit)) * UNITS.get(unit, 1.0)


def as_handle(value: str) -> str | None:
    provider, _, model = value.partition("/")
    if not (provider and model):
        raise ValueError
    return value


def as_hosts(value: str) -> tuple[str, ...]:
    if not all(HOST.fullmatch(entry) for entry in as_words(value)):
        raise ValueError
    return as_words(value)


def as_words(value: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in value.split(",") if word.strip())
