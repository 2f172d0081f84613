"""What a call in the sandbox costs: wall time of a trivial tool, one at a time and from eight threads at once.

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

        def call(number: int) -> float:
            started = time.perf_counter()
            outcome = sandbox.run(TRIVIAL, "tool", {"n": number})
            if outcome.value != number + 1:
                raise RuntimeError(f"The call failed: {outcome.error}")
            return time.perf_counter() - started

        first = call(0)
        print(f"\n{level.name.lower()}: first call {first * 1e3:.0f} ms, with the start of the zygote")
        for threads in (1, THREADS):
            report(threads, calls, call)


def report(threads: int, calls: int, call: Callable[[int], float]) -> None:
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        times = sorted(pool.map(call, range(calls)))
    rate = calls / (time.perf_counter() - started)
    print(f"  {threads} at once: p50 {times[calls // 2] * 1e3:.1f} ms, p95 {times[int(calls * 0.95)] * 1e3:.1f} ms, "
          f"{rate:.0f} calls/s")  # fmt: skip


if __name__ == "__main__":
    main()
