"""Which model an agent gets whose maker named none."""

import pytest
from django.utils import timezone

from agents.default_model import default_model
from agents.llm.registry import providers_from
from agents.models import ModelListing

pytestmark = pytest.mark.django_db

OLLAMA = {"OLLAMA_BASE_URL": "http://127.0.0.1:9"}


def listed(provider, *names):
    ModelListing.objects.create(provider=provider, names=list(names), asked_at=timezone.now())


def default(settings):
    return default_model(providers_from(settings))


def test_nothing_is_configured():
    assert default({}) == "demo/scripted"


def test_the_first_that_a_provider_has_told_of_and_that_can_be_talked_to():
    listed("ollama", "nomic-embed-text", "llama3.2", "qwen3")
    assert default(OLLAMA) == "ollama/llama3.2"
    assert default(OLLAMA | {"OPENAI_API_KEY": "k"}) == "openai/gpt-4o-mini"


def test_models_of_what_is_not_configured_any_more():
    listed("groq", "llama-3.3-70b-versatile")
    assert default(OLLAMA) == "demo/scripted"


def test_another_server_in_the_place_of_openai_has_models_of_its_own():
    listed("openai", "local-model")
    assert default({"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}) == "openai/local-model"


def test_the_one_that_is_set(settings):
    settings.DEFAULT_MODEL = "groq/some"
    assert default({"OPENAI_API_KEY": "k"}) == "groq/some"
