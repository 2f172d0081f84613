"""API keys: who holds them, and what of them the database knows."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.keys import issue_key, principal_for
from accounts.models import ApiKey, Organization, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme():
    return Organization.objects.create(name="Acme")


def test_a_key_speaks_for_its_organization_and_user(acme):
    user = User.objects.create_user("ann", organization=acme)
    key, text = issue_key(acme, name="laptop", user=user)
    principal = principal_for(text)
    assert (principal.organization_id, principal.user_id, principal.key_id) == (acme.id, user.id, key.id)


def test_no_two_keys_are_the_same(acme):
    assert len({issue_key(acme)[1] for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "garbage",
    ["", "pdr", "pdr_", "pdr__", "pdr_ab", "pdr_00000000_secret", "x_00000000_secret", "\x00", "pdr_\x00_x", "pdr_é_ü"],
)
def test_garbage_is_nobody(acme, garbage):
    issue_key(acme)
    assert principal_for(garbage) is None


def test_a_key_with_one_other_letter_is_nobody(acme):
    _, text = issue_key(acme)
    for changed in (text[:-1], text + "x", text[:-1] + ("a" if text[-1] != "a" else "b"), text.upper()):
        assert principal_for(changed) is None


def test_a_key_ends(acme):
    _, text = issue_key(acme, expires_at=timezone.now() + timedelta(minutes=1))
    assert principal_for(text)
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert principal_for(text) is None


def test_a_key_is_revoked(acme):
    _, text = issue_key(acme)
    ApiKey.objects.update(revoked_at=timezone.now())
    assert principal_for(text) is None


def test_another_pepper_knows_no_key(acme, settings):
    _, text = issue_key(acme)
    settings.API_KEY_PEPPER = "another"
    assert principal_for(text) is None


def everything():
    """Every value of every table, as text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{table}" AS t')
            yield from (row[0] for row in cursor.fetchall())


def test_no_usable_key_is_in_the_database(acme):
    _, text = issue_key(acme)
    secret = text.split("_", 2)[2]
    rows = list(everything())
    assert any(acme.id in row for row in rows)
    assert not any(secret in row or text in row for row in rows)


def test_a_default_model_that_nobody_serves_is_said_at_the_start(settings):
    settings.DEFAULT_MODEL = "nobody/knows"
    with pytest.raises(CommandError, match=r"PERDURE_DEFAULT_MODEL is 'nobody/knows'\. No model provider 'nobody'"):
        call_command("bootstrap")


def test_what_the_first_start_makes_is_not_in_the_database_either(tmp_path, settings, monkeypatch):
    settings.HOME = tmp_path
    monkeypatch.delenv("PERDURE_ADMIN_PASSWORD", raising=False)
    call_command("bootstrap")
    text, password = ((tmp_path / name).read_text().strip() for name in ("api-key", "admin-password"))
    assert principal_for(text)
    assert User.objects.get().check_password(password)
    assert not any(text in row or password in row or text.split("_", 2)[2] in row for row in everything())
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("api-key", "admin-password")} == {0o600}
