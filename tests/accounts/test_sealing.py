"""Secrets at rest."""

import pytest
from cryptography.fernet import InvalidToken

from accounts.sealing import seal, unseal
from agents.models import Agent
from tests.agents import given

SECRETS = {"TOKEN": "hush-hush", "ÜMLAUT": "gr\x00ün"}


def test_what_was_sealed_comes_back():
    sealed = seal(SECRETS)
    assert unseal(sealed) == SECRETS
    assert "hush" not in sealed
    assert sealed != seal(SECRETS)


def test_nothing_is_sealed_as_nothing():
    assert (seal({}), unseal("")) == ("", {})


def test_another_key_opens_nothing(settings):
    sealed = seal(SECRETS)
    settings.SECRET_KEY = "another"
    with pytest.raises(InvalidToken):
        unseal(sealed)


@pytest.mark.django_db
def test_a_secret_of_an_agent_is_not_in_its_row():
    given.agent(sealed_secrets=seal(SECRETS))
    assert "hush" not in str(Agent.objects.values().get())
