"""The example of docs/websocket.md does what it says."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.live import Server

DOCUMENT = Path(__file__).parents[2] / "docs/websocket.md"


@pytest.fixture(scope="module")
def talk() -> Callable[..., str]:
    [code] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    names: dict = {"__name__": "example"}
    exec(compile(code, str(DOCUMENT), "exec"), names)
    return names["talk"]


def test_the_example_has_a_conversation(talk: Callable[..., str], server: Server):
    agent = server.agent("core_memory_append", model="demo/scripted", memory_blocks=[{"label": "human", "value": ""}])
    url = "ws" + server.web.url.removeprefix("http")
    assert "The user's name is Grace." in talk(url, server.key, agent, "My name is Grace.")
    assert "Grace" in talk(url, server.key, agent, "What do you know about me?")


def test_the_example_tells_of_a_refusal(talk: Callable[..., str], server: Server):
    url = "ws" + server.web.url.removeprefix("http")
    with pytest.raises((RuntimeError, ConnectionClosed), match=r"API key|4401"):
        talk(url, "no key", server.agent(), "hello")
