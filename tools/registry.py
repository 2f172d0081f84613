"""The trusted tools, which run in this process: the built-in ones, listed by hand, and those of further apps."""

import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from tools.schema import schema_from_source
from tools.spec import Effect, ToolSpec

ToolType = Literal[
    "custom",
    "letta_core",
    "letta_memory_core",
    "letta_sleeptime_core",
    "letta_multi_agent_core",
    "letta_files_core",
    "letta_builtin",
]

BUILTIN_MODULES = (
    "tools.builtin.messaging",
    "tools.builtin.core_memory",
    "tools.builtin.archival",
    "tools.builtin.recall",
    "tools.builtin.files",
    "tools.builtin.web",
    "tools.builtin.code",
    "tools.builtin.agents",
)

F = TypeVar("F", bound=Callable[..., Any])

_tools: dict[str, "RegisteredTool"] = {}


class RegistrationError(ValueError):
    """A function cannot be registered as a tool; the text says why."""


def _always_there() -> None:
    return None


@dataclass(frozen=True, slots=True)
class RegisteredTool:
    """A tool and the function behind it.

    takes_context  whether the function wants a ToolContext first
    why_absent     says what the server lacks for it, or None: then it is listed and can be attached
    """

    spec: ToolSpec
    function: Callable[..., Any]
    tool_type: ToolType
    tags: tuple[str, ...]
    takes_context: bool
    why_absent: Callable[[], str | None] = _always_there


def tool(
    *,
    effect: Effect,
    idempotent: bool = False,
    type: ToolType = "custom",
    parallel: bool = False,
    tags: Iterable[str] = (),
    why_absent: Callable[[], str | None] = _always_there,
) -> Callable[[F], F]:
    """Register the function under its own name; its signature and docstring are what the model is shown.

    effect      what it may do to the world (tools/spec.py tells the kinds)
    parallel    whether calls of it may run at the same time as others of the same answer
    why_absent  says what this server lacks for it, in a sentence; None: nothing
    """

    def register(function: F) -> F:
        spec = _spec(function, effect, idempotent, parallel)
        _add(RegisteredTool(spec, function, type, tuple(tags), _takes_context(function, spec), why_absent))
        return function

    return register


def load(extra_modules: Iterable[str] = ()) -> None:
    """Import the modules whose functions are tools."""
    for module in (*BUILTIN_MODULES, *extra_modules):
        importlib.import_module(module)


def find(name: str) -> RegisteredTool | None:
    return _tools.get(name)


def registered() -> list[RegisteredTool]:
    """Every tool that this server has what it needs for, by name."""
    return [_tools[name] for name in sorted(_tools) if _tools[name].why_absent() is None]


def absent() -> dict[str, str]:
    """The names of the others, and what is missing."""
    return {name: why for name, tool in _tools.items() if (why := tool.why_absent())}


def _spec(function: Callable[..., Any], effect: Effect, idempotent: bool, parallel: bool) -> ToolSpec:
    if inspect.iscoroutinefunction(function):
        raise RegistrationError(f"Tool {function.__name__!r} is `async def`; registered tools are plain functions.")
    schema = schema_from_source(textwrap.dedent(inspect.getsource(function)))
    return ToolSpec(
        name=schema["name"],
        description=schema["description"],
        parameters=schema["parameters"],
        effect=effect,
        idempotent=idempotent,
        parallel=parallel,
    )


def _takes_context(function: Callable[..., Any], spec: ToolSpec) -> bool:
    first = next(iter(inspect.signature(function).parameters), None)
    return first is not None and first not in spec.parameters["properties"]


def _add(added: RegisteredTool) -> None:
    name = added.spec.name
    if (known := _tools.get(name)) is not None:
        raise RegistrationError(
            f"Two tools are {name!r}: {known.function.__module__} and {added.function.__module__}. Rename one."
        )
    _tools[name] = added
