"""What a call in the sandbox costs: wall time of a trivial tool, one at a time and from eight threads at once, and the
processor time of the call's own process, which a loaded machine changes less.

.venv/bin/python -m benchmarks.sandbox [--calls 300]
"""

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks.step import machine
from tools.sandbox import Level, Limits, Sandbox, Tier, detect

THREADS = 8
TRIVIAL = "def tool(n: int):\n    return n + 1"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=300)
    calls = parser.parse_args().calls
    found = detect()
    print(f"{machine()}, {calls} calls each")
    print(f"sandbox: {found}")
    for level in (Level.FULL, Level.FILTERED):
        if level <= found.level:
            measure(level, calls)


def measure(level: Level, calls: int) -> None:
    account = (os.getuid(), os.getgid()) if level == Level.FILTERED else None
    with Sandbox(Tier(level), Limits(), account=account) as sandbox:

        def call(number: int) -> tuple[float, float]:
            started = time.perf_counter()
            outcome = sandbox.run(TRIVIAL, "tool", {"n": number})
            if outcome.value != number + 1:
                raise RuntimeError(f"The call failed: {outcome.error}")
            return time.perf_counter() - started, outcome.cpu_seconds

        first, _ = call(0)
        print(f"\n{level.name.lower()}: first call {first * 1e3:.0f} ms, with the start of the zygote")
        for threads in (1, THREADS):
            report(threads, calls, call)


def report(threads: int, calls: int, call: Callable[[int], tuple[float, float]]) -> None:
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        costs = list(pool.map(call, range(calls)))
    times, busy = sorted(wall for wall, _ in costs), sorted(cpu for _, cpu in costs)
    rate = calls / (time.perf_counter() - started)
    print(f"  {threads} at once: p50 {times[calls // 2] * 1e3:.1f} ms, p95 {times[int(calls * 0.95)] * 1e3:.1f} ms, "
          f"{rate:.0f} calls/s; processor p50 {busy[calls // 2] * 1e3:.1f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
