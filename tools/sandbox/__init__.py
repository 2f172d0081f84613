"""Runs one call of a Python function that a user wrote, locked in: no files, no network, no processes of the host.

    sandbox = Sandbox()
    sandbox.run("def double(n: int):\\n    return 2 * n", "double", {"n": 21}).value  # 42

A worker makes one `Sandbox` and calls `run` from as many threads as it likes. docs/sandbox.md says what a tool may do
and what the jail is made of.
"""

from tools.sandbox.sandbox import Sandbox
from tools.sandbox.tiers import detect
from tools.sandbox.values import Level, Limits, Outcome, Refused, Runner, Tier

__all__ = ["Level", "Limits", "Outcome", "Refused", "Runner", "Sandbox", "Tier", "detect"]
