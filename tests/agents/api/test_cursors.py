"""Going through a list while its rows are deleted."""

import pytest

from agents.api import cursors
from agents.models import Run
from tests.agents import given


def made(caller):
    """Five of each kind, by the path of their list and of one of them."""
    agent = caller.agent()["id"]
    folder = caller.post("folders/", {"name": "Manuals"})["id"]
    for n in range(5):
        caller.agent()
        caller.post("blocks/", {"label": f"label-{n}", "value": ""})
        caller.post("tools/", {"source_code": f'def wave_{n}():\n    """Wave."""\n'})
        caller.post("archives/", {"name": f"archive {n}"})
        caller.post("folders/", {"name": f"folder {n}"})
        caller.upload(folder, f"{n}.txt", b"Words.")
        caller.post(f"conversations/?agent_id={agent}")
        caller.post("identities/", {"identifier_key": str(n), "name": "Ann", "identity_type": "user"})
        caller.post(f"agents/{agent}/messages/async", {"input": "hi"})
        caller.post(f"agents/{agent}/archival-memory", {"text": "heron"})
    Run.objects.update(status="completed")
    # A run belongs to its agent, so that agents go last.
    return {
        "runs/": "runs/",
        f"folders/{folder}/files": f"folders/{folder}/",
        f"agents/{agent}/archival-memory": f"agents/{agent}/archival-memory/",
        "tools/?search=wave_": "tools/",
    } | {f"{name}/": f"{name}/" for name in ("blocks", "archives", "folders", "conversations", "identities", "agents")}


def deleted(caller, path, one):
    """How many were deleted on the way through the list, two a page."""
    count, cursor, start = 0, "", f"{path}{'&' if '?' in path else '?'}limit=2"
    while page := caller.get(start + cursor):
        cursor = f"&after={page[-1]['id']}"
        for item in page:
            response = caller.send("DELETE", f"{one}{item['id']}")
            assert response.status_code in (200, 204), response.content
            count += 1
    return count


def test_everything_can_be_deleted_on_the_way_through_its_list(acme):
    for path, one in made(acme).items():
        assert deleted(acme, path, one) >= 5, path
        assert acme.get(path) == []


@pytest.fixture
def gone(acme):
    """The id of an agent that is no more; there are others."""
    agents = [acme.agent()["id"] for _ in range(3)]
    acme.told("DELETE", f"agents/{agents[1]}")
    return agents[1]


def test_before_what_was_deleted(acme, gone):
    assert len(acme.get(f"agents/?before={gone}")) == len(acme.get(f"agents/?after={gone}")) == 1


def test_what_was_deleted_is_a_cursor_of_its_own_organization_and_kind_only(acme, globex, gone):
    globex.agent()
    assert globex.refused(422, "GET", f"agents/?after={gone}")[0]["loc"] == ["query", "after"]
    acme.refused(422, "GET", f"blocks/?after={gone}")
    # This list has another order than by when they were made.
    acme.refused(422, "GET", f"agents/?order_by=updated_at&after={gone}")


def test_without_redis_rows_are_deleted_all_the_same(acme, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1"
    cursors.PAUSE.end()
    cursors._client.cache_clear()
    agent = acme.agent()["id"]
    acme.told("DELETE", f"agents/{agent}")
    assert "begin again without `after`" in acme.refused(422, "GET", f"agents/?after={agent}")[0]["msg"]
    cursors._client.cache_clear()
    cursors.PAUSE.end()
    assert not given.Agent.objects.exists()
