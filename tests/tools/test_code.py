"""run_code, in a real jail."""

import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from agents.loop.ports import Abort
from agents.models import Message
from tests.agents import given
from tests.agents.loop.doubles import calls, says
from tools.sandbox import Level, Sandbox, Tier
from tools.sandbox.tiers import detect

pytestmark = pytest.mark.skipif(detect().level < Level.FILTERED, reason="this machine cannot lock code in")


@pytest.fixture
def ran(call: Any, make_context: Any) -> Any:
    """`ran(code)`: the status, and what the text says."""

    def ran(code: str, sandbox: Any = None, abort: Any = None, **more: Any) -> tuple[str, Any]:
        context = replace(make_context(), sandbox=sandbox or given.sandbox(), abort=abort)
        returned = call("run_code", context, code=code, **more)
        return returned.status, json.loads(returned.text) if returned.text.startswith("{") else returned.text

    return ran


@pytest.mark.parametrize(
    ("code", "result", "stdout"),
    [
        ("sum(range(5))", 10, ""),
        (
            "import math\nx = math.factorial(5)\nprint(x)\n{'x': x, 'y': [None, True]}",
            {"x": 120, "y": [None, True]},
            "120\n",
        ),
        ("print('only said')", None, "only said\n"),
        ("x = 1", None, ""),
        ("", None, ""),
        ("# nothing", None, ""),
        ("def f():\n    return 3\nf()", 3, ""),
        ("object", "<class 'object'>", ""),
        ("'grün \\ud800'", "grün \ufffd", ""),
    ],
)
def test_what_a_script_comes_to(ran: Any, code: str, result: Any, stdout: str) -> None:
    assert ran(code) == ("success", {"result": result, "stdout": stdout, "stderr": ""})


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("print('before')\n1 / 0", "ZeroDivisionError: division by zero"),
        ("def (", "SyntaxError"),
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ("import os\nos._exit(0)", "without a result"),
    ],
)
def test_an_error_is_told_with_what_was_printed(ran: Any, code: str, error: str) -> None:
    status, told = ran(code)
    assert (status, error in told["error"]) == ("error", True)
    assert told["stdout"] == ("before\n" if "before" in code and "_exit" not in code else "")


@pytest.mark.parametrize(
    "code",
    [
        "import socket\nsocket.socket()",
        "import urllib.request\nurllib.request.urlopen('http://127.0.0.1/')",
        "open('/etc/passwd').read()",
        "import subprocess\nsubprocess.run(['/usr/bin/id'])",
    ],
)
def test_there_is_no_way_out(ran: Any, code: str) -> None:
    status, told = ran(code)
    assert status == "error", told


def test_it_sees_no_variables_of_the_server_or_the_agent(ran: Any) -> None:
    _, told = ran("import os\nsorted(os.environ)")
    assert set(told["result"]) == {"HOME", "LANG", "PATH", "TMPDIR"}


def test_nothing_is_left_of_the_call_before(ran: Any) -> None:
    ran("open('kept', 'w').write('x')\nkept = 1")
    assert ran("import os\nos.listdir('.'), 'kept' in globals()")[1]["result"] == [[], False]


def test_long_output_is_cut_and_still_json(ran: Any) -> None:
    _, told = ran("print('x' * 50_000)\n'y' * 50_000")
    assert told["stdout"].endswith("[cut: 50001 characters, 12000 kept]")
    assert told["result"].endswith("12000 kept]")


def test_it_ends_in_time(ran: Any) -> None:
    sandbox = given.sandbox()
    limits = sandbox.limits
    try:
        sandbox.limits = replace(limits, wall_seconds=0.5)
        status, told = ran("while True: pass", sandbox)
    finally:
        sandbox.limits = limits
    assert (status, told["error"]) == ("error", "The tool ran longer than 0.5 s and was stopped.")


def test_it_is_stopped_with_the_run(ran: Any) -> None:
    abort = Abort()
    threading.Timer(0.2, abort.press, ["cancelled"]).start()
    status, told = ran("import time\ntime.sleep(30)", abort=abort)
    assert (status, told["error"]) == ("error", "The tool was stopped: cancelled.")


@pytest.mark.parametrize("language", ["js", "ts", "r", "java"])
def test_other_languages_are_refused(ran: Any, language: str) -> None:
    said = f"This server runs Python only, not {language}. Write the code in Python."
    assert ran("1", language=language) == ("error", said)


def test_where_nothing_can_be_locked_in_nothing_is_run(ran: Any) -> None:
    status, told = ran("1", Sandbox(Tier(Level.LIMITS, ("There is no Landlock.",))))
    assert (status, told.startswith("The code was not run.")) == ("error", True)


def test_an_agent_runs_code_in_its_turn(transactional_db: None) -> None:
    agent = given.agent("run_code")
    run = given.said(agent)
    given.advance(agent, calls(("run_code", {"code": "6 * 7", "language": "python"})), says("42"))
    assert given.ended(run)[0] == "completed"
    returned = Message.objects.get(agent=agent, role="tool")
    assert json.loads(returned.text) == {"result": 42, "stdout": "", "stderr": ""}
