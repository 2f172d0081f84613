"""Folders and files through the API: what may be sent, what comes back, and what is refused, with what to do."""

import json

import pytest
from django.db import connection
from django.test import Client

from agents.models import Agent
from memory import files
from memory.models import Archive, File, Passage
from tests.agents.api.conftest import Caller

ABSENT = "00000000-0000-4000-8000-000000000000"


def folder(caller: Caller, name: str = "Manuals", **fields: object) -> str:
    return str(caller.post("folders/", {"name": name} | fields)["id"])


def read_all() -> None:
    """What a worker does, with texts as they are."""
    while claimed := files.claim(60):
        files.store(claimed, files.bytes_of(claimed).decode())
    files.complete()


def refused_file(status: int, caller: Caller, place: str, name: str, data: bytes, query: str = "") -> object:
    response = caller.send_file(place, name, data, query)
    assert response.status_code == status, response.content
    return json.loads(response.content)["detail"]


# Folders


def test_a_folder_from_its_making_to_its_end(acme):
    made = acme.post(
        "folders/",
        {"name": "Manuals", "description": "d", "instructions": "i", "metadata": {"a": 1}, "embedding_chunk_size": 99},
    )
    assert (made["name"], made["description"], made["instructions"], made["metadata"]) == (
        "Manuals",
        "d",
        "i",
        {"a": 1},
    )
    assert (made["embedding_config"]["handle"], made["embedding_config"]["embedding_chunk_size"]) == ("none", 99)
    assert acme.get(f"folders/{made['id']}") == made
    changed = acme.patch(f"folders/{made['id']}", {"name": None, "description": None, "metadata": {"b": 2}})
    assert (changed["name"], changed["description"], changed["metadata"]) == ("Manuals", None, {"b": 2})
    assert acme.patch(f"folders/{made['id']}", {"name": "Books"})["name"] == "Books"
    assert [one["id"] for one in acme.get("folders/?name=Books")] == [made["id"]]
    assert acme.get("folders/?name=Manuals") == []
    assert acme.get("folders/count") == 1
    assert acme.send("DELETE", f"folders/{made['id']}").content == b"null"
    acme.refused(404, "GET", f"folders/{made['id']}")
    assert acme.get("folders/count") == Archive.objects.count() == 0


def test_the_size_of_passages_may_stand_in_the_configuration(acme):
    config = {"handle": "none", "embedding_chunk_size": 80}
    place = acme.post("folders/", {"name": "x", "embedding_config": config})
    assert place["embedding_config"]["embedding_chunk_size"] == 80
    config["embedding_chunk_size"] = 7
    [fault] = acme.refused(422, "PATCH", f"folders/{place['id']}", {"embedding_config": config})
    assert fault["loc"] == ["body", "embedding_config", "embedding_chunk_size"]
    assert acme.patch(f"folders/{place['id']}", {"embedding_config": place["embedding_config"]}) | {
        "updated_at": None
    } == place | {"updated_at": None}


def test_a_name_is_taken_once_in_an_organization(acme, globex):
    place, _ = folder(acme), folder(globex)
    other = folder(acme, "Other")
    assert "Choose another name" in acme.refused(409, "POST", "folders/", {"name": "Manuals"})
    assert "Choose another name" in acme.refused(409, "PATCH", f"folders/{other}", {"name": "Manuals"})
    assert acme.patch(f"folders/{place}", {"name": "Manuals"})["name"] == "Manuals"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": 7},
        {"name": "x" * 256},
        {"name": "x", "metadata": []},
        {"name": "x", "embedding_chunk_size": 49},
        {"name": "x", "embedding_chunk_size": 8_001},
        {"name": "x", "embedding_config": {"embedding_dim": 3}},
    ],
)
def test_what_no_folder_can_be(acme, body):
    acme.refused(422, "POST", "folders/", body)
    assert acme.get("folders/") == []


def test_the_archive_of_a_folder_is_no_archive_of_its_own(acme):
    place = folder(acme)
    archive, agent = Archive.objects.get().id, acme.agent()["id"]
    acme.upload(place, "pump.md", b"It pumps.")
    read_all()
    assert acme.get("archives/") == []
    for method, path in (
        ("GET", f"archives/{archive}"),
        ("DELETE", f"archives/{archive}"),
        ("POST", f"archives/{archive}/passages"),
        ("PATCH", f"agents/{agent}/archives/attach/{archive}"),
    ):
        acme.refused(404, method, path, {"text": "x"})
    assert acme.post("passages/search", {"query": "pumps"}) == []
    acme.refused(404, "POST", "passages/search", {"query": "pumps", "archive_id": archive})


# Files


def test_a_file_from_its_upload_to_its_end(acme):
    place = folder(acme)
    sent = acme.upload(place, "pump.md", b"# Pumps\nIt pumps.")
    assert (sent["file_name"], sent["original_file_name"], sent["file_size"]) == ("pump.md", "pump.md", 17)
    assert (sent["processing_status"], sent["total_chunks"], sent["source_id"]) == ("pending", None, place)
    read_all()
    path = f"folders/{place}/files/{sent['id']}"
    done = acme.get(path)
    assert (done["processing_status"], done["total_chunks"], done["chunks_embedded"]) == ("completed", 1, 1)
    assert done["content"] is None
    assert acme.get(f"{path}?include_content=true")["content"] == "# Pumps\nIt pumps."
    assert acme.get(f"folders/{place}/files") == [done]
    assert acme.get(f"folders/{place}/files?include_content=true")[0]["content"] == "# Pumps\nIt pumps."
    response = acme.send("DELETE", f"folders/{place}/{sent['id']}")
    assert (response.status_code, response.content) == (204, b"")
    acme.refused(404, "GET", path)
    assert (acme.get(f"folders/{place}/files"), Passage.objects.count()) == ([], 0)


def test_a_file_that_cannot_be_read_says_why(acme):
    place = folder(acme)
    sent = acme.upload(place, "pump.md", b"x")
    files.fail(files.claim(60), "It is damaged.")
    told = acme.get(f"folders/{place}/files/{sent['id']}")
    assert (told["processing_status"], told["error_message"]) == ("error", "It is damaged.")


def test_names_of_uploads(acme):
    place = folder(acme)
    names = [
        acme.upload(place, "pump.md", b"x", query)["file_name"]
        for query in ("", "", "duplicate_handling=suffix", "name=other.md", "name=C%3A%5Cx%5Cbook.md", "name=a/b%0A.md")
    ]
    assert names == ["pump.md", "pump_(1).md", "pump_(2).md", "other.md", "book.md", "b_.md"]
    first = acme.get(f"folders/{place}/files?order=asc")[0]["id"]
    assert acme.upload(place, "pump.md", b"y", "duplicate_handling=skip")["id"] == first
    assert "duplicate_handling" in refused_file(409, acme, place, "pump.md", b"y", "duplicate_handling=error")
    replaced = acme.upload(place, "pump.md", b"yy", "duplicate_handling=replace")
    assert (replaced["file_name"], replaced["file_size"], replaced["id"] == first) == ("pump.md", 2, False)


def test_a_name_decides_what_a_file_is_read_as_and_so_does_the_one_that_it_came_with(acme):
    place = folder(acme)
    acme.upload(place, "a.html", b"<p>x", "name=a.txt")
    acme.upload(place, "a.docx", b"PK\x03\x04", "name=report")
    assert set(File.objects.values_list("kind", flat=True)) == {"text", "docx"}


@pytest.mark.parametrize(
    ("status", "name", "data", "query", "why"),
    [
        (413, "a.md", b"x" * 1_001, "", "may have 1,000 bytes"),
        (415, "a.png", b"\x89PNG\r\n\0\0", "", "Files can be text"),
        (415, "a.zip", b"PK\x03\x04", "", "Files can be text"),
        (422, "a.md", b"x", "name=" + "x" * 256, "at most 255 characters"),
        (422, "a.md", b"x", "name=..", "at most 255 characters"),
        (422, "a.md", b"x", "duplicate_handling=never", "Should be one of"),
        (422, "a.md", b"x", "name=a%00b", "NUL"),
    ],
)
def test_what_is_not_taken(acme, settings, status, name, data, query, why):
    settings.LARGEST_FILE = 1_000
    assert why in str(refused_file(status, acme, folder(acme), name, data, query))
    assert not File.objects.exists()


def test_the_largest_file_that_is_taken(acme, settings):
    settings.LARGEST_FILE = 1_000
    assert acme.upload(folder(acme), "a.md", b"x" * 1_000)["file_size"] == 1_000


def test_a_request_that_is_no_form_with_a_file(acme):
    path = f"folders/{folder(acme)}/upload"
    assert "Unsupported media type" in acme.refused(415, "POST", path, {"file": "x"})
    key = {"Authorization": f"Bearer {acme.key}"}
    client = Client(raise_request_exception=False)
    for body, kind in (
        (b"", "multipart/form-data; boundary=x"),
        (b"junk", "multipart/form-data; boundary=x"),
        (b"junk", "multipart/form-data"),
        (
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
        (b"--x\r\n" * 3_000, "multipart/form-data; boundary=x"),
    ):
        response = client.generic("POST", f"/v1/{path}", body, kind, headers=key)
        assert response.status_code == 422, (body[:50], response.content)
    many = {f"field{number}": "x" for number in range(2_000)}
    response = client.post(f"/v1/{path}", many, headers=key)
    assert response.status_code == 422, response.content
    assert not File.objects.exists()


def test_a_file_is_of_its_folder_alone(acme):
    place, other = folder(acme), folder(acme, "Other")
    file = acme.upload(place, "a.md", b"x")["id"]
    acme.refused(404, "GET", f"folders/{other}/files/{file}")
    acme.refused(404, "DELETE", f"folders/{other}/{file}")
    acme.refused(404, "GET", f"folders/{place}/files/file-{ABSENT}")


def test_files_are_listed_in_pages(acme):
    place = folder(acme)
    made = [acme.upload(place, f"{number}.md", b"x")["id"] for number in range(5)]
    read_all()
    first = [file["id"] for file in acme.get(f"folders/{place}/files?limit=2")]
    assert first == made[:2:-1]
    assert [file["id"] for file in acme.get(f"folders/{place}/files?after={first[-1]}")] == made[2::-1]


def test_a_page_with_texts_is_short(acme, monkeypatch):
    monkeypatch.setattr("agents.api.folders.WITH_CONTENT", 2)
    place = folder(acme)
    for number in range(3):
        acme.upload(place, f"{number}.md", b"x")
    read_all()
    assert len(acme.get(f"folders/{place}/files?include_content=true")) == 2
    assert len(acme.get(f"folders/{place}/files")) == 3


# Agents


def test_folders_are_attached_and_detached(acme):
    place, agent = folder(acme), acme.agent()["id"]
    acme.upload(place, "pump.md", b"It pumps.")
    assert acme.send("PATCH", f"agents/{agent}/folders/attach/{place}").content == b"null"
    acme.patch(f"agents/{agent}/folders/attach/{place}")
    assert [one["id"] for one in acme.get(f"agents/{agent}/folders")] == [place]
    assert acme.get(f"folders/{place}/agents") == [agent]
    acme.upload(place, "valve.md", b"It stops.")
    assert {file["file_name"] for file in acme.get(f"agents/{agent}/files")["files"]} == {"pump.md", "valve.md"}
    assert {tool["tool_type"] for tool in acme.get(f"agents/{agent}/tools")} == {"letta_files_core"}
    assert acme.send("PATCH", f"agents/{agent}/folders/detach/{place}").content == b"null"
    assert acme.get(f"agents/{agent}/folders") == acme.get(f"folders/{place}/agents") == []
    assert acme.get(f"agents/{agent}/files")["files"] == acme.get(f"agents/{agent}/tools") == []


@pytest.mark.parametrize("field", ["folder_ids", "source_ids"])
def test_an_agent_is_made_with_folders_and_given_others(acme, globex, field):
    first, second = folder(acme), folder(acme, "Other")
    made = acme.agent(**{field: [first]})
    assert [source["id"] for source in made["sources"]] == [first]
    path = f"agents/{made['id']}"
    changed = acme.patch(f"{path}?include=agent.sources", {field: [second]})
    assert [source["name"] for source in changed["sources"]] == ["Other"]
    assert acme.patch(f"{path}?include=agent.sources", {"name": "Ann"})["sources"] == changed["sources"]
    assert acme.patch(f"{path}?include=agent.sources", {field: []})["sources"] == []
    assert acme.get(f"{path}/tools") == []
    foreign = folder(globex)
    acme.refused(404, "PATCH", path, {field: [foreign]})
    acme.refused(404, "POST", "agents/", {"model": "demo/scripted", field: [foreign]})
    assert Agent.objects.count() == 1


def test_relations_are_told_where_they_are_asked_for(acme):
    agent = acme.agent(folder_ids=[folder(acme)])["id"]
    assert acme.get(f"agents/{agent}")["sources"] == []
    assert len(acme.get(f"agents/{agent}?include=agent.sources")["sources"]) == 1


def test_files_are_opened_and_closed(acme):
    place = folder(acme)
    made = [acme.upload(place, f"{number}.md", b"one\ntwo")["id"] for number in range(3)]
    agent = acme.agent(folder_ids=[place], max_files_open=2)["id"]
    assert "not been read yet" in acme.refused(409, "PATCH", f"agents/{agent}/files/{made[0]}/open")
    read_all()
    assert acme.patch(f"agents/{agent}/files/{made[0]}/open") == []
    assert acme.patch(f"agents/{agent}/files/{made[1]}/open") == []
    assert acme.patch(f"agents/{agent}/files/{made[2]}/open") == ["Manuals/0.md"]
    listed = {file["file_id"]: file for file in acme.get(f"agents/{agent}/files")["files"]}
    assert [listed[id]["is_open"] for id in made] == [False, True, True]
    shown = listed[made[2]]
    assert (shown["folder_name"], shown["file_name"], shown["visible_content"]) == ("Manuals", "2.md", "one\ntwo")
    assert (shown["start_line"], shown["end_line"]) == (1, 2)
    [block, _] = acme.get(f"agents/{agent}?include=agent.sources")["memory"]["file_blocks"]
    assert (block["file_id"], block["source_id"], block["value"], block["is_open"]) == (
        made[1],
        place,
        "one\ntwo",
        True,
    )
    window = acme.get(f"agents/{agent}/context")
    assert "2→ two" in window["directories"]
    assert window["num_tokens_directories"] > 0
    assert "Manuals" not in (window["external_memory_summary"] + (window["tool_usage_rules"] or ""))
    assert "closed" in acme.patch(f"agents/{agent}/files/{made[2]}/close")["message"]
    assert acme.patch(f"agents/{agent}/files/close-all") == ["Manuals/1.md"]
    assert acme.get(f"agents/{agent}/files?is_open=true")["files"] == []


def test_limits_that_change_change_what_is_open(acme):
    place = folder(acme)
    acme.upload(place, "a.md", b"one\ntwo")
    acme.upload(place, "b.md", b"one\ntwo")
    read_all()
    agent = acme.agent(folder_ids=[place])["id"]
    for file in acme.get(f"agents/{agent}/files")["files"]:
        acme.patch(f"agents/{agent}/files/{file['file_id']}/open")
    acme.patch(f"agents/{agent}", {"max_files_open": 1, "per_file_view_window_char_limit": 3})
    [left] = acme.get(f"agents/{agent}/files?is_open=true")["files"]
    assert (left["visible_content"], left["end_line"]) == ("one", 1)
    assert "can be open at once" in acme.refused(
        409, "PATCH", f"agents/{acme.agent(folder_ids=[place], max_files_open=0)['id']}/files/{left['file_id']}/open"
    )


def test_a_file_of_a_folder_that_the_agent_has_not_is_not_there(acme):
    place = folder(acme)
    file, agent = acme.upload(place, "a.md", b"x")["id"], acme.agent()["id"]
    acme.refused(404, "PATCH", f"agents/{agent}/files/{file}/open")
    acme.refused(404, "PATCH", f"agents/{agent}/files/{file}/close")


def test_an_agents_files_are_listed_in_pages(acme):
    place = folder(acme)
    made = [acme.upload(place, f"{number}.md", b"x")["id"] for number in range(5)]
    agent = acme.agent(folder_ids=[place])["id"]

    def page(query):
        told = acme.get(f"agents/{agent}/files?limit=2&order=asc&{query}")
        return [file["file_id"] for file in told["files"]], told["next_cursor"], told["has_more"]

    ids, cursor, more = page("")
    assert (ids, more) == (made[:2], True)
    assert page(f"after={cursor}")[0] == page(f"cursor={cursor}")[0] == page(f"after={made[1]}")[0] == made[2:4]
    assert page(f"after={made[3]}") == (made[4:], None, False)
    ids, cursor, more = page(f"before={made[4]}")
    assert (ids, more) == (made[2:4], True)
    assert page(f"before={cursor}") == (made[:2], None, False)
    acme.refused(422, "GET", f"agents/{agent}/files?after=file-{ABSENT}")


def test_two_uploads_of_one_name_at_once(acme):
    """The folder's row is held from the look at its names to the commit."""
    place = folder(acme)
    with connection.execute_wrapper(lambda execute, sql, *rest: (seen.append(sql), execute(sql, *rest))[1]):
        seen: list[str] = []
        acme.upload(place, "a.md", b"x")
    locks = [number for number, sql in enumerate(seen) if "FOR NO KEY UPDATE" in sql and "memory_folder" in sql]
    looks = [number for number, sql in enumerate(seen) if 'FROM "memory_file"' in sql]
    assert locks
    assert locks[0] < looks[0]
