"""Archives and passages through the API: what is taken, where it goes, and how it is found again."""

import pytest

from accounts.keys import issue_key
from accounts.models import User
from agents import embedding
from agents.api import vectors
from agents.llm.registry import Providers, providers_from
from agents.models import Agent
from memory.archival import MAX_PASSAGE_CHARS
from memory.models import Archive, MissingVector, Passage
from tests.agents.api.test_pages import walked
from tools.asking import NobodyAnswers

NOWHERE = "archive-00000000-0000-4000-8000-000000000000"


@pytest.fixture
def archive(acme):
    return acme.post("archives/", {"name": "Ships", "description": "All of them."})


@pytest.fixture
def agent(acme):
    return acme.agent(timezone="Europe/Vienna")["id"]


def texts(passages):
    return [passage["text"] for passage in passages]


def found(answer):
    return [result["content"] for result in answer["results"]]


# Archives


def test_who_made_an_archive_and_filed_a_passage_is_told(acme, agent):
    for name in ("ann", "bea"):
        user = User.objects.create(username=name, organization=acme.organization)
        acme.key = issue_key(acme.organization, user=user)[1]
        if name == "ann":
            archive = acme.post("archives/", {"name": "Ships"})
            ann = user.id
    assert (archive["created_by_id"], archive["last_updated_by_id"]) == (ann, ann)
    changed = acme.patch(f"archives/{archive['id']}", {"name": "Boats"})
    assert (changed["created_by_id"], changed["last_updated_by_id"]) == (ann, user.id)
    [passage] = acme.post(f"agents/{agent}/archival-memory", {"text": "Heron"})
    assert (passage["created_by_id"], passage["last_updated_by_id"]) == (user.id, user.id)
    assert acme.get(f"archives/{passage['archive_id']}")["created_by_id"] == user.id
    [batched] = acme.post(f"archives/{archive['id']}/passages/batch", {"passages": [{"text": "Tern"}]})
    assert batched["created_by_id"] == user.id


def test_an_archive_is_made_changed_and_deleted(acme, archive):
    assert (archive["name"], archive["description"]) == ("Ships", "All of them.")
    assert (archive["embedding_config"], archive["vector_db_provider"]) == (None, "native")
    path = f"archives/{archive['id']}"
    assert acme.patch(path, {"name": "Boats"})["description"] == "All of them."
    assert acme.patch(path, {"name": None, "description": None})["name"] == "Boats"
    assert acme.get(path)["description"] is None
    acme.post(f"{path}/passages", {"text": "Heron"})
    assert acme.send("DELETE", path).status_code == 204
    assert "not found" in acme.refused(404, "GET", path)
    assert not Passage.objects.exists()


@pytest.fixture
def worker(monkeypatch):
    """In the place of a worker that is asked for a vector: what it answers to, and what it has been asked."""
    sizes, questions = {"openai/small": 3, "openai/large": 5}, []

    async def asked(hint, question, seconds):
        questions.append(question)
        [handle] = question["embeddings"]
        if handle not in sizes:
            return {"status": "success", "vectors": {}, "failed": {handle: f"Nobody knows {handle}."}}
        return {"status": "success", "vectors": {handle: [1.0] * sizes[handle]}, "failed": {}}

    monkeypatch.setattr(vectors, "asked", asked)
    return questions


@pytest.mark.parametrize(
    "fields",
    [
        {"embedding": "openai/small"},
        {"embedding_config": {"handle": "openai/small"}},
        {"embedding": "openai/small", "embedding_config": {"embedding_dim": 3}},
    ],
)
def test_an_embedding_is_tried_before_it_is_promised(acme, worker, fields):
    made = acme.post("archives/", {"name": "x"} | fields)
    config = made["embedding_config"]
    assert (made["embedding"], config["handle"], config["embedding_dim"]) == ("openai/small", "openai/small", 3)
    assert [question["embeddings"] for question in worker] == [["openai/small"]]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"embedding": "nobody/x"}, "Nobody knows nobody/x."),
        ({"embedding": "openai/small", "embedding_config": {"embedding_dim": 1536}}, "of 3 numbers, and embedding_dim"),
    ],
)
def test_an_embedding_that_does_not_fit_is_refused(acme, worker, fields, said):
    assert said in acme.refused(400, "POST", "archives/", {"name": "x"} | fields)
    assert acme.get("archives/") == []


def test_an_embedding_has_a_handle(acme, worker):
    [problem] = acme.refused(422, "POST", "archives/", {"name": "x", "embedding_config": {"embedding_dim": 3}})
    assert problem["loc"] == ["body", "embedding_config", "handle"]
    assert acme.refused(422, "POST", "archives/", {"name": "x", "embedding": 7})[0]["loc"] == ["body", "embedding"]
    assert acme.refused(422, "POST", "archives/", {"name": "x", "embedding_config": "y"})[0]["loc"][-1] == (
        "embedding_config"
    )
    assert worker == []


def test_without_a_worker_no_embedding_is_promised(acme, monkeypatch):
    async def nobody(*_):
        raise NobodyAnswers("No worker has answered. Is one running?")

    monkeypatch.setattr(vectors, "asked", nobody)
    detail = acme.refused(503, "POST", "archives/", {"name": "x", "embedding": "openai/small"})
    assert detail == "No worker has answered. Is one running?"


def test_the_default_embedding_and_none(acme, settings):
    assert acme.post("archives/", {"name": "x"})["embedding"] is None
    settings.DEFAULT_EMBEDDING = "openai/text-embedding-3-small"
    for named in ({}, {"embedding": None, "embedding_config": None}):
        config = acme.post("archives/", {"name": "x"} | named)["embedding_config"]
        assert (config["handle"], config["embedding_dim"]) == ("openai/text-embedding-3-small", 1536)
    assert acme.post("archives/", {"name": "x", "embedding": "none"})["embedding"] is None


def test_an_agent_s_own_embedding_is_that_of_its_archive_if_it_is_configured(acme, settings, monkeypatch):
    monkeypatch.setattr(
        embedding, "_providers", lambda: Providers(providers_from({"OLLAMA_BASE_URL": "http://127.0.0.1:1"}))
    )
    for wanted, given in (("ollama/nomic-embed-text", "ollama/nomic-embed-text"), ("openai/x", None), (None, None)):
        agent = acme.agent(embedding=wanted)["id"]
        acme.post(f"agents/{agent}/archival-memory", {"text": "Heron"})
        [archive] = acme.get(f"archives/?agent_id={agent}")
        assert archive["embedding"] == given


def test_another_embedding_comes_beside_the_old_one(acme, worker):
    archive = acme.post("archives/", {"name": "x", "embedding": "openai/small"})["id"]
    acme.post(f"archives/{archive}/passages", {"text": "Heron"})
    changed = acme.patch(f"archives/{archive}", {"embedding": "openai/large"})
    assert (changed["embedding"], changed["coming_embedding"]) == ("openai/small", "openai/large")
    assert sorted(MissingVector.objects.values_list("generation", flat=True)) == [1, 2]
    assert acme.patch(f"archives/{archive}", {"name": "y"})["coming_embedding"] == "openai/large"
    changed = acme.patch(f"archives/{archive}", {"embedding": "none"})
    assert (changed["embedding"], changed["coming_embedding"]) == (None, None)
    assert not MissingVector.objects.exists()


def test_a_search_asks_for_its_vector_and_says_when_it_has_none(acme, worker):
    archive = acme.post("archives/", {"name": "x", "embedding": "openai/small"})["id"]
    acme.post(f"archives/{archive}/passages", {"text": "Heron"})
    agent = acme.agent()["id"]
    acme.patch(f"agents/{agent}/archives/attach/{archive}")
    worker.clear()
    found = acme.get(f"agents/{agent}/archival-memory/search?query=heron")
    assert (found["count"], found["words_only"]) == (1, False)
    [result] = acme.post("passages/search", {"archive_id": archive, "query": "heron"})
    assert result["metadata"] == {"words_only": False}
    assert [question["text"] for question in worker] == ["heron", "heron"]
    Archive.objects.update(embedding="nobody/x")
    assert acme.get(f"agents/{agent}/archival-memory/search?query=heron")["words_only"] is True
    [result] = acme.post("passages/search", {"query": "heron"})
    assert result["metadata"] == {"words_only": True}


def test_the_same_text_again_says_so(acme, archive):
    path = f"archives/{archive['id']}/passages"
    first = acme.post(path, {"text": "The heron  is grey", "metadata": {"x": 1}})
    again = acme.post(path, {"text": "the HERON is grey ", "metadata": {"x": 1}})
    assert (first["metadata"], again["metadata"]) == ({"x": 1}, {"x": 1, "duplicate_of": first["id"]})
    one, two, three = acme.post(
        f"{path}/batch", {"passages": [{"text": t} for t in ("oak", "Oak", "the heron is grey")]}
    )
    assert [passage["metadata"] for passage in (one, two, three)] == [
        {},
        {"duplicate_of": one["id"]},
        {"duplicate_of": first["id"]},
    ]
    other = acme.post("archives/", {"name": "y"})["id"]
    assert acme.post(f"archives/{other}/passages", {"text": "oak"})["metadata"] == {}


@pytest.mark.parametrize("name", [None, "", 7])
def test_an_archive_has_a_name(acme, name):
    assert acme.refused(422, "POST", "archives/", {"name": name})[0]["loc"] == ["body", "name"]


def test_archives_by_name_and_by_agent(acme, archive, agent):
    other = acme.post("archives/", {"name": "Trees"})
    acme.patch(f"agents/{agent}/archives/attach/{other['id']}")
    assert acme.get("archives/?name=Ships") == [archive]
    assert acme.get("archives/?name=ships") == []
    assert acme.get(f"archives/?agent_id={agent}") == [other]
    assert acme.refused(422, "GET", "archives/?agent_id=me")[0]["loc"] == ["query", "agent_id"]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_archives_are_listed_a_page_at_a_time(acme, order):
    made = [acme.post("archives/", {"name": str(number)})["id"] for number in range(5)]
    assert walked(acme, "archives/", 2, order=order) == (made if order == "asc" else made[::-1])
    [before] = acme.get(f"archives/?order=asc&limit=1&before={made[2]}")
    assert before["id"] == made[1]


def test_attached_twice_is_attached_once(acme, archive, agent):
    for _ in range(2):
        assert acme.patch(f"agents/{agent}/archives/attach/{archive['id']}") is None
    assert acme.get(f"archives/?agent_id={agent}") == [archive]
    for _ in range(2):
        assert acme.patch(f"agents/{agent}/archives/detach/{archive['id']}") is None
    assert acme.get(f"archives/?agent_id={agent}") == []


def test_what_is_another_s_cannot_be_attached(acme, globex, archive, agent):
    own = globex.agent()["id"]
    globex.refused(404, "PATCH", f"agents/{own}/archives/attach/{archive['id']}")
    theirs = globex.post("archives/", {"name": "x"})["id"]
    globex.refused(404, "PATCH", f"agents/{agent}/archives/attach/{theirs}")
    acme.refused(404, "PATCH", f"agents/{agent}/archives/attach/{NOWHERE}")


# Passages of an archive


def test_a_passage_with_everything(acme, archive):
    given = {"text": "Heron", "tags": ["b", "a", "b"], "metadata": {"berth": 7}, "created_at": "2026-01-02T03:04:05Z"}
    made = acme.post(f"archives/{archive['id']}/passages", given)
    assert (made["tags"], made["metadata"], made["archive_id"]) == (["b", "a"], {"berth": 7}, archive["id"])
    assert made["created_at"] == "2026-01-02T03:04:05.000000Z"
    assert (made["embedding"], made["embedding_config"]) == (None, None)
    assert Passage.objects.get().metadata == {"berth": 7}


@pytest.mark.parametrize(
    ("fields", "loc"),
    [
        ({}, ["body", "text"]),
        ({"text": 1}, ["body", "text"]),
        ({"text": "x", "tags": "a"}, ["body", "tags"]),
        ({"text": "x", "metadata": []}, ["body", "metadata"]),
        ({"text": "x", "created_at": "yesterday"}, ["body", "created_at"]),
        ({"text": "x", "created_at": "0001-01-01T00:00:00+14:00"}, ["body", "created_at"]),
    ],
)
@pytest.mark.parametrize("kind", ["archives/{archive}/passages", "agents/{agent}/archival-memory"])
def test_a_passage_that_cannot_be_read(acme, archive, agent, kind, fields, loc):
    path = kind.format(archive=archive["id"], agent=agent)
    assert acme.refused(422, "POST", path, fields)[0]["loc"] == loc


def test_a_passage_is_as_long_as_it_may_be(acme, archive, agent):
    full = {"text": "x" * MAX_PASSAGE_CHARS}
    longer = {"text": full["text"] + "y"}
    for path in (f"archives/{archive['id']}/passages", f"agents/{agent}/archival-memory"):
        acme.post(path, full)
    assert "Split it up" in acme.refused(422, "POST", f"archives/{archive['id']}/passages", longer)


def test_an_agent_files_a_text_that_is_too_long_as_several_passages(acme, agent):
    path = f"agents/{agent}/archival-memory"
    text = " ".join(map(str, range(20_000)))
    made = acme.post(path, {"text": text, "tags": ["numbers"], "created_at": "2020-01-02T00:00:00Z"})
    assert " ".join(texts(made)) == text
    shared = {(passage["created_at"], *passage["tags"]) for passage in made}
    assert shared == {("2020-01-02T00:00:00.000000Z", "numbers")}
    assert Passage.objects.count() == len(made) == 4


def test_a_batch_is_filed_whole_or_not_at_all(acme, archive):
    path = f"archives/{archive['id']}/passages/batch"
    assert texts(acme.post(path, {"passages": [{"text": "one"}, {"text": "two", "tags": ["x"]}]})) == ["one", "two"]
    acme.refused(422, "POST", path, {"passages": [{"text": "three"}, {"text": "x" * (MAX_PASSAGE_CHARS + 1)}]})
    [problem] = acme.refused(422, "POST", path, {"passages": [{"text": "three"}, {}]})
    assert problem["loc"] == ["body", "passages", 1, "text"]
    acme.refused(422, "POST", path, {"passages": [{"text": "x"}] * 1001})
    assert Passage.objects.count() == 2


def test_a_passage_is_deleted_from_its_own_archive_only(acme, archive):
    other = acme.post("archives/", {"name": "Trees"})["id"]
    passage = acme.post(f"archives/{archive['id']}/passages", {"text": "Heron"})["id"]
    acme.refused(404, "DELETE", f"archives/{other}/passages/{passage}")
    assert acme.send("DELETE", f"archives/{archive['id']}/passages/{passage}").status_code == 204
    acme.refused(404, "DELETE", f"archives/{archive['id']}/passages/{passage}")


# Passages of an agent


def test_the_first_passage_of_an_agent_makes_its_archive(acme, agent):
    [passage] = acme.post(f"agents/{agent}/archival-memory", {"text": "Heron"})
    [again] = acme.post(f"agents/{agent}/archival-memory", {"text": "Egret"})
    [archive] = acme.get(f"archives/?agent_id={agent}")
    assert passage["archive_id"] == again["archive_id"] == archive["id"]
    assert archive["description"] == "Default archive created automatically"


def test_an_agent_s_passages_go_into_its_first_archive_and_are_read_from_all(acme, archive, agent):
    acme.patch(f"agents/{agent}/archives/attach/{archive['id']}")
    other = acme.post("archives/", {"name": "Trees"})["id"]
    acme.patch(f"agents/{agent}/archives/attach/{other}")
    acme.post(f"archives/{other}/passages", {"text": "Oak"})
    [passage] = acme.post(f"agents/{agent}/archival-memory", {"text": "Heron"})
    assert passage["archive_id"] == archive["id"]
    assert texts(acme.get(f"agents/{agent}/archival-memory")) == ["Oak", "Heron"]
    acme.patch(f"agents/{agent}/archives/detach/{other}")
    assert texts(acme.get(f"agents/{agent}/archival-memory")) == ["Heron"]


def test_an_agent_s_passages_are_listed_oldest_first(acme, agent):
    path = f"agents/{agent}/archival-memory"
    made = [acme.post(path, {"text": f"bird {number}"})[0]["id"] for number in range(5)]
    assert walked(acme, path, 2) == made
    assert walked(acme, path, 2, ascending="false") == made[::-1]
    assert [passage["id"] for passage in acme.get(f"{path}?limit=2&before={made[4]}")] == made[2:4]
    assert texts(acme.get(f"{path}?search=3")) == ["bird 3"]
    assert texts(acme.get(f"{path}?search=bird&limit=2&after={made[1]}")) == ["bird 2", "bird 3"]


def test_an_agent_deletes_what_it_has_and_nothing_else(acme, archive, agent):
    elsewhere = acme.post(f"archives/{archive['id']}/passages", {"text": "Oak"})["id"]
    [passage] = acme.post(f"agents/{agent}/archival-memory", {"text": "Heron"})
    acme.refused(404, "DELETE", f"agents/{agent}/archival-memory/{elsewhere}")
    acme.told("DELETE", f"agents/{agent}/archival-memory/{passage['id']}")
    assert acme.get(f"agents/{agent}/archival-memory") == []
    assert acme.refused(422, "DELETE", f"agents/{agent}/archival-memory/passage-1")


# Search


@pytest.fixture
def filed(acme, agent):
    """The path of the search in an agent's archive."""
    for day, text, tags in (
        (1, "The heron is grey", ["bird", "grey"]),
        (2, "The egret is white, not grey", ["bird"]),
        (3, "The oak is old", ["tree", "grey"]),
    ):
        given = {"text": text, "tags": tags, "created_at": f"2026-01-0{day}T12:00:00Z"}
        acme.post(f"agents/{agent}/archival-memory", given)
    return f"agents/{agent}/archival-memory/search"


def test_a_result_is_told_in_the_agent_s_time_zone(acme, filed):
    answer = acme.get(f"{filed}?query=heron")
    [result] = answer["results"]
    assert answer["count"] == 1
    assert result["timestamp"] == "2026-01-01T13:00:00+01:00"
    assert (result["content"], result["tags"]) == ("The heron is grey", ["bird", "grey"])
    assert result["id"].startswith("passage-")


def test_a_time_zone_that_is_none_is_utc(acme):
    agent = acme.agent()["id"]
    Agent.objects.update(timezone="Middle/Earth")
    acme.post(f"agents/{agent}/archival-memory", {"text": "Shire", "created_at": "2026-01-01T12:00:00Z"})
    [result] = acme.get(f"agents/{agent}/archival-memory/search?query=shire")["results"]
    assert result["timestamp"] == "2026-01-01T12:00:00+00:00"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("query=grey&tags=bird", {"heron", "egret"}),
        ("query=old grey&tags=bird&tags=grey", {"heron", "egret", "oak"}),
        ("query=old grey&tags=bird&tags=grey&tag_match_mode=all", {"heron"}),
        ("query=grey&start_datetime=2026-01-02", {"egret"}),
        ("query=grey&end_datetime=2026-01-01", {"heron"}),
        ("query=nothing", set()),
    ],
)
def test_search_by_words_tags_and_dates(acme, filed, query, expected):
    contents = found(acme.get(f"{filed}?{query.replace(' ', '%20')}"))
    assert {text.split()[1] for text in contents} == expected


def test_search_gives_as_many_as_asked_for(acme, filed):
    assert len(found(acme.get(f"{filed}?query=grey&top_k=1"))) == 1


@pytest.mark.parametrize(
    ("query", "loc"),
    [
        ("", ["query", "query"]),
        ("query=x&top_k=0", ["query", "top_k"]),
        ("query=x&top_k=many", ["query", "top_k"]),
        ("query=x&tag_match_mode=some", ["query", "tag_match_mode"]),
    ],
)
def test_a_search_that_cannot_be_read(acme, filed, query, loc):
    assert acme.refused(422, "GET", f"{filed}?{query}")[0]["loc"] == loc


def test_a_date_that_is_none_is_told_how_to_be_written(acme, filed):
    assert "is not a date" in acme.refused(422, "GET", f"{filed}?query=x&start_datetime=soon")
    assert "is not a date" in acme.refused(422, "POST", "passages/search", {"start_date": "soon"})


def test_search_over_everything_over_an_agent_and_over_an_archive(acme, globex, archive, agent, filed):
    acme.post(f"archives/{archive['id']}/passages", {"text": "A grey ship"})
    globex.post(f"archives/{globex.post('archives/', {'name': 'x'})['id']}/passages", {"text": "A grey spy"})

    def hits(**given):
        return sorted(item["passage"]["text"] for item in acme.post("passages/search", {"query": "grey"} | given))

    of_agent = ["The egret is white, not grey", "The heron is grey"]
    assert hits() == ["A grey ship", *of_agent]
    assert hits(agent_id=agent) == of_agent
    assert hits(archive_id=archive["id"]) == ["A grey ship"]
    assert hits(agent_id=agent, archive_id=archive["id"]) == []
    assert len(hits(limit=1)) == 1
    globex.refused(404, "POST", "passages/search", {"agent_id": agent})
    globex.refused(404, "POST", "passages/search", {"archive_id": archive["id"]})
    [problem] = acme.refused(422, "POST", "passages/search", {"archive_id": "mine"})
    assert problem["loc"] == ["body", "archive_id"]


def test_a_better_match_has_the_higher_score(acme, filed):
    first, second = acme.post("passages/search", {"query": "white grey"})[:2]
    assert first["passage"]["text"].startswith("The egret")
    assert first["score"] > second["score"] > 0


def test_without_a_query_the_newest_come_first(acme, filed):
    results = acme.post("passages/search", {"limit": 2})
    assert [item["passage"]["text"].split()[1] for item in results] == ["oak", "egret"]
