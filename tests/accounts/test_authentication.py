"""The Authorization header."""

import pytest

from accounts import authentication
from accounts.authentication import KNOWN_SECONDS, Unauthenticated, principal_of
from accounts.keys import issue_key
from accounts.models import ApiKey, Organization

pytestmark = pytest.mark.django_db


@pytest.fixture
def key():
    authentication._known.clear()
    return issue_key(Organization.objects.create(name="Acme"))[1]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_be_written_any_way(key, scheme):
    assert principal_of(f"{scheme} {key}").organization_id


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic {key}", "{key}", "Bearer {key}x"])
def test_without_a_valid_key_it_says_where_one_is(key, header):
    with pytest.raises(Unauthenticated, match=r"\.perdure/api-key in the checkout"):
        principal_of(header and header.format(key=key))


def test_a_revocation_is_felt_within_seconds(key, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(authentication.time, "monotonic", lambda: now[0])
    assert principal_of(f"Bearer {key}")
    ApiKey.objects.all().delete()
    now[0] += KNOWN_SECONDS + 0.1
    with pytest.raises(Unauthenticated):
        principal_of(f"Bearer {key}")
    assert KNOWN_SECONDS <= 10


def test_an_unknown_key_is_not_remembered(key):
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            principal_of("Bearer pdr_00000000_secret")
    assert authentication._known == {}
