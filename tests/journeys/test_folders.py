"""Files from their upload to an agent's answer, with letta-client: what is read, seen, found, and what is refused."""

import json
import uuid
from pathlib import Path
from typing import Any

import letta_client
import pytest
from letta_client import AsyncLetta, Letta

from tests.journeys.test_organizations import SECOND
from tests.live import Server, call, turn, wait_until
from tests.tools.reading.documents import docx, pdf

EMBEDDING = "openai/text-embedding-3-small"
PUMP = "# Pumps\n\nA pump moves water.\nNever run it dry.\n"


def named(what: str) -> str:
    """Folders of other tests have other names."""
    return f"{what} {uuid.uuid4().hex[:8]}"


def upload(client: Letta, folder: str, name: str, data: bytes, **options: Any) -> str:
    """The id of a file that has been read."""
    file = client.folders.files.upload(folder, file=(name, data), **options)
    assert file.processing_status == "pending"

    def is_done() -> bool:
        status = client.folders.files.retrieve(file.id, folder_id=folder).processing_status
        return status in ("completed", "error")

    wait_until(is_done, what=f"{name} is read")
    return file.id


def prompts(server: Server, text: str) -> list[str]:
    """The system prompts with which the model was asked in the turn that began with this text."""
    calls = [call["body"]["messages"] for call in server.llm.calls() if text in str(call["user"])]
    return [messages[0]["content"] for messages in calls]


def test_an_agent_reads_a_file(server: Server) -> None:
    client, name = server.client(), named("Manuals")
    folder = client.folders.create(name=name, description="Of machines.", instructions="Cite the line.")
    file = upload(client, folder.id, "pump.md", PUMP.encode())
    agent = server.agent(folder_ids=[folder.id])
    assert [source.name for source in client.agents.retrieve(agent, include=["agent.sources"]).sources] == [name]
    mark = named("open")
    opening = call("open_files", file_requests=[{"file_name": "pump.md", "offset": 2, "length": 1}])
    client.agents.messages.create(agent, input=turn(opening, "!say Read.", text=mark))
    first, second = prompts(server, mark)
    assert f"- {name}/pump.md (4 lines, closed)" in first
    assert "Of machines." in first
    assert "A pump moves water." not in first
    assert f"<window>\n{name}/pump.md, lines 3 to 3 of 4\n3→ A pump moves water.\n</window>" in second
    assert first[: first.index("<directories>")] == second[: second.index("<directories>")]
    [shown] = client.agents.files.list(agent, is_open=True).files
    assert (shown.file_id, shown.start_line, shown.end_line) == (file, 3, 3)
    assert client.agents.files.close_all(agent) == [f"{name}/pump.md"]
    assert list(client.agents.files.list(agent, is_open=True)) == []


def test_an_agent_finds_what_is_in_its_files(server: Server) -> None:
    client, name = server.client(), named("Library")
    folder = client.folders.create(name=name, embedding=EMBEDDING).id
    upload(client, folder, "pump.pdf", pdf("A pump moves water.", "likelighthouse by the sea"))
    upload(client, folder, "valve.docx", docx("# Valves", "A valve stops water."))
    upload(client, folder, "heron.html", b"<html><body><p>The heron is grey, and fishes alone.</p></body></html>")
    agent = server.agent()
    client.agents.folders.attach(folder, agent_id=agent)
    finding = [
        call("grep_files", pattern="moves|stops", context_lines=0),
        call("semantic_search_files", query="lighthouse", limit=1),
    ]
    answer: Any = client.agents.messages.create(agent, input=turn("\n".join(finding), "!say Found."))
    returns = [message.tool_return for message in answer.messages if message.message_type == "tool_return_message"]
    assert f"{name}/pump.pdf\n> 2: A pump moves water." in returns[0]
    assert f"{name}/valve.docx\n> 3: A valve stops water." in returns[0]
    [found] = json.loads(returns[1])
    assert found["file"] == f"{name}/pump.pdf"
    assert "likelighthouse" in found["text"]


def test_a_file_waits_for_an_embedder_that_is_away(server: Server) -> None:
    client = server.client()
    folder = client.folders.create(name=named("Away"), embedding=EMBEDDING).id
    server.llm.script_embeddings({"status": 400})
    file = client.folders.files.upload(folder, file=("a.md", b"likeheron at the pond")).id
    told: list[Any] = []

    def is_done() -> bool:
        told.append(client.folders.files.retrieve(file, folder_id=folder))
        return bool(told[-1].error_message or told[-1].processing_status == "completed")

    wait_until(is_done, what="the embedder has refused")
    assert "status 400" in told[-1].error_message
    assert (told[-1].processing_status, told[-1].total_chunks, told[-1].chunks_embedded) == ("embedding", 1, 0)
    server.sql("UPDATE memory_missingvector SET due_at = now() RETURNING 1")
    wait_until(lambda: is_done() and not told[-1].error_message, what="the vectors are made")
    assert (told[-1].total_chunks, told[-1].chunks_embedded, told[-1].error_message) == (1, 1, None)


async def test_the_same_without_waiting(server: Server) -> None:
    client: AsyncLetta = server.async_client()
    name = named("Async")
    folder = (await client.folders.create(name=name)).id
    made = await client.folders.files.upload(folder, file=("pump.md", PUMP.encode()), name="named.md")
    assert (made.file_name, made.original_file_name) == ("named.md", "pump.md")
    same = await client.folders.files.upload(folder, file=("x", b"y"), name="named.md", duplicate_handling="skip")
    assert same.id == made.id

    def is_read() -> bool:
        rows = server.sql("SELECT 1 FROM memory_file WHERE id = %s AND status = 'completed'", made.id)
        return bool(rows)

    wait_until(is_read, what="it is read")
    assert [file.id async for file in client.folders.files.list(folder, include_content=True)] == [made.id]
    agent = server.agent()
    assert await client.agents.folders.attach(folder, agent_id=agent) is None
    assert [one.id async for one in client.agents.folders.list(agent)] == [folder]
    assert await client.folders.agents.list(folder) == [agent]
    assert await client.agents.files.open(made.id, agent_id=agent) == []
    page = await client.agents.files.list(agent)
    assert (page.files[0].visible_content, page.has_more) == (PUMP.rstrip("\n"), False)
    await client.agents.files.close(made.id, agent_id=agent)
    assert await client.agents.folders.detach(folder, agent_id=agent) is None
    assert (await client.folders.update(folder, instructions="Read.")).instructions == "Read."
    assert (await client.folders.retrieve(folder)).embedding_config.handle == "none"
    assert [one.id async for one in client.folders.list(name=name)] == [folder]
    assert await client.folders.files.delete(made.id, folder_id=folder) is None
    assert await client.folders.delete(folder) is None
    with pytest.raises(letta_client.NotFoundError):
        await client.folders.retrieve(folder)


def test_a_file_by_its_path(server: Server, tmp_path: Path) -> None:
    client = server.client()
    folder = client.folders.create(name=named("Paths")).id
    path = tmp_path / "notes.csv"
    path.write_text("name,colour\nheron,grey\n")
    made = client.folders.files.upload(folder, file=path)
    assert (made.file_name, made.file_type, made.file_size) == ("notes.csv", "text/csv", 23)


def test_what_cannot_be_read_says_why(server: Server) -> None:
    client = server.client()
    folder = client.folders.create(name=named("Bad")).id
    for name, data, why in (
        ("scan.pdf", pdf("", picture=True), "recognised"),
        ("broken.pdf", b"%PDF-1.7 and nothing", "damaged"),
        ("latin.txt", "Straße".encode("latin-1"), "UTF-8"),
        ("empty.md", b"", "no text"),
    ):
        file = client.folders.files.retrieve(upload(client, folder, name, data), folder_id=folder)
        assert file.processing_status == "error"
        assert file.error_message is not None
        assert why in file.error_message
    with pytest.raises(letta_client.APIStatusError, match="Files can be text") as refused:
        client.folders.files.upload(folder, file=("a.png", b"\x89PNG\r\n\x1a\n\0\0\0"))
    assert refused.value.status_code == 415


def test_a_file_that_is_too_large(server: Server) -> None:
    folder = server.client().folders.create(name=named("Large")).id
    small = server.add_web(PERDURE_FILE_SIZE="100000")
    client = server.client(small)
    assert client.folders.files.upload(folder, file=("a.md", b"x" * 100_000)).file_size == 100_000
    limit = "may have 100,000 bytes"
    for size, why in ((100_001, limit), (1_200_000, limit), (9_000_000, "far too large")):
        with pytest.raises(letta_client.APIStatusError, match=why) as refused:
            client.folders.files.upload(folder, file=("a.md", b"x" * size))
        assert refused.value.status_code == 413


def test_another_organizations_folder_is_not_there(server: Server) -> None:
    client = server.client()
    folder = client.folders.create(name=named("Mine")).id
    file = upload(client, folder, "pump.md", PUMP.encode())
    said = server.manage("shell", script=SECOND.replace("Second", named("Stranger")))
    stranger = server.client(key=said.split("key:")[1].split()[0])
    agent = stranger.agents.create(model="demo/scripted").id
    for attempt in (
        lambda: stranger.folders.retrieve(folder),
        lambda: stranger.folders.update(folder, name="x"),
        lambda: stranger.folders.delete(folder),
        lambda: stranger.folders.agents.list(folder),
        lambda: stranger.folders.files.list(folder),
        lambda: stranger.folders.files.retrieve(file, folder_id=folder),
        lambda: stranger.folders.files.delete(file, folder_id=folder),
        lambda: stranger.folders.files.upload(folder, file=("x.md", b"x")),
        lambda: stranger.agents.folders.attach(folder, agent_id=agent),
        lambda: stranger.agents.files.open(file, agent_id=agent),
        lambda: stranger.agents.create(model="demo/scripted", folder_ids=[folder]),
    ):
        with pytest.raises(letta_client.NotFoundError, match="not found"):
            attempt()
    assert list(stranger.folders.list()) == []
    assert client.folders.files.retrieve(file, folder_id=folder, include_content=True).content == PUMP.rstrip("\n")
