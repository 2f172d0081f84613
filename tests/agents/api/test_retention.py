"""How long rows are kept, as a client says it."""

import pytest

from accounts.models import Purge
from agents.privacy.retention import purge_some

NEVER = {"runs_days": None, "messages_days": None, "block_versions_days": None}


def test_nothing_is_deleted_until_somebody_says_so(acme):
    assert acme.get("retention") == NEVER
    assert purge_some() is False


def test_what_is_not_named_stays_as_it_is(acme, globex):
    acme.patch("retention", {"runs_days": 30})
    assert acme.patch("retention", {"messages_days": 90}) == NEVER | {"runs_days": 30, "messages_days": 90}
    assert acme.patch("retention", {"runs_days": None}) == acme.get("retention") == NEVER | {"messages_days": 90}
    assert globex.get("retention") == NEVER


@pytest.mark.parametrize("days", [0, -1, 10**9, "soon", True, 1.5])
def test_days_are_checked(acme, days):
    acme.refused(422, "PATCH", "retention", {"runs_days": days})
    assert acme.get("retention") == NEVER


def test_purges_are_told_to_whom_they_concern(acme, globex):
    Purge.objects.create(organization=acme.organization, kind="runs", deleted={"run": 3})
    [purge] = acme.get("retention/purges")
    assert (purge["kind"], purge["deleted"], purge["ended_at"]) == ("runs", {"run": 3}, None)
    assert globex.get("retention/purges") == []
