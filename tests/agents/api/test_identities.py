"""Identities: made, listed, changed, and attached to agents."""

import pytest

from agents.models import Agent, Identity
from tests.agents.api.test_pages import walked


def made(caller, key="ann", **fields):
    return caller.post("identities/", {"identifier_key": key, "name": key.title(), "identity_type": "user"} | fields)


PROPERTIES = [
    {"key": "city", "value": "Oslo", "type": "string"},
    {"key": "age", "value": 40, "type": "number"},
    {"key": "member", "value": True, "type": "boolean"},
    {"key": "more", "value": {"a": [1]}, "type": "json"},
]


def test_what_is_made_is_shown(acme):
    agent = acme.agent(memory_blocks=[{"label": "human", "value": ""}])
    block = agent["blocks"][0]["id"]
    shown = made(acme, properties=PROPERTIES, agent_ids=[agent["id"]], block_ids=[block], project_id="p")
    assert shown == acme.get(f"identities/{shown['id']}")
    assert (shown["identifier_key"], shown["name"], shown["identity_type"], shown["project_id"]) == (
        "ann",
        "Ann",
        "user",
        "p",
    )
    assert (shown["properties"], shown["agent_ids"], shown["block_ids"]) == (PROPERTIES, [agent["id"]], [block])
    assert [found["id"] for found in acme.get(f"identities/{shown['id']}/agents")] == [agent["id"]]
    assert [found["id"] for found in acme.get(f"identities/{shown['id']}/blocks")] == [block]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("identifier_key", ""),
        ("name", None),
        ("identity_type", "robot"),
        ("properties", [{"key": "age", "value": "forty", "type": "number"}]),
        ("properties", [{"key": "age", "value": True, "type": "number"}]),
        ("agent_ids", "all"),
    ],
)
def test_a_bad_field_is_told_with_its_place(acme, field, value):
    body = {"identifier_key": "k", "name": "x", "identity_type": "user", field: value}
    assert acme.refused(422, "POST", "identities/", body)[0]["loc"][:2] == ["body", field]


def test_a_property_is_whole_also_in_a_change(acme):
    path = f"identities/{made(acme, properties=PROPERTIES)['id']}"
    problems = acme.refused(422, "PATCH", path, {"properties": [{"key": "age"}]})
    assert [problem["loc"] for problem in problems] == [["body", "properties", 0, name] for name in ("value", "type")]
    assert acme.get(path)["properties"] == PROPERTIES


def test_a_key_is_given_once_and_by_each_organization(acme, globex):
    first = made(acme)
    assert "'ann'" in acme.refused(
        409, "POST", "identities/", {"identifier_key": "ann", "name": "x", "identity_type": "org"}
    )
    assert made(globex)["id"] != first["id"]


def test_put_makes_or_changes(acme):
    body = {"identifier_key": "ann", "name": "Ann", "identity_type": "user"}
    first = acme.told("PUT", "identities/", body)
    second = acme.told("PUT", "identities/", body | {"name": "Anna"})
    assert (second["id"], second["name"]) == (first["id"], "Anna")
    assert Identity.objects.count() == 1


def test_changed_and_deleted(acme):
    agents = [acme.agent()["id"] for _ in range(2)]
    id = made(acme, agent_ids=agents)["id"]
    changed = acme.patch(f"identities/{id}", {"name": "Anna", "agent_ids": agents[1:]})
    assert (changed["name"], changed["identifier_key"], changed["agent_ids"]) == ("Anna", "ann", agents[1:])
    kept = acme.told("PUT", f"identities/{id}/properties", PROPERTIES[:2])
    assert kept["properties"] == PROPERTIES[:2]
    older = PROPERTIES[1] | {"value": 41}
    assert acme.told("PUT", f"identities/{id}/properties", [older])["properties"] == [PROPERTIES[0], older]
    acme.told("DELETE", f"identities/{id}")
    acme.refused(404, "GET", f"identities/{id}")
    assert Agent.objects.count() == 2


def test_listed_filtered_and_counted(acme):
    ids = [made(acme, f"k{n}", identity_type="org" if n else "user", project_id=f"p{n}")["id"] for n in range(4)]
    for size in (1, 3, 100):
        assert walked(acme, "identities/", size, order="asc") == ids
        assert walked(acme, "identities/", size) == ids[::-1]
    for query, count in {
        "identity_type=org": 3,
        "identifier_key=k2": 1,
        "name=K1": 1,
        "project_id=p0": 1,
        "": 4,
    }.items():
        assert len(acme.get(f"identities/?{query}")) == acme.get(f"identities/count?{query}") == count


class TestAgents:
    def test_attached_and_detached(self, acme):
        agent, id = acme.agent()["id"], made(acme)["id"]
        for _ in range(2):
            assert acme.patch(f"agents/{agent}/identities/attach/{id}") is None
        shown = acme.get(f"agents/{agent}?include=agent.identities")
        assert (shown["identity_ids"], shown["identities"][0]["identifier_key"]) == ([id], "ann")
        assert shown["identities"][0]["agent_ids"] == [agent]
        assert acme.get(f"agents/{agent}")["identities"] == acme.get(f"agents/{agent}")["identity_ids"] == []
        assert acme.patch(f"agents/{agent}/identities/detach/{id}") is None
        assert acme.get(f"agents/{agent}?include=agent.identities")["identity_ids"] == []

    def test_when_it_is_made_and_when_it_is_changed(self, acme):
        first, second = made(acme, "a")["id"], made(acme, "b")["id"]
        agent = acme.agent(identity_ids=[first])
        assert agent["identity_ids"] == [first]
        changed = acme.patch(f"agents/{agent['id']}?include=agent.identities", {"identity_ids": [second]})
        assert changed["identity_ids"] == [second]

    def test_of_an_identity_that_is_not_there(self, acme, globex):
        id = made(globex)["id"]
        assert id in acme.refused(404, "POST", "agents/", {"model": "demo/scripted", "identity_ids": [id]})
        assert Agent.objects.count() == 0

    def test_listed_by_their_identities(self, acme, globex):
        ids = [made(acme, key)["id"] for key in ("a", "b", "c")]
        agents = [acme.agent(identity_ids=[id])["id"] for id in ids]
        both = acme.agent(identity_ids=ids[:2])["id"]
        acme.agent()

        def listed(query):
            return [agent["id"] for agent in acme.get(f"agents/?order=asc&{query}")]

        assert listed(f"identity_id={ids[0]}") == listed("identifier_keys=a") == [agents[0], both]
        assert listed("identifier_keys=a&identifier_keys=c") == [agents[0], agents[2], both]
        assert listed(f"identity_id={ids[1]}&identifier_keys=a") == [both]
        assert acme.get(f"agents/count?identity_id={ids[0]}") == 2
        assert globex.get(f"agents/?identity_id={ids[0]}") == []
        assert acme.refused(422, "GET", "agents/?identity_id=x")[0]["loc"] == ["query", "identity_id"]
