"""The setting `retrieval` of an agent: made, read, changed, and refused where it cannot be meant."""

import pytest


def test_an_agent_has_it_from_the_start_or_gets_it(acme):
    wanted = {"sources": ["archives"], "tokens": 500}
    made = acme.agent(retrieval=wanted)
    assert made["retrieval"] == wanted
    assert acme.agent()["retrieval"] == {}
    assert acme.patch(f"agents/{made['id']}", {"name": "b"})["retrieval"] == wanted
    assert acme.patch(f"agents/{made['id']}", {"retrieval": {}})["retrieval"] == {}


@pytest.mark.parametrize(
    ("given", "loc"),
    [
        ({"sources": ["files"]}, ["body", "retrieval", "sources"]),
        ({"tokens": 1}, ["body", "retrieval", "tokens"]),
        ({"top_k": 3}, ["body", "retrieval", "top_k"]),
        ("archives", ["body", "retrieval"]),
    ],
)
def test_what_cannot_be_meant_is_refused(acme, given, loc):
    agent = acme.agent()["id"]
    assert acme.refused(422, "PATCH", f"agents/{agent}", {"retrieval": given})[0]["loc"] == loc
