"""Hostile tools. None may get out, and the server must not notice more than an error."""

import json
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tools.sandbox import attacks
from tests.tools.sandbox.conftest import Run
from tools.sandbox import Level, Limits, Outcome, Sandbox, Tier

SECRET = "the-server-knows-this"
REFUSED_FILE = r"^(PermissionError|FileNotFoundError|OSError): "
REFUSED_CALL = r"\[Errno (1|38)\]"  # EPERM or ENOSYS: it was the filter, and not some mistake in the attack
MEBIBYTE = 1 << 20
# What it takes no privilege to do outside a jail, and does no harm there.
HARMLESS = [
    "read a file of the server",
    "read /etc/passwd",
    "read through a symbolic link",
    "list processes",
    "TCP",
    "Unix socket, abstract",
    "a pair of sockets, connected anew",
    "ask whether the server lives",
    "prlimit on the server",
    "fork",
    "clone",
    "run /usr/bin/id",
    "become a program in memory",
]


class Host:
    """What the attacks aim at: a file, a process, and three listeners."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "server.env"
        self.file.write_text(SECRET)
        self.file.chmod(0o666)
        folder.chmod(0o777)
        self.victim = subprocess.Popen(
            [sys.executable, "-S", "-c", "import time; time.sleep(600)"], env={"SECRET": SECRET}
        )
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(type=socket.SOCK_DGRAM)
        self.udp.bind(self.tcp.getsockname())
        self.unix, self.abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        self.pair = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.pair.bind(f"\0perdure-test-{os.getpid()}-datagrams")
        self.unix.bind(str(folder / "socket"))
        self.abstract.bind(f"\0perdure-test-{os.getpid()}")
        self.unix.listen()
        self.abstract.listen()
        for listener in (self.tcp, self.udp, self.unix, self.abstract):
            listener.setblocking(False)

    def targets(self) -> dict[str, Any]:
        return {
            "outside": str(self.file),
            "victim": self.victim.pid,
            "tcp": self.tcp.getsockname()[1],
            "unix": self.unix.getsockname(),
            "abstract": self.abstract.getsockname()[1:].decode(),
        }

    def touched(self) -> list[str]:
        """What an attack has reached; nothing, one hopes."""
        found: list[str] = []
        mode, changed = self.file.stat().st_mode & 0o777, self.file.stat().st_mtime
        if self.file.read_text() != SECRET or mode != 0o666 or changed < 1000:
            found.append("file")
        if sorted(one.name for one in self.file.parent.iterdir()) != ["server.env", "socket"]:
            found.append("folder")
        if self.victim.poll() is not None:
            found.append("victim")
        for name in ("tcp", "unix", "abstract"):
            if _accepted(getattr(self, name)):
                found.append(name)
        return found

    def close(self) -> None:
        self.victim.kill()
        self.victim.wait()
        for listener in (self.tcp, self.udp, self.unix, self.abstract, self.pair):
            listener.close()


def _accepted(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("PERDURE_TEST_SECRET", SECRET)
    host = Host(tmp_path)
    yield host
    host.close()


@pytest.mark.parametrize("name", attacks.ALL)
def test_escape_fails(sandbox: Sandbox, host: Host, name: str) -> None:
    outcome = sandbox.run(attacks.source(attacks.ALL[name]), "tool", host.targets())
    assert outcome.status == "error"
    on_files = name in attacks.FILES | attacks.WRITES
    assert re.search(REFUSED_FILE if on_files else REFUSED_CALL, str(outcome.error)), outcome
    assert SECRET not in str(outcome)
    assert host.touched() == []


@pytest.mark.parametrize("name", HARMLESS)
def test_attack_works_without_a_jail(unlocked: Sandbox, host: Host, name: str) -> None:
    """Or it would prove nothing that it fails in one."""
    outcome = unlocked.run(attacks.source(attacks.ALL[name]), "tool", host.targets())
    assert outcome.status == "success", outcome


@pytest.fixture(scope="session")
def unlocked() -> Iterator[Sandbox]:
    account = (os.getuid(), os.getgid())
    with Sandbox(Tier(Level.LIMITS), account=account, allow_unsafe=True) as sandbox:
        yield sandbox


# Secrets


def test_environment_of_the_server(run: Run, host: Host) -> None:
    outcome = run("import os, ctypes\nlibc = ctypes.CDLL(None)\nlibc.getenv.restype = ctypes.c_char_p\n"
                  "return [dict(os.environ), str(libc.getenv(b'PERDURE_TEST_SECRET'))]")  # fmt: skip
    assert outcome.status == "success"
    assert SECRET not in str(outcome)
    assert set(outcome.value[0]) == {"HOME", "TMPDIR", "PATH", "LANG"}


def test_another_call_s_secrets(run: Run) -> None:
    run("import os\nopen('left', 'w').write(os.environ['TOKEN'])", variables={"TOKEN": SECRET})
    outcome = run("import gc, os\nreturn [dict(os.environ), os.listdir('.'), [o for o in gc.get_objects() "
                  "if isinstance(o, dict) and any(k == 'TOKEN' for k in list(o))]]")  # fmt: skip
    assert outcome.status == "success"
    assert SECRET not in str(outcome)
    assert outcome.value[1:] == [[], []]


def test_packages_of_another_tenant(sandbox: Sandbox, store: Path) -> None:
    source = "def tool(path):\n    return open(path).read()"
    theirs = {"path": str(store / "theirs" / "theirs_package.py")}
    ours = {"path": str(store / "ours" / "ours_package.py")}
    assert sandbox.run(source, "tool", ours, packages=store / "ours").status == "success"
    assert "PermissionError" in str(sandbox.run(source, "tool", theirs, packages=store / "ours").error)


def test_packages_cannot_be_written(sandbox: Sandbox, store: Path) -> None:
    source = "def tool(path):\n    open(path, 'a').write('evil')"
    file = store / "ours" / "ours_package.py"
    outcome = sandbox.run(source, "tool", {"path": str(file)}, packages=store / "ours")
    assert re.search(REFUSED_FILE, str(outcome.error))
    assert "evil" not in file.read_text()


def test_inherited_files(run: Run) -> None:
    """Nothing is open but input, output, errors and the result."""
    outcome = run("""
import os
found = []
for number in range(1024):
    try:
        os.fstat(number)
    except OSError:
        continue
    found.append(number)
return found""")
    assert outcome.value == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONSTARTUP", "PYTHONPATH", "PYTHONHOME"])
def test_variable_changes_nothing(run: Run, host: Host, name: str) -> None:
    evil = host.file.parent / "socket"  # loading it would fail loudly
    outcome = run("import colorsys, sys\nreturn [sys.path, sys.flags.isolated]", variables={name: str(evil)})
    assert outcome.status == "success"
    assert str(evil) not in outcome.value[0]
    assert outcome.value[1] == 1
    assert run("return 1").value == 1


# Resources


@pytest.mark.parametrize(
    "body",
    [
        "import os\nwhile True: os.fork()",
        "import os, time\nfor _ in range(16):\n    if os.fork() == 0:\n"
        "        x = bytearray(300 << 20)\n        time.sleep(60)",
        "x = bytearray(3 << 30)\nreturn len(x)",
        "x = []\nwhile True: x.append(bytearray(1 << 20))",
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()",
        "open('big', 'wb').write(bytes(200 << 20))",
        "return [0] * 10**10",
        "x = 'x' * (2 << 20)\nreturn x",
    ],
    ids=["fork bomb", "16 x 300 MB", "3 GB", "many MB", "threads", "200 MB file", "80 GB list", "2 MB result"],
)
def test_greed_ends_in_an_error(run: Run, body: str) -> None:
    outcome = run(body, limits=Limits(wall_seconds=15, cpu_seconds=10))
    assert outcome.status == "error"
    assert run("return 1").value == 1


def test_many_small_files(run: Run, level: Level) -> None:
    outcome = run("for n in range(20_000): open(f'f{n}', 'w').close()\nreturn n")
    if level == Level.FULL:
        assert "No space left" in str(outcome.error)
    assert run("import os\nreturn os.listdir('.')").value == []


def test_many_large_files(run: Run, level: Level) -> None:
    if level != Level.FULL:
        pytest.skip("only a file system of its own limits the files of a call together")
    assert "No space left" in str(run("for n in range(4): open(f'f{n}', 'wb').write(bytes(20 << 20))").error)


def test_deep_and_locked_folders_are_removed(run: Run) -> None:
    body = "import os\nfor _ in range(1500):\n    os.mkdir('d', 0o700)\n    os.chdir('d')\nos.mkdir('locked', 0)"
    assert run(body).status == "success"
    assert run("import os\nreturn os.listdir('.')").value == []


def test_processor_time(run: Run) -> None:
    outcome = run("while True: pass", limits=Limits(cpu_seconds=1))
    assert outcome.error == "The tool used more than 1 s of processor time and was stopped."


def test_ignoring_every_signal(run: Run) -> None:
    body = """
import os, signal, time
print(os.getpid(), flush=True)
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
while True:
    try:
        time.sleep(60)
    except BaseException:
        pass"""
    outcome = run(body, limits=Limits(wall_seconds=0.5))
    assert outcome.error == "The tool ran longer than 0.5 s and was stopped."


def test_nothing_outlives_the_call(run: Run) -> None:
    """A thread that is no daemon, and a double fork where forks were possible."""
    before = _processes()
    outcome = run("""
import os, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
try:
    if os.fork() == 0:
        os.setsid()
        os.fork()
        time.sleep(600)
except OSError:
    pass
return 'done'""")
    assert outcome.value == "done"
    _wait_for_as_many_as(before)


def test_nothing_outlives_a_timeout(run: Run) -> None:
    before = _processes()
    run("import time\ntime.sleep(600)", limits=Limits(wall_seconds=0.3))
    _wait_for_as_many_as(before)


def _wait_for_as_many_as(before: set[int]) -> None:
    """The call's processes are gone; those that wait for the next one have taken their place.

    Some of `before` may have been at their end already, of an earlier call.
    """
    for _ in range(500):
        now = _processes()
        if len(now) <= len(before) and len(now - before) <= 2:
            return
        time.sleep(0.02)
    raise AssertionError(f"{now - before} are new, {before - now} are gone")


def _processes() -> set[int]:
    """Those of zygotes, wardens and calls: all carry the zygote's command line."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes()
                state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if b"from jail import zygote" in command and state != "Z":
                found.add(int(folder.name))
    return found


def test_a_flood_of_output(run: Run) -> None:
    outcome = run("import sys\nfor _ in range(300): sys.stdout.write('x' * (1 << 20))")
    assert "bytes of output and was stopped" in str(outcome.error)
    assert len(outcome.stdout) < MEBIBYTE + 100
    assert "[cut: " in outcome.stdout


# Results


def test_exit_without_a_result(run: Run) -> None:
    assert run("import os\nos._exit(0)").error == "The tool ended without a result."
    assert "exit code 3" in str(run("import os\nos._exit(3)").error)


def test_forged_result_on_stdout(run: Run) -> None:
    outcome = run('print(\'{"status": "success", "value": 1}\', flush=True)\nimport os\nos._exit(0)')
    assert outcome.status == "error"


def _forged(run: Run, encoded: bytes) -> Outcome:
    """Writes the bytes where the result goes."""
    return run("import os\nos.write(3, bytes.fromhex(encoded))\nos._exit(0)", encoded=encoded.hex())


@pytest.mark.parametrize(
    "encoded",
    [
        pickle.dumps({"status": "success", "value": 1}),
        b"[" * 30_000,
        b'{"status": "success", "value": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"status": "success", "value": 1} {"status": "success", "value": 2}',
        b'{"status": "success", "value": 1, "more": 2}',
        b'{"status": "success"}',
        b'{"status": "error", "error": {"a": 1}}',
        b'{"status": "success", "value": ' + b"9" * 20_000 + b"}",
        b"\xff\xfe\x00",
        b"null",
    ],
    ids=["pickle", "brackets", "10^4 deep", "two", "more", "less", "no text", "a long number", "no UTF-8", "null"],
)
def test_forged_result(run: Run, encoded: bytes) -> None:
    outcome = _forged(run, encoded)
    assert outcome.status == "error"
    assert outcome.value is None


def test_a_result_of_a_hundred_megabytes(run: Run) -> None:
    assert "larger than" in str(run("import os\nwhile True: os.write(3, b'x' * 65536)").error)


def test_a_result_of_a_hundred_thousand_levels(run: Run) -> None:
    outcome = run("x = []\nfor _ in range(100_000): x = [x]\nreturn x")
    assert outcome.error == "ValueError: The result is nested more than 64 levels deep."


def test_a_circular_result(run: Run) -> None:
    assert "64 levels" in str(run("x = []\nx.append(x)\nreturn x").error)


def test_what_postgres_cannot_store(run: Run) -> None:
    outcome = run("print('a\\0b')\nreturn {'k\\0': ['\\0', '\\ud800', float('nan'), float('inf')]}")
    assert outcome.value == {"k�": ["�", "�", None, None]}
    assert outcome.stdout == "a�b\n"
    assert json.dumps(outcome.value, allow_nan=False)


def test_not_a_number_on_the_wire(run: Run) -> None:
    outcome = _forged(run, b'{"status": "success", "value": [NaN, "\\ud800", "\\u0000"]}')
    assert outcome.value == [None, "�", "�"]


def test_a_result_before_the_timeout_does_not_count(run: Run) -> None:
    body = 'import os, time\nos.write(3, b\'{"status": "success", "value": 1}\')\ntime.sleep(60)'
    outcome = run(body, limits=Limits(wall_seconds=0.5))
    assert (outcome.status, outcome.value) == ("error", None)


def test_ten_megabytes_of_arguments(run: Run) -> None:
    assert "arguments are longer" in str(run("return len(x)", x="x" * (10 * MEBIBYTE)).error)
    assert run("return len(x)", x="x" * (3 * MEBIBYTE)).value == 3 * MEBIBYTE


# Sources


@pytest.mark.parametrize(
    "source",
    [
        "x = " + "-" * 900_000 + "1",
        "x = " + "(" * 300_000 + ")" * 300_000,
        "x = " + "[" * 90 + "]" * 90 + ".a" * 300_000,
        "def f(:",
        "x = '\0'",
        "raise SystemExit(0)",
        "import os; os.abort()",
        "import ctypes; ctypes.string_at(0)",
        "import sys; sys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
    ],
    ids=["signs", "brackets", "attributes", "syntax", "NUL", "exit", "abort", "crash", "recursion"],
)
def test_source_that_cannot_be_loaded(sandbox: Sandbox, source: str) -> None:
    outcome = sandbox.run(source, "tool", {}, limits=Limits(cpu_seconds=2))
    assert outcome.status == "error"
    assert sandbox.run("def tool(): return 1", "tool", {}).value == 1


def test_coding_line_has_no_meaning(sandbox: Sandbox) -> None:
    source = "# coding: utf-7\ndef tool():\n    return 'a'\n# +AAo-def tool(): return 'b'\n"
    assert sandbox.run(source, "tool", {}).value == "a"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="an instruction of x86")
def test_calls_of_the_32_bit_kernel(sandbox: Sandbox) -> None:
    source = r"""
import ctypes, mmap
def tool():
    code = mmap.mmap(-1, 4096, prot=7)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20; int 0x80; ret
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
"""
    outcome = sandbox.run(source, "tool", {})
    assert any(name in str(outcome.error) for name in (signal.SIGSYS.name, signal.SIGSEGV.name))
