"""Clients that open a WebSocket and do not read what comes: they are left, and nobody else notices."""

import json
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.live import Server
from tests.live.waiting import wait_in_loop

LARGE = 1_200_000  # characters: more than the buffers of two sockets hold


@pytest.mark.faults
async def test_a_client_that_never_reads(server: Server) -> None:
    server.llm.script(match="At length.", text="x" * LARGE, chars=65_536, repeat=8)
    agent = server.agent()
    runs = [server.send(agent, "At length.") for _ in range(8)]
    for run in runs:
        assert server.await_end(run)["status"] == "completed"
    before = memory(server)
    url = server.web.url.replace("http", "ws") + "/v1/runs/"
    head = {"Authorization": f"Bearer {server.key}"}
    async with connect(
        f"{server.web.url.replace('http', 'ws')}/v1/agents/{agent}/ws",
        additional_headers=head,
        proxy=None,
        max_queue=1,
        max_size=None,
        compression=None,
        sock=small_socket(server.web.port),
    ) as deaf:
        for run in runs:
            await deaf.send(json.dumps({"type": "subscribe", "run_id": run}))
        async with connect(f"{url}{runs[0]}/ws", additional_headers=head, proxy=None, max_size=None) as other:
            while json.loads(await other.recv()).get("type") != "done":
                pass
        left = "took nothing"
        await wait_in_loop(lambda: left in server.web.log.read_text(), what="the client is left")
        with suppress(ConnectionClosed):
            while True:
                await deaf.recv()
    assert deaf.close_code == 4008
    assert memory(server) - before < 150_000_000


def small_socket(port: int) -> socket.socket:
    """A connection whose kernel takes little for a client that reads nothing."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", port))
    made.setblocking(False)
    return made


def memory(server: Server) -> int:
    """Bytes of memory that the web process holds."""
    status = Path(f"/proc/{server.web.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) * 1024
