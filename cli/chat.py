"""`./perdure chat`: a conversation over the WebSocket API. A lost connection is taken up where it broke."""

import json
import time
import urllib.parse
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException
from websockets.sync.client import ClientConnection, connect

from cli.approvals import waiting_of
from cli.configuration import Refused
from cli.screen import Event, Screen
from cli.server import Pending, Server, find_agent, refused, server

HISTORY = 10
"""Messages that are shown again, and those before them back to what a user said."""
FARTHEST = 100
BREAKS = 20
"""Broken connections in one turn after which it is given up."""
RECONNECTS = 8
"""Tries after a lost connection, each waiting a second longer than the one before."""

HELP = """/memory  what the agent keeps in mind
/help    this
/quit    leaves; Ctrl-D does too
Ctrl-C   while the agent works: cancels the turn"""


def chat(wanted: str) -> None:
    console = Console(highlight=False, markup=False)
    there = server()
    agent = find_agent(there, wanted)
    screen = Screen(console)
    screen.line(
        f"{agent['name']} ({agent['id']}), {agent.get('model') or 'no model'}. /help lists the commands.", "dim"
    )
    for message in history(there, agent["id"]):
        screen.show(message)
    conversation = Conversation(there, agent["id"], screen)
    conversation.show_waiting()
    converse(conversation)


def history(there: Server, agent_id: str) -> list[Event]:
    """The last messages, oldest first, from where a user began a turn."""
    messages = there.get(f"/v1/agents/{agent_id}/messages", limit=str(FARTHEST), order="desc")
    return from_a_beginning(list(reversed(messages)))


def from_a_beginning(messages: list[Event]) -> list[Event]:
    begins = [number for number, message in enumerate(messages) if is_said(message)]
    last = len(messages) - HISTORY
    far_enough = [number for number in begins if number <= last]
    return messages[(far_enough[-1:] or begins[:1] or [max(last, 0)])[0] :]


def is_said(message: Event) -> bool:
    """By a user: what the loop tells the model in his place is JSON."""
    content = message.get("content")
    is_told = isinstance(content, str) and content.startswith('{"type": ')
    return message.get("message_type") == "user_message" and not is_told


def converse(conversation: "Conversation") -> None:
    """Prompts until the user leaves."""
    with suppress(ImportError):
        import readline  # noqa: F401  # gives the prompt its line editing
    while (text := prompted()) is not None and text != "/quit":
        if text == "/help":
            conversation.screen.line(HELP, "dim")
        elif text == "/memory":
            show_memory(conversation)
        elif text.startswith("/"):
            conversation.screen.line(f"There is no {text}; /help lists the commands.", "dim")
        elif text:
            conversation.turn(text)
    conversation.leave()


def prompted() -> str | None:
    """A line from the user; None when he is done."""
    try:
        return input("> ").strip()
    except (EOFError, KeyboardInterrupt):
        print()
        return None


def show_memory(conversation: "Conversation") -> None:
    there, screen = conversation.there, conversation.screen
    for block in there.get(f"/v1/agents/{conversation.agent_id}/core-memory/blocks"):
        screen.line(f"{block['label']} ({len(block['value'])} of {block.get('limit')} characters)", "bold")
        screen.line(block["value"] or "(empty)")


@dataclass(slots=True)
class Conversation:
    """One WebSocket to one agent, and the turn that goes on in it."""

    there: Server
    agent_id: str
    screen: Screen
    sleep: Callable[[float], None] = time.sleep
    link: ClientConnection | None = None
    message: dict[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    last_seq: int = 0
    cancelling: bool = False
    waits: bool = False
    breaks: int = 0

    def turn(self, text: str) -> None:
        """Sends one message and shows what comes back until the run is done."""
        self.run_id, self.last_seq, self.cancelling, self.waits, self.breaks = None, 0, False, False, 0
        key = str(uuid.uuid4())  # sent twice, the message is still taken once
        self.message = {"type": "send", "input": text, "stream_tokens": True, "idempotency_key": key}
        try:
            self.send(self.message)
            while not self.advance():
                pass
            if self.waits:
                self.show_waiting()
        except Pending as pending:
            self.screen.line(str(pending), "red")
            self.show_waiting()
        except Refused as refusal:
            self.screen.line(str(refusal), "red")

    def show_waiting(self) -> None:
        """The calls that wait for an answer, and how it is given."""
        self.screen.close()
        if told := waiting_of(self.there, self.agent_id):
            self.screen.line(told, "yellow")

    def advance(self) -> bool:
        """Takes one message of the server; true when it was the last one of the turn. Ctrl-C cancels the run."""
        try:
            return self.take(json.loads(self.connected().recv()))
        except KeyboardInterrupt:
            self.cancelling = True
            self.cancel()
        except ConnectionClosed as closed:
            self.resume(closed)
        return False

    def take(self, message: dict[str, Any]) -> bool:
        match message.get("type"):
            case "accepted":
                self.run_id = message["run_id"]
                if self.cancelling:
                    self.cancel()
            case "error":
                raise refused(message.get("status", 500), message.get("detail"))
            case _ if message.get("run_id", self.run_id) != self.run_id:
                pass  # what an earlier turn, given up after an error, still has to say
            case "done":
                self.screen.close()
                return True
            case _:
                self.last_seq = message.get("seq_id") or self.last_seq
                self.waits = self.waits or message.get("stop_reason") == "requires_approval"
                self.screen.show(message)
        return False

    def cancel(self) -> None:
        """Asks for the end of the run; the events go on until it says that it was cancelled."""
        if self.run_id is None:
            return
        try:
            self.connected().send(json.dumps({"type": "cancel", "run_id": self.run_id}))
        except ConnectionClosed as closed:
            self.resume(closed)
            self.send({"type": "cancel", "run_id": self.run_id})

    def resume(self, closed: ConnectionClosed) -> None:
        """Opens the connection again and asks for the events after the last one seen."""
        self.link = None
        self.breaks += 1
        if self.breaks > BREAKS:
            raise Refused(f"The connection keeps breaking ({closed}).")
        self.screen.line("(the connection broke; trying again)", "dim yellow")
        if self.run_id is None:
            self.send(self.message)
        else:
            self.send({"type": "subscribe", "run_id": self.run_id, "starting_after": self.last_seq})

    def send(self, message: dict[str, Any]) -> None:
        """An idle connection that the server closed meanwhile is opened once more."""
        try:
            self.connected().send(json.dumps(message))
        except ConnectionClosed:
            self.link = None
            self.connected().send(json.dumps(message))

    def connected(self) -> ClientConnection:
        if self.link is None:
            self.link = self.reconnected()
        return self.link

    def reconnected(self) -> ClientConnection:
        for attempt in range(RECONNECTS):
            try:
                return self.opened()
            except InvalidHandshake as error:
                raise Refused(f"The server refused the connection: {error}") from None
            except (OSError, WebSocketException) as error:
                last = error
                self.sleep(attempt + 1)
        raise Refused(f"No connection to {self.there.url}: {last}. Does the server run?")

    def opened(self) -> ClientConnection:
        agent = urllib.parse.quote(self.agent_id, safe="")
        return connect(
            f"{self.there.websocket_url}/v1/agents/{agent}/ws",
            additional_headers={"Authorization": f"Bearer {self.there.key}"},
            proxy=None if self.there.is_local else True,
            max_size=None,
            legacy=True,  # the plain connection, not the context manager that connect() turns into
        )

    def leave(self) -> None:
        if self.link is not None:
            self.link.close()
