"""What tools may do: values in, values out, output, errors, limits, and many calls at once."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agents.loop.ports import Abort
from tests.tools.sandbox.conftest import Run, account_for
from tools.sandbox import Level, Limits, Refused, Sandbox, Tier

TYPES = """
import dataclasses, datetime, decimal, enum, typing, uuid

class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"

@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0

@dataclasses.dataclass
class Line:
    ends: list[Point]
    colour: Colour = Colour.RED
"""


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1.5, "", "text", "ä→😀", [1, [2]], {"a": {"b": None}}, 10**30, "line\nline"],
    ids=repr,
)
def test_values_pass_through(run: Run, value: object) -> None:
    assert run("return x", x=value).value == value


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("(1, 2)", [1, 2]),
        ("{3, 1, 2}", [1, 2, 3]),
        ("{1: 'a', None: 'b'}", {"1": "a", "None": "b"}),
        ("b'bytes'", "bytes"),
        ("__import__('datetime').datetime(2026, 3, 1, 12)", "2026-03-01T12:00:00"),
        ("__import__('datetime').date(2026, 3, 1)", "2026-03-01"),
        ("__import__('decimal').Decimal('1.10')", "1.10"),
        ("range(3)", "range(0, 3)"),
        ("'{\"a\": 1}'", '{"a": 1}'),
    ],
)
def test_results_become_json(run: Run, expression: str, expected: object) -> None:
    assert run(f"return {expression}").value == expected


@pytest.mark.parametrize(
    ("annotation", "value", "shown"),
    [
        ("Point", {"x": 1}, "Point(x=1, y=0.0)"),
        ("Colour", "blue", "<Colour.BLUE: 'blue'>"),
        ("Colour", "BLUE", "<Colour.BLUE: 'blue'>"),
        (
            "'Line'",
            {"ends": [{"x": 1}], "colour": "blue"},
            "Line(ends=[Point(x=1, y=0.0)], colour=<Colour.BLUE: 'blue'>)",
        ),
        ("list[Colour]", ["red"], "[<Colour.RED: 'red'>]"),
        ("dict[str, Point]", {"a": {"x": 1}}, "{'a': Point(x=1, y=0.0)}"),
        ("Point | None", None, "None"),
        ("typing.Optional[Point]", {"x": 2, "y": 3}, "Point(x=2, y=3.0)"),
        ("typing.Union[int, str]", "1", "'1'"),
        ("typing.Annotated[Point, 'where']", {"x": 1}, "Point(x=1, y=0.0)"),
        ("tuple[int, ...]", [1, 2], "(1, 2)"),
        ("tuple[int, Colour]", [1, "red"], "(1, <Colour.RED: 'red'>)"),
        ("tuple", [1], "(1,)"),
        ("set[int]", [1, 1], "{1}"),
        ("datetime.datetime", "2026-03-01T12:00:00", "datetime.datetime(2026, 3, 1, 12, 0)"),
        ("datetime.date", "2026-03-01", "datetime.date(2026, 3, 1)"),
        ("decimal.Decimal", "1.10", "Decimal('1.10')"),
        ("uuid.UUID", "00000000-0000-0000-0000-000000000001", "UUID('00000000-0000-0000-0000-000000000001')"),
        ("float", 1, "1.0"),
        ("int", "1", "'1'"),
        ("NotThere", 1, "1"),
    ],
)
def test_arguments_become_what_is_annotated(sandbox: Sandbox, annotation: str, value: object, shown: str) -> None:
    future = "from __future__ import annotations\n" if annotation == "NotThere" else ""
    source = f"{future}{TYPES}\ndef tool(x: {annotation}):\n    return repr(x)"
    assert sandbox.run(source, "tool", {"x": value}).value == shown


def test_argument_that_does_not_fit(sandbox: Sandbox) -> None:
    outcome = sandbox.run(f"{TYPES}\ndef tool(x: Colour):\n    return 1", "tool", {"x": "green"})
    assert outcome.error == "ValueError: 'green' is not a valid Colour"


def test_result_of_own_types(sandbox: Sandbox) -> None:
    source = f"{TYPES}\ndef tool():\n    return Line([Point(1, 2.0)], Colour.BLUE)"
    assert sandbox.run(source, "tool", {}).value == {"ends": [{"x": 1, "y": 2.0}], "colour": "blue"}


def test_pydantic_models(tmp_path: Path, level: Level) -> None:
    """From a package folder, as a tool's own requirements would be."""
    pydantic = pytest.importorskip("pydantic")
    installed = Path(pydantic.__file__).parent.parent
    source = """
from pydantic import BaseModel
class Trip(BaseModel):
    to: str
    days: int
def tool(trip: Trip):
    return [type(trip).__name__, trip]
"""
    with Sandbox(Tier(level), account=account_for(level), package_store=installed.parent) as sandbox:
        outcome = sandbox.run(source, "tool", {"trip": {"to": "Oslo", "days": "3"}}, packages=installed)
        assert outcome.value == ["Trip", {"to": "Oslo", "days": 3}], outcome
        wrong = sandbox.run(source, "tool", {"trip": {"to": "Oslo"}}, packages=installed)
        assert str(wrong.error).startswith("ValidationError: 1 validation error for Trip")


def test_a_function_alone_as_inspect_gives_it(sandbox: Sandbox) -> None:
    """Its annotations are read for the schema without an import, too."""
    source = "def tool(tags: Optional[List[str]] = None, more: Dict[str, Any] = {}) -> Literal['x']: return tags"
    assert sandbox.run(source, "tool", {"tags": ["a"]}).value == ["a"]


TRIPS = {
    "Stop": {
        "properties": {"place": {"type": "string"}, "at": {"type": "string", "format": "date-time"}},
        "required": ["place"],
    },
    "Trip": {
        "properties": {
            "stops": {"type": "array", "items": {"$ref": "#/$defs/Stop"}},
            "back": {"anyOf": [{"$ref": "#/$defs/Stop"}, {"type": "null"}], "default": None},
            "how": {"$ref": "#/$defs/How"},
        },
        "required": ["stops"],
    },
    "How": {"enum": ["by train"], "type": "string"},
}


def test_classes_that_only_a_schema_describes(sandbox: Sandbox) -> None:
    source = """
def tool(trip: Trip, more: Optional[List[Stop]] = None):
    return [type(trip).__name__, trip.stops[0].at.year, trip.back, trip.how, [stop.place for stop in more or []]]
"""
    trip = {"stops": [{"place": "Oslo", "at": "2026-01-02T03:04:05Z"}], "how": "by train"}
    outcome = sandbox.run(source, "tool", {"trip": trip, "more": [{"place": "Rome"}]}, classes=TRIPS)
    assert outcome.value == ["Trip", 2026, None, "by train", ["Rome"]], outcome
    own = "class Stop: pass\ndef tool(): return hasattr(Stop, 'model_fields')"
    assert sandbox.run(own, "tool", {}, classes=TRIPS).value is False


ODD: list[dict[str, object]] = [{"properties": "x"}, {"properties": {"a": {"anyOf": []}}}, {"type": "object"}]


@pytest.mark.parametrize("schema", ODD)
def test_a_class_that_cannot_be_made_is_as_if_it_was_not_described(sandbox: Sandbox, schema: dict[str, object]) -> None:
    outcome = sandbox.run("def tool(): return Odd", "tool", {}, classes={"Odd": schema})
    assert outcome.error == "NameError: name 'Odd' is not defined"


def test_pydantic_without_a_package(sandbox: Sandbox) -> None:
    """The server's own is lent to calls, and nothing that lies beside it."""
    source = """
from pydantic import BaseModel, Field
class Trip(BaseModel):
    to: str = Field(description="Where to.")
def tool(trips: list[Trip]):
    try:
        import django
    except ModuleNotFoundError:
        return trips
"""
    assert sandbox.run(source, "tool", {"trips": [{"to": "Oslo"}]}).value == [{"to": "Oslo"}]


def test_async_functions_are_awaited(sandbox: Sandbox) -> None:
    source = """
import asyncio
async def tool(n):
    await asyncio.sleep(0)
    return sum(await asyncio.gather(*(asyncio.to_thread(lambda: n) for _ in range(3))))
"""
    assert sandbox.run(source, "tool", {"n": 2}).value == 6


STATE = {"id": "agent-1", "blocks": [{"label": "human", "value": "x"}], "tools": []}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("def tool(agent_state): return [agent_state.id, agent_state.blocks[0].label]", ["agent-1", "human"]),
        ("def tool(agent_state: 'AgentState' = None): return agent_state.memory.get_block('human').value", "x"),
        ("def tool(): return 'agent_state is not asked for'", "agent_state is not asked for"),
    ],
)
def test_the_state_of_the_agent_for_tools_that_ask_for_it(sandbox: Sandbox, source: str, value: object) -> None:
    assert sandbox.run(source, "tool", {"agent_state": STATE}).value == value


def test_the_state_of_the_agent_is_a_copy(sandbox: Sandbox) -> None:
    source = "def tool(agent_state): agent_state.memory.update_block_value('human', 'y')"
    assert "is a copy" in str(sandbox.run(source, "tool", {"agent_state": STATE}).error)


def test_without_an_agent_there_is_no_state(sandbox: Sandbox) -> None:
    assert sandbox.run("def tool(agent_state): return agent_state is None", "tool", {}).value is True


def test_output_is_captured_apart(run: Run) -> None:
    outcome = run("import os, sys\nprint('out ä')\nprint('err', file=sys.stderr)\nos.write(1, b'raw\\xff')")
    assert outcome.stdout == "out ä\nraw�"
    assert outcome.stderr == "err\n"


def test_output_before_a_timeout_is_kept(run: Run) -> None:
    outcome = run("import time\nprint('begun')\ntime.sleep(60)", limits=Limits(wall_seconds=0.5))
    assert outcome.stdout == "begun\n"


def test_long_output_is_cut(run: Run) -> None:
    outcome = run("print('x' * 3_000_000)")
    assert outcome.status == "success"
    assert outcome.stdout.endswith("\n[cut: 3000001 bytes, 1048576 kept]\n")


def test_error_and_traceback(sandbox: Sandbox) -> None:
    source = """
import json
def inner(text):
    return json.loads(text)
def tool():
    try:
        inner("{")
    except ValueError as error:
        raise RuntimeError("bad thing") from error
"""
    outcome = sandbox.run(source, "tool", {})
    assert outcome.error == "RuntimeError: bad thing"
    assert 'File "<tool>", line 4, in inner\n    return json.loads(text)' in outcome.stderr
    assert 'File "<tool>", line 9, in tool' in outcome.stderr
    assert "direct cause" in outcome.stderr
    assert outcome.stderr.count("File ") == outcome.stderr.count('File "<tool>"') > 0


def test_syntax_error(sandbox: Sandbox) -> None:
    outcome = sandbox.run("def tool(:\n    pass", "tool", {})
    assert str(outcome.error).startswith("SyntaxError: ")
    assert 'File "<tool>", line 1' in outcome.stderr


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("x = 1", "LookupError: The source defines no function named tool."),
        ("tool = 1", "LookupError: The source defines no function named tool."),
        ("def tool(): pass", "TypeError: tool() got an unexpected keyword argument 'x'"),
        ("def tool(x): raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import sys\ndef tool(x): sys.exit('no')", "SystemExit: no"),
        ("class E(Exception):\n def __str__(self): raise E\ndef tool(x): raise E", "E"),
    ],
)
def test_errors(sandbox: Sandbox, source: str, error: str) -> None:
    assert sandbox.run(source, "tool", {"x": 1}).error == error


def test_variables(run: Run) -> None:
    body = "import os\nreturn [os.environ['TOKEN'], os.getenv('HOME') == os.getcwd()]"
    assert run(body, variables={"TOKEN": "s3cret ä"}).value == ["s3cret ä", True]


@pytest.mark.parametrize("variables", [{"": "x"}, {"A=B": "x"}, {"A": "x\0y"}])
def test_impossible_variables(run: Run, variables: dict[str, str]) -> None:
    assert "variable" in str(run("return 1", variables=variables).error)


def test_scratch_files(run: Run) -> None:
    body = """
import pathlib, shutil, tempfile
pathlib.Path('a').write_text('hello')
with tempfile.TemporaryDirectory() as folder:
    shutil.copyfile('a', folder + '/b')
    return open(folder + '/b').read()"""
    assert run(body).value == "hello"


def test_each_call_draws_other_numbers(run: Run) -> None:
    body = "import random, uuid\nreturn [random.random(), str(uuid.uuid4())]"
    first, second = run(body).value, run(body).value
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_the_processor_time_of_a_call_is_told(sandbox: Sandbox) -> None:
    busy = sandbox.run("def tool(): return sum(range(3_000_000))", "tool", {}).cpu_seconds
    assert busy > sandbox.run("def tool(): return 1", "tool", {}).cpu_seconds > 0


def test_packages(sandbox: Sandbox, store: Path) -> None:
    source = "import ours_package\ndef tool(): return ours_package.OWNER"
    assert sandbox.run(source, "tool", {}, packages=store / "ours").value == "ours"
    assert "No module named" in str(sandbox.run(source, "tool", {}).error)


def test_packages_outside_the_store(sandbox: Sandbox, store: Path, tmp_path: Path) -> None:
    for folder in (tmp_path, store, store / "ours" / ".." / "..", store / "missing"):
        with pytest.raises(Refused):
            sandbox.run("def tool(): return 1", "tool", {}, packages=folder)


def test_script(sandbox: Sandbox) -> None:
    outcome = sandbox.run_code("if __name__ == '__main__':\n    print(6 * 7)")
    assert (outcome.status, outcome.value, outcome.stdout) == ("success", None, "42\n")
    assert sandbox.run_code("import sys\nsys.exit()").status == "success"
    assert sandbox.run_code("import sys\nsys.exit(2)").error == "SystemExit: 2"
    assert 'File "<code>", line 1' in sandbox.run_code("1 / 0").stderr


def test_timeout(run: Run) -> None:
    outcome = run("import time\ntime.sleep(60)", limits=Limits(wall_seconds=0.3))
    assert outcome.error == "The tool ran longer than 0.3 s and was stopped."


def test_abort(sandbox: Sandbox) -> None:
    abort = Abort()
    pressing = threading.Timer(0.3, abort.press, args=("the run was cancelled",))
    pressing.start()
    outcome = sandbox.run("import time\ndef tool(): time.sleep(600)", "tool", {}, abort=abort)
    pressing.join()
    assert outcome.error == "The tool was stopped: the run was cancelled."


def test_abort_before_the_call(sandbox: Sandbox) -> None:
    abort = Abort()
    abort.press("too late")
    outcome = sandbox.run("import time\ndef tool(): time.sleep(600)", "tool", {}, abort=abort)
    assert outcome.error == "The tool was stopped: too late."


def test_abort_after_the_call_does_nothing(sandbox: Sandbox) -> None:
    abort = Abort()
    assert sandbox.run("def tool(): return 1", "tool", {}, abort=abort).value == 1
    abort.press("too late")


def test_many_calls_at_once(sandbox: Sandbox) -> None:
    source = "import time\ndef tool(n):\n    time.sleep(0.05)\n    print(n)\n    return n"
    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(lambda n: sandbox.run(source, "tool", {"n": n}), range(48)))
    assert [(one.value, one.stdout) for one in outcomes] == [(n, f"{n}\n") for n in range(48)]


def test_nothing_stays_open(sandbox: Sandbox) -> None:
    sandbox.run("def tool(): return 1", "tool", {})
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        sandbox.run("def tool(): return 1", "tool", {})
        sandbox.run("def tool(): raise ValueError", "tool", {})
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def own_sandbox(level: Level):
    """One whose zygote may be killed."""
    with Sandbox(Tier(level), account=account_for(level)) as sandbox:
        assert sandbox.run("def tool(): return 1", "tool", {}).value == 1
        yield sandbox


def _zygote(sandbox: Sandbox) -> int:
    pid = sandbox._zygote.pid
    assert pid is not None
    return pid


def test_zygote_killed_between_calls(own_sandbox: Sandbox) -> None:
    os.kill(_zygote(own_sandbox), signal.SIGSTOP)  # so that it makes no further warden, whom we would not wait for
    family = _session(_zygote(own_sandbox))
    os.kill(_zygote(own_sandbox), signal.SIGKILL)
    _wait_until(lambda: not any(_lives(pid) for pid in family))
    assert own_sandbox.run("def tool(): return 2", "tool", {}).value == 2


def test_zygote_killed_during_a_call(own_sandbox: Sandbox) -> None:
    first = _zygote(own_sandbox)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(own_sandbox.run, "import time\ndef tool(): time.sleep(600)", "tool", {})
        _wait_until(lambda: len(_session(first)) >= 7)
        family = _session(first)
        os.kill(first, signal.SIGKILL)
        assert call.result().error == "The sandbox was stopped while the tool ran. It may have done part of its work."
    _wait_until(lambda: not any(_lives(pid) for pid in family))
    assert own_sandbox.run("def tool(): return 2", "tool", {}).value == 2


def test_zygote_stopped(own_sandbox: Sandbox) -> None:
    """Wardens in waiting take two more jobs. The call after that gives up at its limit, the next has a new zygote."""
    os.kill(_zygote(own_sandbox), signal.SIGSTOP)
    for _ in range(2):
        own_sandbox.run("def tool(): return 1", "tool", {})
    outcome = own_sandbox.run("def tool(): return 2", "tool", {}, limits=Limits(wall_seconds=0.3))
    assert outcome.error == "The tool ran longer than 0.3 s and was stopped."
    assert own_sandbox.run("def tool(): return 3", "tool", {}).value == 3


def test_close_ends_calls(level: Level) -> None:
    sandbox = Sandbox(Tier(level), account=account_for(level))
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(sandbox.run, "import time\ndef tool(): time.sleep(600)", "tool", {})
        _wait_until(lambda: sandbox._zygote.pid is not None and len(_session(_zygote(sandbox))) >= 7)
        sandbox.close()
        assert call.result().status == "error"
    with pytest.raises(Refused):
        sandbox.run("def tool(): return 1", "tool", {})


def test_a_fork_of_the_server_has_a_zygote_of_its_own(own_sandbox: Sandbox) -> None:
    child = os.fork()
    if child == 0:
        value = own_sandbox.run("def tool(): return 7", "tool", {}).value
        own_sandbox.close()
        os._exit(value)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert own_sandbox.run("def tool(): return 8", "tool", {}).value == 8


def _session(pid: int) -> set[int]:
    """The zygote, its children and theirs. Those that end while they are listed are left out."""
    found = {pid}
    for child in _children(pid):
        found |= _session(child)
    return found


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _wait_until(holds) -> None:
    for _ in range(500):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it never held")
