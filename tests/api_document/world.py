"""One of each thing that a path can name, and a way to ask for it."""

from typing import Any

import requests

from agents.api.openapi.document import document
from tests.api_document.examples import CONFIG, SOURCE
from tests.live import Server, call, turn, wait_until


class World:
    """`ids` has an id for each variable of a path, and what makes another one that may be deleted."""

    def __init__(self, server: Server, session: requests.Session):
        self.server, self.session = server, session
        self.client = client = server.client()
        self.count = 0
        self.ids: dict[str, str] = {"label": "human", "tool_name": "set_lamp"}
        self.speaker = self.agent()  # whose runs end as they should, whatever is done to the other
        self.ids["agent_id"] = self.agent()
        for name in ("block", "tool", "archive", "identity", "conversation", "mcp_server", "approval"):
            self.ids[f"{name}_id"] = self.new(name)
        self.ids["job_id"] = self.job()
        self.ids["folder_id"] = self.new("folder")
        client.agents.folders.attach(self.ids["folder_id"], agent_id=self.ids["agent_id"])
        self.ids["file_id"] = self.new("file")
        self.ids["run_id"] = self.new("run")
        self.ids["step_id"] = str(client.runs.steps.list(self.ids["run_id"]).items[0].id)
        self.ids["message_id"] = str(client.agents.messages.list(self.speaker).items[-1].id)
        self.ids["passage_id"] = self.passage()
        said: Any = [{"role": "user", "content": "hello", "otid": "spoken"}]
        list(client.conversations.messages.create(self.ids["conversation_id"], messages=said))

    def agent(self) -> str:
        blocks: Any = [{"label": "human", "value": "Ann"}]
        return self.server.agent("set_lamp", memory_blocks=blocks, tags=["walked"], secrets={"KEY": "value"})

    def passage(self) -> str:
        """In the archive, which the agent has."""
        self.client.agents.archives.attach(self.ids["archive_id"], agent_id=self.ids["agent_id"])
        return str(self.client.archives.passages.create(self.ids["archive_id"], text="It rains.").id)

    def file(self, label: str) -> str:
        """In the folder, which the agent has; and it has been read."""
        folder = self.ids["folder_id"]
        made = self.client.folders.files.upload(folder, file=(f"{label}.md", b"It rains."))

        def is_read() -> bool:
            file = self.client.folders.files.retrieve(made.id, folder_id=folder)
            return file.processing_status == "completed"

        wait_until(is_read, what="the file is read")
        return str(made.id)

    def approval(self) -> str:
        """A call that waits for somebody's leave."""
        agent = self.server.agent("set_lamp", tool_rules=[{"type": "requires_approval", "tool_name": "set_lamp"}])
        run = self.server.send(agent, turn(call("set_lamp", folder="x"), "!say Done."))
        self.server.await_end(run)
        return str(self.server.sql("SELECT id FROM agents_approval WHERE asked_by_id = %s", run)[0][0])

    def job(self) -> str:
        """An export of the identity, when it is done."""
        path = f"/v1/identities/{self.ids['identity_id']}"
        job = self.told("POST", f"{path}/export")
        ended = "the export is completed"
        wait_until(lambda: self.told("GET", f"{path}/jobs/{job['id']}")["status"] == "completed", what=ended)
        return str(job["id"])

    def new(self, name: str) -> str:
        """The id of another one."""
        self.count += 1
        client, agent, label = self.client, self.ids.get("agent_id", ""), f"thing_{self.count}"
        if name == "run":
            run = self.server.send(self.speaker, turn("!think Hm.\n" + call("set_lamp", folder="x"), "!say Done."))
            self.server.await_end(run)
            return run
        if name == "identity":
            made: Any = self.told("POST", "/v1/identities/", identifier_key=label, name=label, identity_type="user")
            return str(made["id"])
        if name == "mcp_server":
            made = self.told("POST", "/v1/mcp-servers/", server_name=label, config=CONFIG)
            return str(made["id"])
        if name == "approval":
            return self.approval()
        if name == "file":
            return self.file(label)
        makers = {
            "agent": self.agent,
            "block": lambda: client.blocks.create(label=label, value="x").id,
            "tool": lambda: client.tools.create(source_code=SOURCE.format(name=label)).id,
            "archive": lambda: client.archives.create(name=label).id,
            "folder": lambda: client.folders.create(name=label).id,
            "conversation": lambda: client.conversations.create(agent_id=agent).id,
            "passage": self.passage,
        }
        return str(makers[name]())

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.server.key}"} | options.pop("headers", {})
        return self.session.request(method, self.server.web.url + path, headers=headers, timeout=20, **options)

    def told(self, method: str, path: str, **body: Any) -> Any:
        response = self.send(method, path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def ids_for(self, method: str, path: str) -> dict[str, str]:
        """Ids for the variables of a path; what a DELETE, an answer or an erasure names last is a thing made for it."""
        ids = {name: self.ids[name] for name in variables(path)}
        if method == "DELETE" or (method == "POST" and path.endswith(("{approval_id}", "/erase"))):
            last = variables(path)[-1]
            ids[last] = self.new(last.removesuffix("_id"))
        return ids


def variables(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def operations() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """By operation id: method, path, operation."""
    return {
        operation["operationId"]: (method.upper(), path, operation)
        for path, item in document()["paths"].items()
        for method, operation in item.items()
    }
