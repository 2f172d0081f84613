"""Every method of letta-client against a running server: it works, or it is told in so many words that it does not.

The methods are found in the package itself, so one that a new version brings fails here until it has its line.
"""

import inspect
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import letta_client
import pytest
from letta_client import Letta
from letta_client._resource import SyncAPIResource

from tests.live import Server, wait_until
from tools.sandbox import detect

SOURCE = '''
def {name}(count: int) -> str:
    """Count.

    Args:
        count: How far.
    """
    return "x" * count
'''


def methods(resource: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """`agents.messages.create` and so on: every public method of every resource below this one."""
    for name in sorted(vars(type(resource))):
        member = inspect.getattr_static(type(resource), name)
        if name.startswith(("_", "with_")):
            continue
        if inspect.isfunction(member) and isinstance(resource, SyncAPIResource):
            yield ".".join((*path, name))
        elif not inspect.isfunction(member) and isinstance(getattr(resource, name, None), SyncAPIResource):
            yield from methods(getattr(resource, name), (*path, name))


METHODS = list(methods(Letta(base_url="http://127.0.0.1", api_key="none")))


@dataclass
class World:
    """A client, and one of everything to point at. What a call deletes or detaches, it makes itself."""

    server: Server
    mcp_url: str

    @cached_property
    def client(self) -> Letta:
        return self.server.client()

    @cached_property
    def agent(self) -> str:
        blocks = [{"label": "human", "value": "Ann"}]
        return self.server.agent("send_message", memory_blocks=blocks, tags=["walked"])

    @cached_property
    def run(self) -> str:
        run = self.server.send(self.agent, "hello")
        self.server.await_end(run)
        return run

    @cached_property
    def step(self) -> str:
        return str(self.client.runs.steps.list(self.run).items[0].id)

    @cached_property
    def conversation(self) -> str:
        return self.new_conversation()

    @cached_property
    def archive(self) -> str:
        return str(self.client.archives.create(name="a").id)

    def new_conversation(self) -> str:
        return str(self.client.conversations.create(agent_id=self.agent).id)

    def tool_holder(self) -> str:
        """An agent with a tool of the organization's own, `told`."""
        made = self.client.tools.upsert(source_code='def told() -> str:\n    """Tell."""\n    return "so"')
        return self.server.agent(tool_ids=[made.id])

    def new_block(self) -> str:
        return str(self.client.blocks.create(label="other", value="x").id)

    def new_tool(self, name: str) -> str:
        return str(self.client.tools.upsert(source_code=SOURCE.format(name=name)).id)

    def new_identity(self, key: str) -> str:
        body = {"identifier_key": key, "name": key, "identity_type": "user"}
        made: Any = self.client.post("/v1/identities/", body=body, cast_to=object)
        return str(made["id"])

    @cached_property
    def mcp_server(self) -> str:
        return self.new_mcp_server("walked")

    @cached_property
    def mcp_tool(self) -> str:
        return next(str(t.id) for t in self.client.mcp_servers.tools.list(self.mcp_server) if t.name == "add")

    def new_mcp_server(self, name: str) -> str:
        made = self.client.mcp_servers.create(config={"server_url": self.mcp_url}, server_name=name)
        return str(made.id)

    @cached_property
    def folder(self) -> str:
        return str(self.client.folders.create(name="walked").id)

    @cached_property
    def file(self) -> str:
        """One that was read."""
        file = self.new_file("rain.md")
        retrieve = self.client.folders.files.retrieve
        wait_until(lambda: retrieve(file, folder_id=self.folder).processing_status == "completed", what="it is read")
        return file

    @cached_property
    def reader(self) -> str:
        """The id of an agent that has the folder, with the file in it."""
        assert self.file
        agent = self.server.agent()
        self.client.agents.folders.attach(self.folder, agent_id=agent)
        return agent

    def new_file(self, name: str) -> str:
        return str(self.client.folders.files.upload(self.folder, file=(name, b"It rains.")).id)

    def passage(self) -> str:
        return str(self.client.agents.passages.create(self.agent, text="It rains.")[0].id)

    def busy_agent(self) -> str:
        """The id of an agent that is still at work."""
        agent = self.server.agent()
        self.server.send(agent, "hello\n!sleep 20")
        return agent


@pytest.fixture(scope="module")
def world(server: Server, mcp_url: str) -> World:
    return World(server, mcp_url)


Call = Callable[[World], Any]


def attached_block(w: World) -> str:
    block = w.new_block()
    w.client.agents.blocks.attach(block, agent_id=w.agent)
    return block


WORKS: dict[str, Call] = {
    "agents.archives.attach": lambda w: w.client.agents.archives.attach(w.archive, agent_id=w.server.agent()) is None,
    "agents.archives.detach": lambda w: w.client.agents.archives.detach(w.archive, agent_id=w.agent) is None,
    "agents.blocks.attach": lambda w: w.client.agents.blocks.attach(w.new_block(), agent_id=w.server.agent()).id,
    "agents.blocks.detach": lambda w: w.client.agents.blocks.detach(attached_block(w), agent_id=w.agent).id == w.agent,
    "agents.blocks.list": lambda w: w.client.agents.blocks.list(w.agent).items[0].label == "human",
    "agents.blocks.retrieve": lambda w: w.client.agents.blocks.retrieve("human", agent_id=w.agent).value,
    "agents.blocks.update": lambda w: (
        w.client.agents.blocks.update("human", agent_id=w.agent, value="Bo").value == "Bo"
    ),
    "agents.create": lambda w: w.client.agents.create(model="demo/scripted").id,
    "agents.delete": lambda w: w.client.agents.delete(w.server.agent()),
    "agents.files.close": lambda w: w.client.agents.files.close(w.file, agent_id=w.reader),
    "agents.files.close_all": lambda w: (
        w.client.agents.files.open(w.file, agent_id=w.reader) == []
        and w.client.agents.files.close_all(w.reader) == ["walked/rain.md"]
    ),
    "agents.files.list": lambda w: w.client.agents.files.list(w.reader).files[0].file_id == w.file,
    "agents.files.open": lambda w: w.client.agents.files.open(w.file, agent_id=w.reader) == [],
    "agents.folders.attach": lambda w: w.client.agents.folders.attach(w.folder, agent_id=w.server.agent()) is None,
    "agents.folders.detach": lambda w: w.client.agents.folders.detach(w.folder, agent_id=w.server.agent()) is None,
    "agents.folders.list": lambda w: w.client.agents.folders.list(w.reader).items[0].id == w.folder,
    "agents.identities.attach": lambda w: (
        w.client.agents.identities.attach(w.new_identity("walk-1"), agent_id=w.agent) is None
    ),
    "agents.identities.detach": lambda w: (
        w.client.agents.identities.detach(w.new_identity("walk-2"), agent_id=w.agent) is None
    ),
    "agents.list": lambda w: w.agent and w.client.agents.list(tags=["walked"]).items[0].id == w.agent,
    "agents.messages.cancel": lambda w: "cancelled" in w.client.agents.messages.cancel(w.busy_agent()).values(),
    "agents.messages.create": lambda w: w.client.agents.messages.create(w.agent, input="hi").messages,
    "agents.messages.create_async": lambda w: w.client.agents.messages.create_async(w.agent, input="hi").id,
    "agents.messages.list": lambda w: w.run and w.client.agents.messages.list(w.agent).items,
    "agents.messages.reset": lambda w: w.client.agents.messages.reset(w.server.agent()).message_ids,
    "agents.messages.stream": lambda w: list(w.client.agents.messages.stream(w.agent, input="hi")),
    "agents.passages.create": lambda w: w.passage(),
    "agents.passages.delete": lambda w: w.client.agents.passages.delete(w.passage(), agent_id=w.agent),
    "agents.passages.list": lambda w: w.passage() and w.client.agents.passages.list(w.agent),
    "agents.passages.search": lambda w: w.passage() and w.client.agents.passages.search(w.agent, query="rains").results,
    "agents.recompile": lambda w: w.client.agents.recompile(w.agent),
    "agents.retrieve": lambda w: w.client.agents.retrieve(w.agent, include=["agent.blocks"]).blocks,
    "agents.tools.attach": lambda w: w.client.agents.tools.attach(w.new_tool("walk_a"), agent_id=w.agent) is None,
    "agents.tools.detach": lambda w: w.client.agents.tools.detach(w.new_tool("walk_b"), agent_id=w.agent) is None,
    "agents.tools.run": lambda w: w.client.agents.tools.run("told", agent_id=w.tool_holder(), args={}).func_return,
    "agents.tools.list": lambda w: w.client.agents.tools.list(w.agent).items,
    "agents.tools.update_approval": lambda w: (
        w.client.agents.tools.update_approval("send_message", agent_id=w.agent, body_requires_approval=False) is None
    ),
    "agents.update": lambda w: w.client.agents.update(w.agent, description="walked").description == "walked",
    "archives.create": lambda w: w.client.archives.create(name="b").id,
    "archives.delete": lambda w: w.client.archives.delete(w.client.archives.create(name="c").id) is None,
    "archives.list": lambda w: w.archive and w.client.archives.list().items,
    "archives.passages.create": lambda w: w.client.archives.passages.create(w.archive, text="x").id,
    "archives.passages.create_many": lambda w: w.client.archives.passages.create_many(
        w.archive, passages=[{"text": "x"}]
    ),
    "archives.passages.delete": lambda w: (
        w.client.archives.passages.delete(
            str(w.client.archives.passages.create(w.archive, text="x").id), archive_id=w.archive
        )
        is None
    ),
    "archives.retrieve": lambda w: w.client.archives.retrieve(w.archive).id == w.archive,
    "archives.update": lambda w: w.client.archives.update(w.archive, name="d").name == "d",
    "blocks.agents.list": lambda w: w.client.blocks.agents.list(attached_block(w)).items[0].id == w.agent,
    "blocks.create": lambda w: w.new_block(),
    "blocks.delete": lambda w: w.client.blocks.delete(w.new_block()),
    "blocks.list": lambda w: w.new_block() and w.client.blocks.list(label="other").items,
    "blocks.retrieve": lambda w: w.client.blocks.retrieve(w.new_block()).value == "x",
    "blocks.update": lambda w: w.client.blocks.update(w.new_block(), value="y").value == "y",
    "conversations.cancel": lambda w: "cancelled" in w.client.conversations.cancel(w.busy_agent()).values(),
    "conversations.create": lambda w: w.client.conversations.create(agent_id=w.agent, summary="s").summary == "s",
    "conversations.delete": lambda w: w.client.conversations.delete(w.new_conversation()),
    "conversations.fork": lambda w: w.client.conversations.fork(w.conversation).agent_id == w.agent,
    "conversations.list": lambda w: w.conversation and w.client.conversations.list(agent_id=w.agent),
    "agents.messages.compact": lambda w: w.run and w.client.agents.messages.compact(w.agent).summary,
    "conversations.messages.compact": lambda w: (
        list(w.client.conversations.messages.create(w.conversation, input="hi"))
        and w.client.conversations.messages.compact(w.conversation).summary
    ),
    "conversations.messages.create": lambda w: list(w.client.conversations.messages.create(w.conversation, input="hi")),
    "conversations.messages.list": lambda w: w.client.conversations.messages.list(w.conversation).items,
    "conversations.messages.stream": lambda w: list(
        w.client.conversations.messages.stream("default", agent_id=w.agent, run_id=w.run)
    ),
    "conversations.recompile": lambda w: w.client.conversations.recompile(w.conversation, dry_run=True),
    "conversations.retrieve": lambda w: w.client.conversations.retrieve(w.conversation).id == w.conversation,
    "conversations.update": lambda w: w.client.conversations.update(w.new_conversation(), archived=True).archived,
    "folders.agents.list": lambda w: w.reader in w.client.folders.agents.list(w.folder),
    "folders.create": lambda w: w.client.folders.create(name="walk_1").name == "walk_1",
    "folders.delete": lambda w: w.client.folders.delete(w.client.folders.create(name="walk_2").id) is None,
    "folders.files.delete": lambda w: w.client.folders.files.delete(w.new_file("walk.md"), folder_id=w.folder) is None,
    "folders.files.list": lambda w: w.file in {file.id for file in w.client.folders.files.list(w.folder)},
    "folders.files.retrieve": lambda w: (
        w.client.folders.files.retrieve(w.file, folder_id=w.folder, include_content=True).content == "It rains."
    ),
    "folders.files.upload": lambda w: w.new_file("walked.md"),
    "folders.list": lambda w: w.folder and w.client.folders.list(name="walked").items[0].id == w.folder,
    "folders.retrieve": lambda w: w.client.folders.retrieve(w.folder).name == "walked",
    "folders.update": lambda w: w.client.folders.update(w.folder, description="All.").description == "All.",
    "mcp_servers.create": lambda w: w.new_mcp_server("created"),
    "mcp_servers.delete": lambda w: w.client.mcp_servers.delete(w.new_mcp_server("deleted")) is None,
    "mcp_servers.list": lambda w: w.mcp_server in {server.id for server in w.client.mcp_servers.list()},
    "mcp_servers.refresh": lambda w: w.client.mcp_servers.refresh(w.mcp_server),
    "mcp_servers.retrieve": lambda w: w.client.mcp_servers.retrieve(w.mcp_server).server_name == "walked",
    "mcp_servers.tools.list": lambda w: w.client.mcp_servers.tools.list(w.mcp_server),
    "mcp_servers.tools.retrieve": lambda w: (
        w.client.mcp_servers.tools.retrieve(w.mcp_tool, mcp_server_id=w.mcp_server).tool_type == "external_mcp"
    ),
    "mcp_servers.tools.run": lambda w: (
        w.client.mcp_servers.tools.run(w.mcp_tool, mcp_server_id=w.mcp_server, args={"a": 1}).func_return == 2
    ),
    "mcp_servers.update": lambda w: (
        w.client.mcp_servers.update(
            w.new_mcp_server("former"), config={"server_url": w.mcp_url}, server_name="updated"
        ).server_name
        == "updated"
    ),
    "messages.list": lambda w: w.run and w.client.messages.list(),
    "messages.retrieve": lambda w: w.client.messages.retrieve(str(w.client.agents.messages.list(w.agent).items[0].id)),
    "messages.search": lambda w: w.run and w.client.messages.search(query="hello"),
    "models.embeddings.list": lambda w: w.client.models.embeddings.list() == [],
    "models.list": lambda w: (
        {"openai/fake-1", "anthropic/fake-2", "demo/scripted"} <= {m.handle for m in w.client.models.list()}
    ),
    "passages.search": lambda w: w.passage() and w.client.passages.search(query="rains"),
    "runs.list": lambda w: w.run and w.client.runs.list(agent_id=w.agent).items,
    "runs.messages.list": lambda w: w.client.runs.messages.list(w.run).items,
    "runs.messages.stream": lambda w: list(w.client.runs.messages.stream(w.run)),
    "runs.retrieve": lambda w: w.client.runs.retrieve(w.run).status == "completed",
    "runs.steps.list": lambda w: w.client.runs.steps.list(w.run).items,
    "runs.trace.retrieve": lambda w: w.client.runs.trace.retrieve(w.run)[0]["trace_id"] == w.run,
    "runs.usage.retrieve": lambda w: w.client.runs.usage.retrieve(w.run).total_tokens,
    "steps.feedback.create": lambda w: w.client.steps.feedback.create(w.step, feedback="positive").feedback,
    "steps.list": lambda w: w.step and w.client.steps.list(agent_id=w.agent).items,
    "steps.messages.list": lambda w: w.client.steps.messages.list(w.step).items,
    "steps.metrics.retrieve": lambda w: w.client.steps.metrics.retrieve(w.step).id == w.step,
    "steps.retrieve": lambda w: w.client.steps.retrieve(w.step).run_id == w.run,
    "steps.trace.retrieve": lambda w: w.client.steps.trace.retrieve(w.step) is None,
    "tags.list": lambda w: w.agent and "walked" in w.client.tags.list(),
    "tools.create": lambda w: w.client.tools.create(source_code=SOURCE.format(name="walk_c")).name == "walk_c",
    "tools.delete": lambda w: w.client.tools.delete(w.new_tool("walk_d")) is None,
    "tools.list": lambda w: w.client.tools.list(name="send_message").items,
    "tools.retrieve": lambda w: w.client.tools.retrieve(w.new_tool("walk_e")).name == "walk_e",
    "tools.search": lambda w: w.new_tool("walk_f") and w.client.tools.search(query="walk_f"),
    "tools.update": lambda w: w.client.tools.update(w.new_tool("walk_g"), tags=["t"]).tags == ["t"],
    "tools.upsert": lambda w: w.new_tool("walk_h"),
}

FILE = ("agent.af", io.BytesIO(b"{}"))
SCHEDULE: Any = {"type": "one-time", "scheduled_at": 0}
SAID: Any = [{"role": "user", "content": "hi"}]

# What is asked of them, and a word of the reason that is given.
NOT_SERVED: dict[str, tuple[Call, str]] = {
    "access_tokens.create": (lambda w: w.client.access_tokens.create(hostname="x", policy=[]), "hosted"),
    "access_tokens.delete": (lambda w: w.client.access_tokens.delete("x"), "hosted"),
    "access_tokens.list": (lambda w: w.client.access_tokens.list(), "hosted"),
    "agents.export_file": (lambda w: w.client.agents.export_file(w.agent), "export"),
    "agents.import_file": (lambda w: w.client.agents.import_file(file=FILE), "import"),
    "agents.schedule.create": (
        lambda w: w.client.agents.schedule.create(w.agent, messages=SAID, schedule=SCHEDULE),
        "timer",
    ),
    "agents.schedule.delete": (lambda w: w.client.agents.schedule.delete("x", agent_id=w.agent), "timer"),
    "agents.schedule.list": (lambda w: w.client.agents.schedule.list(w.agent), "timer"),
    "agents.schedule.retrieve": (lambda w: w.client.agents.schedule.retrieve("x", agent_id=w.agent), "timer"),
    "environments.list": (lambda w: w.client.environments.list(), "hosted"),
    "environments.retrieve": (lambda w: w.client.environments.retrieve("x"), "hosted"),
    "environments.send_message": (lambda w: w.client.environments.send_message("x", messages=SAID), "hosted"),
    "templates.agents.create": (lambda w: w.client.templates.agents.create("x:1"), "Templates"),
    "templates.create": (lambda w: w.client.templates.create(agent_id=w.agent, type="agent"), "Templates"),
    "templates.delete": (lambda w: w.client.templates.delete("x"), "Templates"),
    "templates.rollback": (lambda w: w.client.templates.rollback("x", version="1"), "Templates"),
    "templates.save": (lambda w: w.client.templates.save("x"), "Templates"),
    "templates.update": (lambda w: w.client.templates.update("x", agent_file_json={}), "Templates"),
}


def test_every_method_has_one_line() -> None:
    assert len(METHODS) == 128
    assert sorted([*WORKS, *NOT_SERVED]) == sorted(METHODS)


@pytest.mark.parametrize("method", WORKS)
def test_it_works(world: World, method: str) -> None:
    assert WORKS[method](world)


@pytest.mark.parametrize("method", NOT_SERVED)
def test_it_is_told_why_not(world: World, method: str) -> None:
    call, word = NOT_SERVED[method]
    with pytest.raises(letta_client.InternalServerError) as caught:
        call(world)
    assert (caught.value.status_code, caught.value.response.headers["x-should-retry"]) == (501, "false")
    told: Any = caught.value.body
    assert word in told["detail"]
    assert told["error"] == {"type": "not_implemented", "message": told["detail"], "detail": None}


def test_health(world: World) -> None:
    told: Any = world.client.health()
    assert told.status == "ok"
    assert told.sandbox == str(detect()).split()[0]
