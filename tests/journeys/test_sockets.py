"""The WebSocket: send, follow, cancel, and come back after a break without missing anything."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.live import Server
from tests.live.waiting import wait_in_loop

SPEECH = "I will tell you all about it, at some length, in many small pieces, and then I will be done."


@asynccontextmanager
async def socket(server: Server, path: str, key: str | None = None) -> AsyncIterator[ClientConnection]:
    url = server.web.url.replace("http", "ws") + f"/v1/{path}"
    headers = {"Authorization": f"Bearer {server.key if key is None else key}"}
    async with connect(url, additional_headers=headers, proxy=None) as opened:
        yield opened


async def say(ws: ClientConnection, **request: Any) -> None:
    await ws.send(json.dumps(request))


async def hear(ws: ClientConnection) -> dict[str, Any]:
    return json.loads(await ws.recv())


async def rest(ws: ClientConnection) -> list[dict[str, Any]]:
    """The events until the run is done."""
    events = []
    while (event := await hear(ws)).get("type") != "done":
        events.append(event)
    return events


def spoken(events: list[dict[str, Any]]) -> str:
    return "".join(event["content"] for event in events if event["message_type"] == "assistant_message")


async def test_send_and_hear_the_tokens(server: Server) -> None:
    agent = server.agent()
    async with socket(server, f"agents/{agent}/ws") as ws:
        text = f"Go\n!delay 0.05\n!say {SPEECH}"
        await say(ws, type="send", input=text, stream_tokens=True)
        accepted = await hear(ws)
        events = await rest(ws)
    assert (accepted["type"], spoken(events)) == ("accepted", SPEECH)
    assert sum(event["message_type"] == "assistant_message" for event in events) > 2
    assert [event["message_type"] for event in events[-2:]] == ["stop_reason", "usage_statistics"]
    assert server.run(accepted["run_id"])["status"] == "completed"


async def test_whole_messages(server: Server) -> None:
    async with socket(server, f"agents/{server.agent()}/ws/") as ws:
        for _ in range(2):
            await say(ws, type="send", messages=[{"role": "user", "content": "hello"}])
            assert (await hear(ws))["type"] == "accepted"
            kinds = [event["message_type"] for event in await rest(ws)]
            assert kinds == ["assistant_message", "stop_reason", "usage_statistics"]


async def test_cancel(server: Server) -> None:
    agent = server.agent()
    async with socket(server, f"agents/{agent}/ws") as ws:
        await say(ws, type="send", input="Never.\n!hang")
        run_id = (await hear(ws))["run_id"]
        await wait_in_loop(lambda: server.run(run_id)["status"] == "running")
        await say(ws, type="cancel", run_id=run_id)
        assert [event.get("stop_reason") for event in await rest(ws)] == ["cancelled"]
    assert server.run(run_id)["status"] == "cancelled"


@pytest.mark.parametrize("pieces", [1, 3, 6])
async def test_breaking_off_and_coming_back(server: Server, pieces: int) -> None:
    """What it had heard, and what comes behind the last number of it, is the whole."""
    agent = server.agent()
    text = f"Go\n!delay 0.05\n!say {SPEECH}"
    async with socket(server, f"agents/{agent}/ws") as ws:
        await say(ws, type="send", input=text, stream_tokens=True)
        run_id = (await hear(ws))["run_id"]
        heard = [await hear(ws) for _ in range(pieces)]
    async with socket(server, f"agents/{agent}/ws") as ws:
        await say(ws, type="subscribe", run_id=run_id, starting_after=heard[-1]["seq_id"])
        heard += await rest(ws)
    numbers = [event["seq_id"] for event in heard]
    assert (spoken(heard), numbers) == (SPEECH, sorted(set(numbers)))
    async with socket(server, f"runs/{run_id}/ws?starting_after={numbers[-2]}") as ws:
        assert [event["seq_id"] for event in await rest(ws)] == numbers[-1:]
    async with socket(server, f"runs/{run_id}/ws?stream_tokens=false") as ws:
        assert [e["content"] for e in await rest(ws) if e["message_type"] == "assistant_message"] == [SPEECH]


async def test_a_conversation(server: Server) -> None:
    conversation = server.client().conversations.create(agent_id=server.agent()).id
    async with socket(server, f"conversations/{conversation}/ws") as ws:
        await say(ws, type="send", input="hello")
        assert (await hear(ws))["type"] == "accepted"
        assert spoken(await rest(ws)) == "ok: hello"
    assert server.sql("SELECT count(*) FROM agents_run WHERE conversation_id = %s", conversation) == [(1,)]


async def test_a_repeat_of_a_send(server: Server) -> None:
    agent, key = server.agent(), uuid.uuid4().hex
    runs = []
    async with socket(server, f"agents/{agent}/ws") as ws:
        for _ in range(2):
            await say(ws, type="send", input="once", idempotency_key=key)
            runs.append((await hear(ws))["run_id"])
            await rest(ws)
    assert (runs[0], server.transcript(agent)) == (runs[1], ["user: once", "assistant: ok: once"])


@pytest.mark.parametrize(
    ("path", "key", "code"),
    [
        ("agents/{agent}/ws", "pdr_00000000_wrong", 4401),
        ("agents/{agent}/ws", "", 4401),
        ("agents/agent-00000000-0000-4000-8000-000000000000/ws", None, 4404),
        ("runs/run-00000000-0000-4000-8000-000000000000/ws", None, 4404),
    ],
)
async def test_refused(server: Server, path: str, key: str | None, code: int) -> None:
    async with socket(server, path.format(agent=server.agent()), key) as ws:
        assert (await hear(ws))["type"] == "error"
        with pytest.raises(ConnectionClosed) as caught:
            await ws.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == code


async def test_requests_that_cannot_be_read(server: Server) -> None:
    """The socket says what is wrong, and goes on."""
    async with socket(server, f"agents/{server.agent()}/ws") as ws:
        for text in ("no json", "[]", '{"type": "fly"}', '{"type": "send"}', '{"type": "send", "messages": []}'):
            await ws.send(text)
            assert (await hear(ws))["status"] == 422
        await say(ws, type="subscribe", run_id="run-00000000-0000-4000-8000-000000000000")
        assert (await hear(ws))["status"] == 404
        await say(ws, type="send", input="hello", return_logprobs=True)
        assert (await hear(ws))["status"] == 501
        await say(ws, type="send", input="hello")
        assert (await hear(ws))["type"] == "accepted"
        assert spoken(await rest(ws)) == "ok: hello"
