"""Programs are started again when they die, with growing pauses, and none is left behind."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from project.embedded.supervisor import (
    DEATHS_WORTH_A_LINE,
    LONGEST_DELAY,
    LONGEST_LOG,
    Child,
    Program,
    Supervisor,
    completed,
    last_line,
    shorten,
    spawn,
)
from tests.project.embedded.processes import eventually, mentioning


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def python(code: str, log: Path, *arguments: str, **options) -> Program:
    return Program("sleeper", (sys.executable, "-c", code, *arguments), log, **options)


SLEEP = "import time; time.sleep(600)"
DIE = "raise SystemExit(1)"
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


def let_die(supervisor: Supervisor, child: Child) -> None:
    """Waits until the process has died and the supervisor has seen it."""
    assert child.process is not None
    child.process.wait()
    supervisor.tick()


def test_a_dying_program_comes_back_after_pauses_that_double(tmp_path: Path) -> None:
    clock = Clock()
    with Supervisor(clock=clock) as supervisor:
        child = supervisor.start(python(DIE, tmp_path / "log"))
        pauses = []
        for _ in range(8):
            let_die(supervisor, child)
            pauses.append(child.due - clock.now)
            clock.now = child.due - 0.01
            supervisor.tick()
            assert child.process is None
            clock.now = child.due
            supervisor.tick()
        assert pauses == [0.5, 1, 2, 4, 8, 16, LONGEST_DELAY, LONGEST_DELAY]


def test_a_program_that_lived_long_comes_back_at_once(tmp_path: Path) -> None:
    clock = Clock()
    with Supervisor(clock=clock) as supervisor:
        child = supervisor.start(python(DIE, tmp_path / "log"))
        for _ in range(3):
            let_die(supervisor, child)
            clock.now = child.due
            supervisor.tick()
        clock.now += 31
        let_die(supervisor, child)
        assert child.due - clock.now == 0.5
        assert child.deaths == 1


def test_a_program_that_keeps_dying_is_reported_with_its_log_and_then_no_more(tmp_path: Path) -> None:
    clock, lines = Clock(), []
    with Supervisor(lines.append, clock) as supervisor:
        child = supervisor.start(python(DIE, tmp_path / "log"))
        for _ in range(DEATHS_WORTH_A_LINE + 2):
            let_die(supervisor, child)
            clock.now = child.due
            supervisor.tick()
    again = "The sleeper ended with code 1; started again."
    assert lines[:-1] == [again] * (DEATHS_WORTH_A_LINE - 1)
    assert str(tmp_path / "log") in lines[-1]


def test_a_program_that_was_killed_is_started_again_and_said_so(tmp_path: Path) -> None:
    clock, lines = Clock(), []
    with Supervisor(lines.append, clock) as supervisor:
        child = supervisor.start(python(SLEEP, tmp_path / "log"))
        assert child.process is not None
        child.process.kill()
        let_die(supervisor, child)
        assert lines == []
        clock.now = child.due
        supervisor.tick()
        assert lines == ["The sleeper was killed (signal 9); started again."]


def test_leaving_the_context_ends_all(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        processes = [supervisor.start(python(SLEEP, tmp_path / name)).process for name in "ab"]
        assert all(process and process.poll() is None for process in processes)
    assert [process.returncode for process in processes if process] == [-signal.SIGTERM, -signal.SIGTERM]


def test_a_program_deaf_to_the_stop_signal_is_killed_after_its_grace(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Supervisor() as supervisor:
        process = supervisor.start(python(DEAF, log, grace=0.2)).process
        assert eventually(lambda: last_line(log) == "deaf")
    assert process is not None
    assert process.returncode == -signal.SIGKILL


def test_what_a_program_started_ends_with_it(tmp_path: Path) -> None:
    mark = f"grandchild-of-{tmp_path}"
    grandchild = f"[sys.executable, '-c', {SLEEP!r}, sys.argv[1]]"
    code = f"import subprocess, sys, time; subprocess.Popen({grandchild}); time.sleep(600)"
    with Supervisor() as supervisor:
        supervisor.start(python(code, tmp_path / "log", mark))
        assert eventually(lambda: len(mentioning(mark)) == 2)
    assert eventually(lambda: not mentioning(mark))


STARTER = """
import sys, time
from pathlib import Path
from project.embedded.supervisor import Program, Supervisor
with Supervisor() as supervisor:
    command = (sys.executable, "-c", "import time; time.sleep(600)", sys.argv[1])
    supervisor.start(Program("sleeper", command, Path(sys.argv[2])))
    print("started", flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sends a signal to the children of a killed process")
def test_kill_9_of_the_supervisor_leaves_nothing(tmp_path: Path) -> None:
    mark = f"orphan-of-{tmp_path}"
    command = [sys.executable, "-c", STARTER, mark, str(tmp_path / "log")]
    starter = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert starter.stdout is not None
    assert starter.stdout.readline() == b"started\n"
    assert eventually(lambda: len(mentioning(mark)) == 2)
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    assert eventually(lambda: not mentioning(mark))


def test_ctrl_c_at_the_terminal_does_not_reach_the_programs(tmp_path: Path) -> None:
    with Supervisor() as supervisor:
        process = supervisor.start(python(SLEEP, tmp_path / "log")).process
        assert process is not None
        assert os.getpgid(process.pid) != os.getpgid(0)


def test_only_the_main_thread_starts_programs(tmp_path: Path) -> None:
    caught: list[Exception] = []

    def attempt() -> None:
        try:
            spawn(python(SLEEP, tmp_path / "log"))
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert "main thread" in str(caught[0])


def test_completed_gives_the_exit_code_and_keeps_the_output(tmp_path: Path) -> None:
    assert completed(python("print('a'); print('b'); raise SystemExit(3)", tmp_path / "logs" / "log")) == 3
    assert last_line(tmp_path / "logs" / "log") == "b"


def test_only_a_long_log_begins_anew(tmp_path: Path) -> None:
    short, long = tmp_path / "short", tmp_path / "long"
    short.write_text("kept")
    long.write_bytes(b"x")
    os.truncate(long, LONGEST_LOG + 1)
    shorten(short)
    shorten(long)
    assert short.read_text() == "kept"
    assert long.stat().st_size == 0
