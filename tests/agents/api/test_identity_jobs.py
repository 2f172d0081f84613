"""Exports and erasures, as a client asks for them."""

import pytest

from agents.privacy.jobs import advance_job


@pytest.fixture
def identity(acme):
    agent = acme.agent(memory_blocks=[{"label": "human", "value": "Ann"}])["id"]
    body = {"identifier_key": "ann", "name": "Ann", "identity_type": "user", "agent_ids": [agent]}
    return acme.post("identities/", body)["id"]


def finished(acme, job):
    while advance_job():
        pass
    return acme.get(f"identities/{job['identity_id']}/jobs/{job['id']}")


def test_an_export_is_fetched_piece_by_piece(acme, identity):
    job = acme.post(f"identities/{identity}/export")
    assert (job["kind"], job["status"], job["report"]) == ("export", "queued", {})
    archive = f"identities/{identity}/jobs/{job['id']}/archive"
    assert "queued" in acme.refused(404, "GET", archive)
    job = finished(acme, job)
    pieces = [acme.get(f"{archive}?piece={number + 1}") for number in range(job["report"]["pieces"])]
    rows = [row for piece in pieces for row in piece["rows"]]
    assert [row["kind"] for row in rows] == ["identity", "agent", "block", "conversation", "message"]
    acme.refused(404, "GET", f"{archive}?piece={len(pieces) + 1}")
    acme.refused(422, "GET", f"{archive}?piece=0")


def test_the_report_of_an_erasure_outlives_the_identity(acme, identity):
    job = finished(acme, acme.post(f"identities/{identity}/erase"))
    assert (job["status"], job["report"]["agent"], job["report"]["block"]) == ("completed", 1, 1)
    assert acme.get("agents/") == acme.get("blocks/") == []
    acme.refused(404, "GET", f"identities/{identity}")
    assert [one["id"] for one in acme.get(f"identities/{identity}/jobs")] == [job["id"]]


def test_one_is_started_once(acme, identity):
    job = acme.post(f"identities/{identity}/export")
    assert acme.post(f"identities/{identity}/export")["id"] == job["id"]
    assert job["id"] in acme.refused(409, "POST", f"identities/{identity}/erase")


def test_what_another_organization_has_is_not_there(acme, globex, identity):
    job = acme.post(f"identities/{identity}/export")
    finished(acme, job)
    for method, path in (("POST", "export"), ("POST", "erase"), ("GET", "jobs"), ("GET", f"jobs/{job['id']}")):
        globex.refused(404, method, f"identities/{identity}/{path}")
    globex.refused(404, "GET", f"identities/{identity}/jobs/{job['id']}/archive")
    other = globex.post("identities/", {"identifier_key": "x", "name": "x", "identity_type": "user"})["id"]
    globex.refused(404, "GET", f"identities/{other}/jobs/{job['id']}")
