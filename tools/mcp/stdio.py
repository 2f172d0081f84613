"""An MCP server that is a command, run here for one session: lines of JSON over its pipes.

The `mcp` package has such a transport, too; it reads lines of any length.
"""

import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import anyio.abc
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

from tools.mcp.errors import Unreachable
from tools.mcp.http import ANSWER_LIMIT
from tools.mcp.targets import Target

GRACE_SECONDS = 2.0
_LOOK_SECONDS = 0.1
_TAIL = 1000  # characters of its complaints that are told


class Command:
    """Why it failed is in `complaint`, the end of what it wrote to its standard error."""

    def __init__(self, target: Target):
        self._target = target
        self.complaint = ""

    @asynccontextmanager
    async def streams(self) -> AsyncIterator[tuple[Any, Any]]:
        """Raises Unreachable where it cannot be started."""
        process = await self._started()
        to_session, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        to_send, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
        try:
            async with anyio.create_task_group() as tasks, received, to_send:
                tasks.start_soon(self._read, process, to_session)
                tasks.start_soon(self._write, process, outgoing)
                tasks.start_soon(self._hear, process)
                tasks.start_soon(_close_when_over, process, to_session)
                yield received, to_send
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)

    async def _started(self) -> anyio.abc.Process:
        target = self._target
        try:
            return await anyio.open_process(
                [target.command, *target.args],
                env=get_default_environment() | dict(target.env),
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise Unreachable(
                f"{target.command} cannot be started: {getattr(error, 'strerror', None) or error}"
            ) from None

    async def _read(self, process: anyio.abc.Process, messages: Any) -> None:
        """Its end, or too much of it, is the end of the session: requests under way fail."""
        assert process.stdout
        left, rest = ANSWER_LIMIT, b""
        async with messages:
            with suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
                while (left := left - len(chunk := await process.stdout.receive())) >= 0:
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        await messages.send(_message(line))
                self.complaint = f"It wrote more than {ANSWER_LIMIT:,} bytes."

    async def _write(self, process: anyio.abc.Process, messages: Any) -> None:
        assert process.stdin
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError, OSError):
            async with messages:
                async for item in messages:
                    text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await process.stdin.send(f"{text}\n".encode())

    async def _hear(self, process: anyio.abc.Process) -> None:
        assert process.stderr
        with suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            while True:
                heard = (await process.stderr.receive()).decode(errors="replace")
                self.complaint = (self.complaint + heard)[-_TAIL:]


async def _close_when_over(process: anyio.abc.Process, messages: Any) -> None:
    """Its pipes do not tell: a child of it may hold them open. What it wrote at last may still be on its way."""
    while process.returncode is None:
        await anyio.sleep(_LOOK_SECONDS)
    await anyio.sleep(_LOOK_SECONDS)
    await messages.aclose()


def _message(line: bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error


async def _end(process: anyio.abc.Process) -> None:
    """As the protocol wants it: its input ends, then it has a while. What is then left is killed, children too."""
    assert process.stdin
    with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        await process.stdin.aclose()
    with anyio.move_on_after(GRACE_SECONDS):
        await process.wait()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with anyio.move_on_after(GRACE_SECONDS):
        await process.aclose()
