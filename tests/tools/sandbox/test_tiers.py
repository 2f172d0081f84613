"""What a machine permits, and that nothing runs where it permits too little."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tools.sandbox.conftest import account_for
from tools.sandbox import Level, Refused, Sandbox, Tier, detect, tiers
from tools.sandbox.jail import seccomp
from tools.sandbox.zygote import Zygote, ZygoteError

ONE = "def tool(): return 1"


def test_tier_of_this_machine() -> None:
    found = detect()
    assert found.level == Level.FULL or found.reasons
    assert str(found).startswith(f"T{int(found.level)}")


def test_probe_notices_a_jail_without_its_parts(level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tiers.setup_for
    for part in ("landlock", "seccomp"):
        monkeypatch.setattr(
            tiers, "setup_for", lambda *given, part=part: dataclasses.replace(whole(*given), **{part: False})
        )
        assert "escaped" in str(tiers._missing(level, account_for(level)))


def test_kernel_without_landlock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers.kernel, "landlock_abi", lambda: 0)
    found = detect.__wrapped__()
    assert found.level == Level.LIMITS
    assert "no Landlock" in found.reasons[0]


def test_kernel_with_an_old_landlock(monkeypatch: pytest.MonkeyPatch) -> None:
    """With namespaces it will do: there the files of the host are not to be seen."""
    monkeypatch.setattr(tiers.kernel, "landlock_abi", lambda: 2)
    assert "truncated" in str(tiers._missing(Level.FILTERED, None))


def test_refused_where_only_limits_are() -> None:
    sandbox = Sandbox(Tier(Level.LIMITS, ("This kernel has no Landlock.",)))
    with pytest.raises(Refused, match=r"This kernel has no Landlock\..*set PERDURE_ALLOW_UNSAFE_TOOLS=1"):
        sandbox.run(ONE, "tool", {})
    with pytest.raises(Refused):
        sandbox.run_code("print(1)")


def test_unsafe_tools_run_when_allowed() -> None:
    account = (os.getuid(), os.getgid())
    with Sandbox(Tier(Level.LIMITS), account=account, allow_unsafe=True) as sandbox:
        assert sandbox.run(ONE, "tool", {}).value == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_root_becomes_somebody_else() -> None:
    if detect().level < Level.FULL:
        pytest.skip(str(detect()))
    with Sandbox() as sandbox:
        assert sandbox.run("import os\ndef tool(): return os.getresuid()", "tool", {}).value == [65534] * 3


def test_setup_that_fails_is_told() -> None:
    account = (os.getuid(), os.getgid())
    setup = tiers.setup_for(Level.FILTERED, account)
    zygote = Zygote(dataclasses.replace(setup, readable=("/missing",)))
    with pytest.raises(ZygoteError, match="may not read /missing"):
        tiers._tried(zygote)
    zygote.close()


def test_zygote_ends_with_the_server(level: Level, tmp_path: Path) -> None:
    """Even when the server is killed, and while a call runs."""
    account = account_for(level)
    program = f"""
import os, sys, tempfile, threading
import django
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
from tools.sandbox import Level, Sandbox, Tier
tempfile.tempdir = {str(tmp_path)!r}
sandbox = Sandbox(Tier(Level({int(level)})), account={account!r})
sandbox.run("def tool(): return 1", "tool", {{}})
threading.Thread(target=sandbox.run, args=("import time\\ndef tool():\\n time.sleep(600)", "tool", {{}})).start()
print(sandbox._zygote.pid, flush=True)
sys.stdin.read()
"""
    server = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin
    assert server.stdout
    zygote = int(server.stdout.readline())
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    server.stdin.close()
    server.stdout.close()
    for _ in range(500):
        if not Path(f"/proc/{zygote}").exists():
            break
        time.sleep(0.02)
    else:
        raise AssertionError("the zygote outlived its server")
    assert list(tmp_path.iterdir()) == []


# The filter, for both architectures, by an interpreter of its few instructions.

ALLOWED, KILLED = "allowed", "killed"
CASES = {
    # name: number on x86_64 and aarch64, arguments, with or without network, what comes of it
    "read": ((0, 63), (0, 0, 100), False, ALLOWED),
    "openat": ((257, 56), (0, 0, 0), False, ALLOWED),
    "execve": ((59, 221), (0, 0, 0), False, errno.EPERM),
    "a thread": ((56, 220), (0x3D0F00,), False, ALLOWED),
    "a process": ((56, 220), (17,), False, errno.EPERM),
    "a thread in a new namespace": ((56, 220), (0x10010F00,), False, errno.EPERM),
    "clone3": ((435, 435), (0, 0), False, errno.ENOSYS),
    "a socket": ((41, 198), (2, 1, 0), False, errno.EPERM),
    "a socket with network": ((41, 198), (2, 0x80001, 0), True, ALLOWED),
    "TCP by name": ((41, 198), (2, 1, 6), True, ALLOWED),
    "MPTCP": ((41, 198), (2, 1, 262), True, errno.EPERM),
    "UDP": ((41, 198), (2, 2, 0), True, errno.EPERM),
    "IPv6": ((41, 198), (10, 1, 0), True, errno.EPERM),
    "netlink": ((41, 198), (16, 3, 0), True, errno.EPERM),
    "connect": ((42, 203), (3, 0, 0), False, errno.EPERM),
    "connect with network": ((42, 203), (3, 0, 0), True, ALLOWED),
    "bind with network": ((49, 200), (3, 0, 0), True, errno.EPERM),
    "a pair": ((53, 199), (1, 0x80001, 0), False, ALLOWED),
    "a pair for datagrams": ((53, 199), (1, 2, 0), False, errno.EPERM),
    "signal myself": ((62, 129), (7, 15), False, ALLOWED),
    "signal my group": ((62, 129), (0, 15), False, ALLOWED),
    "signal another": ((62, 129), (8, 15), False, errno.EPERM),
    "signal all": ((62, 129), (0xFFFFFFFF, 9), False, errno.EPERM),
    "prlimit": ((302, 261), (0, 7), False, ALLOWED),
    "prlimit on another": ((302, 261), (8, 7), False, errno.EPERM),
    "F_GETFL": ((72, 25), (1, 3), False, ALLOWED),
    "F_SETOWN": ((72, 25), (1, 8), False, errno.EPERM),
    "F_SETOWN_EX": ((72, 25), (1, 15), False, errno.EPERM),
    "TIOCSTI": ((16, 29), (1, 0x5412), False, errno.EPERM),
    "TCGETS": ((16, 29), (1, 0x5401), False, ALLOWED),
    "PR_SET_NAME": ((157, 167), (15,), False, ALLOWED),
    "PR_SET_DUMPABLE": ((157, 167), (4,), False, errno.EPERM),
    "chmod": ((268, 53), (0,), False, errno.EPERM),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filter(machine: str, name: str) -> None:
    numbers, arguments, network, expected = CASES[name]
    filtered = seccomp.program(machine, 7, own_files=False, network=network)
    architecture = seccomp._ARCHITECTURES[machine][1]
    assert decided(filtered, architecture, numbers[machine == "aarch64"], arguments) == expected


def test_filter_of_other_architectures() -> None:
    filtered = seccomp.program("x86_64", 7, own_files=True, network=False)
    i386, x86_64 = 0x40000003, seccomp._ARCHITECTURES["x86_64"][1]
    assert decided(filtered, i386, 0, ()) == KILLED
    assert decided(filtered, x86_64, 0x40000000, ()) == errno.ENOSYS


def decided(program: seccomp.Program, architecture: int, number: int, arguments: tuple[int, ...]) -> str | int:
    loaded = {0: number, 4: architecture} | {16 + 8 * index: value for index, value in enumerate(arguments)}
    place = accumulator = 0
    while True:
        code, if_true, if_false, operand = program[place]
        place += 1
        if code == 0x20:
            accumulator = loaded.get(operand, 0)
        elif code == 0x54:
            accumulator &= operand
        elif code == 0x06:
            return {0x7FFF0000: ALLOWED, 0x80000000: KILLED}.get(operand, operand & 0xFFFF)
        else:
            holds = {0x15: accumulator == operand, 0x35: accumulator >= operand, 0x45: accumulator & operand}[code]
            place += if_true if holds else if_false
