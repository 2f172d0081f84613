"""Lists of blocks, by all that they can be asked for."""

import pytest


@pytest.fixture
def blocks(acme):
    """Three, by label: held by no agent, by one, by two."""
    made = {
        label: acme.post("blocks/", {"label": label, "value": f"about {label}", "tags": tags})["id"]
        for label, tags in (("none", ["a"]), ("one", ["a", "b"]), ("two", ["b", "c"]))
    }
    acme.agent(block_ids=[made["one"], made["two"]])
    acme.agent(block_ids=[made["two"]])
    return made


def labels(acme, query):
    return [block["label"] for block in acme.get(f"blocks/?order=asc&{query}")]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tags=a", ["none", "one"]),
        ("tags=a&tags=c", ["none", "one", "two"]),
        ("tags=a&tags=b&match_all_tags=true", ["one"]),
        ("connected_to_agents_count_eq=0", ["none"]),
        ("connected_to_agents_count_eq=0&connected_to_agents_count_eq=2", ["none", "two"]),
        ("connected_to_agents_count_gt=0", ["one", "two"]),
        ("connected_to_agents_count_lt=2", ["none", "one"]),
        ("connected_to_agents_count_gt=0&connected_to_agents_count_lt=2", ["one"]),
        ("label_search=ON", ["none", "one"]),
        ("value_search=about t", ["two"]),
        ("project_id=p-1", []),
        ("name=nothing", []),
    ],
)
def test_by_what_they_are(acme, blocks, query, found):
    assert labels(acme, query) == found


def test_by_project_and_by_the_name_of_their_template(acme):
    acme.post("blocks/", {"label": "here", "value": "", "project_id": "p-1", "template_name": "greeting"})
    acme.post("blocks/", {"label": "there", "value": "", "project_id": "p-2"})
    assert labels(acme, "project_id=p-1") == labels(acme, "name=greeting") == ["here"]


def test_by_identity(acme, blocks):
    body = {"identifier_key": "ann", "name": "Ann", "identity_type": "user", "block_ids": [blocks["one"]]}
    identity = acme.post("identities/", body)["id"]
    assert labels(acme, f"identity_id={identity}") == labels(acme, "identifier_keys=ann") == ["one"]
    assert labels(acme, "identifier_keys=bob") == []


def test_a_count_that_is_none(acme):
    [problem] = acme.refused(422, "GET", "blocks/?connected_to_agents_count_eq=many")
    assert problem["loc"] == ["query", "connected_to_agents_count"]
