"""Running code that the model writes, in the sandbox."""

import json
from typing import Any, Literal

from tools.executor import ToolContext
from tools.registry import tool
from tools.sandbox import Outcome, Refused
from tools.spec import ToolError

LONGEST_OUTPUT = 12_000
"""Characters of each: stdout, stderr, the result."""


@tool(effect="read", idempotent=True, type="letta_builtin", tags=["letta_builtin"], parallel=True)
def run_code(
    context: ToolContext, code: str, language: Literal["python", "js", "ts", "r", "java"] = "python"
) -> dict[str, Any]:
    """Run a Python script, for example to calculate something. Only the standard library is there, and no network.

    Every call starts anew: nothing is left of variables and files of the one before. You get what it printed (stdout,
    stderr) and the value of its last line, if that is an expression (result).

    Args:
        code: The script.
        language: Its language; only "python" is run here.
    """
    if language != "python":
        raise ToolError(f"This server runs Python only, not {language}. Write the code in Python.")
    if context.sandbox is None:
        raise ToolError("Code cannot be run here: this tool is for an agent's turn.")
    try:
        outcome = context.sandbox.run_code(code, abort=context.abort)
    except Refused as refused:
        raise ToolError(f"The code was not run. {refused}") from None
    if outcome.status == "error":
        raise ToolError(json.dumps(_shown(outcome), ensure_ascii=False))
    return _shown(outcome)


def _shown(outcome: Outcome) -> dict[str, Any]:
    shown = {"stdout": _cut(outcome.stdout), "stderr": _cut(outcome.stderr)}
    if outcome.error is not None:
        return {"error": outcome.error} | shown
    encoded = json.dumps(outcome.value, ensure_ascii=False)
    return {"result": outcome.value if len(encoded) <= LONGEST_OUTPUT else _cut(encoded)} | shown


def _cut(text: str) -> str:
    """Each part for itself, so that the whole stays JSON."""
    if len(text) <= LONGEST_OUTPUT:
        return text
    return f"{text[:LONGEST_OUTPUT]}... [cut: {len(text)} characters, {LONGEST_OUTPUT} kept]"
