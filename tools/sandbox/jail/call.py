"""Inside the jail: the request is read, the source compiled, the function called, the result written."""

import ast
import asyncio
import inspect
import json
import linecache
import os
import sys
import traceback
import types
import typing
from typing import Any

from . import convert, described
from .protocol import Job

_ENVIRONMENT = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}
_LONGEST_TEXT = 2000

# A source is often a function alone, as `inspect.getsource` gives it, without the imports of the file that it stood in.
_TYPING = {name: getattr(typing, name) for name in typing.__all__}


def serve(request: int, result: int, scratch: str, job: Job) -> None:
    """`request` and `result` are open files. The call's own variables come after ours, and bring no new process."""
    with open(request, encoding="utf-8") as file:
        asked = json.load(file)
    os.environ.clear()
    os.environ.update(_ENVIRONMENT | {"HOME": scratch, "TMPDIR": scratch} | asked["variables"])
    if job.packages:
        sys.path.append(job.packages)
    encoded = json.dumps(_answer(asked)).encode()
    for stream in (sys.stdout, sys.stderr):
        _flush(stream)
    _write(result, encoded)


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    source, name = asked["source"], asked["name"]
    try:
        value = _script(source, name) if asked["script"] else _call(source, name, asked["arguments"], asked["classes"])
        return {"status": "success", "value": convert.to_json(value)}
    except SystemExit as stop:
        if asked["script"] and stop.code in (None, 0):
            return {"status": "success", "value": None}
        return {"status": "error", "error": _summary(stop)}
    except BaseException as error:
        _print_traceback(error, f"<{name}>")
        return {"status": "error", "error": _summary(error)}


def _script(source: str, name: str) -> Any:
    """The value of its last statement, where that is an expression, as an interactive session shows it."""
    module = _module("__main__", name).__dict__
    tree = _compiled(source, name, ast.PyCF_ONLY_AST)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, f"<{name}>", "exec", dont_inherit=True), module)
    return eval(compile(ast.Expression(last.value), f"<{name}>", "eval", dont_inherit=True), module) if last else None


def _call(source: str, name: str, arguments: dict[str, Any], classes: dict[str, Any]) -> Any:
    module = _module("tool", name)
    module.__dict__.update(_TYPING | described.classes_of(classes))
    exec(_compiled(source, name), module.__dict__)
    function = getattr(module, name, None)
    if not callable(function):
        raise LookupError(f"The source defines no function named {name}.")
    value = function(**convert.arguments_for(function, arguments))
    return asyncio.run(_awaited(value)) if inspect.isawaitable(value) else value


async def _awaited(value: Any) -> Any:
    return await value


def _module(module_name: str, file_name: str) -> types.ModuleType:
    """Known by its name, because dataclasses and pydantic look their annotations up there."""
    module = types.ModuleType(module_name)
    module.__file__ = f"<{file_name}>"
    sys.modules[module_name] = module
    return module


def _compiled(source: str, name: str, flags: int = 0) -> Any:
    """From text, so that a `coding:` line in it has no meaning."""
    file = f"<{name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    return compile(source, file, "exec", flags, dont_inherit=True)


def _summary(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = ""
    kind = type(error).__name__
    return f"{kind}: {text[:_LONGEST_TEXT]}" if text else kind


def _print_traceback(error: BaseException, file: str) -> None:
    """Only the tool's own frames: how it was called, and where libraries lie, is none of its readers' business."""
    try:
        shown = traceback.TracebackException.from_exception(error, compact=True)
        _keep_frames(shown, file)
        print("".join(shown.format()), end="", file=sys.stderr)
    except Exception:  # exceptions are objects of the tool, and may break while they are looked at
        print(type(error).__name__, file=sys.stderr)


def _keep_frames(shown: traceback.TracebackException, file: str) -> None:
    shown.stack = traceback.StackSummary.from_list([frame for frame in shown.stack if frame.filename == file])
    for other in (shown.__cause__, shown.__context__, *(getattr(shown, "exceptions", None) or ())):
        if other is not None:
            _keep_frames(other, file)


def _flush(stream: Any) -> None:
    """The tool may have closed or replaced it."""
    try:
        stream.flush()
    except Exception:
        return


def _write(result: int, encoded: bytes) -> None:
    rest = memoryview(encoded)
    while rest:
        rest = rest[os.write(result, rest) :]
