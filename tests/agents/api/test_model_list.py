"""The lists of models: what the rows say, when a worker is asked, and what a worker writes."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents import hints
from agents.api import model_list
from agents.api.agents import providers
from agents.models import ModelListing
from memory.embeddings import LOCAL
from tests.live.processes import free_port
from workers import listing


@pytest.fixture
def configured(settings):
    """Call it with settings of providers."""

    def configure(**values):
        settings.PROVIDER_SETTINGS = values
        providers.cache_clear()

    yield configure
    providers.cache_clear()


@pytest.fixture
def wanted(monkeypatch):
    """How often a worker was asked; nobody answers."""
    asked = []
    monkeypatch.setattr(hints, "_sent", lambda task: bool(asked.append(task)))
    monkeypatch.setattr(model_list, "WAIT_SECONDS", 0.2)
    return asked


def row(provider, *names, age=timedelta(0), **fields):
    now = timezone.now()
    ModelListing.objects.create(
        **{"provider": provider, "names": names, "asked_at": now - age, "seen_at": now} | fields
    )


def handles(caller, query="", kind="models/"):
    return [item["handle"] for item in caller.get(f"{kind}?{query}")]


def test_the_demo_is_always_there(acme, configured, wanted):
    configured()
    [item] = acme.get("models/")
    assert (item["handle"], item["name"], item["context_window"]) == ("demo/scripted", "scripted", 32_768)
    assert acme.get("models/embedding") == wanted == []


def test_what_the_rows_say(acme, configured, wanted):
    configured(OPENAI_API_KEY="k", GROQ_API_KEY="k")
    row("openai", "gpt-4o-mini", "text-embedding-3-small", "whisper-1", "o3")
    row("groq", "llama-3.3-70b")
    row("together", "left-over")
    assert handles(acme) == ["openai/gpt-4o-mini", "openai/o3", "groq/llama-3.3-70b", "demo/scripted"]
    [embedding] = acme.get("models/embedding")
    assert (embedding["handle"], embedding["embedding_dim"]) == ("openai/text-embedding-3-small", 1536)
    assert (embedding["provider_type"], embedding["model_type"]) == ("openai", "embedding")
    assert wanted == []


def test_an_item_has_every_field(acme, configured, wanted):
    configured(ANTHROPIC_API_KEY="k")
    row("anthropic", "claude-haiku-4-5")
    item = acme.get("models/?provider_name=anthropic")[0]
    assert (item["model_endpoint_type"], item["provider_type"], item["model_type"]) == ("anthropic", "anthropic", "llm")
    assert item["context_window"] == item["max_context_window"] == 200_000
    assert item["display_name"] == item["model"] == "claude-haiku-4-5"


def test_filters(acme, configured, wanted):
    configured(OPENAI_API_KEY="k", LMSTUDIO_BASE_URL="http://127.0.0.1:9")
    row("openai", "gpt-4o")
    row("lmstudio", "qwen3")
    assert (
        handles(acme, "provider_name=lmstudio") == handles(acme, "provider_type=lmstudio_openai") == ["lmstudio/qwen3"]
    )
    assert handles(acme, "provider_category=base&provider_category=byok&provider_type=openai") == [
        "openai/gpt-4o",
        "demo/scripted",
    ]
    assert handles(acme, "provider_category=byok") == handles(acme, "provider_name=nobody") == []
    assert acme.refused(422, "GET", "models/?provider_category=mine")[0]["loc"] == ["query", "provider_category"]


@pytest.mark.parametrize(
    ("age", "fields", "asks"),
    [
        (timedelta(minutes=9), {}, 0),
        (timedelta(minutes=11), {}, 1),
        (timedelta(seconds=20), {"reason": "down"}, 0),
        (timedelta(seconds=40), {"reason": "down"}, 1),
    ],
)
def test_a_worker_is_asked_when_the_rows_are_old(acme, configured, wanted, age, fields, asks):
    """What there is is told at once, also of a provider that is down."""
    configured(OPENAI_API_KEY="k")
    row("openai", "gpt-4o", age=age, **fields)
    assert handles(acme) == ["openai/gpt-4o", "demo/scripted"]
    assert wanted == ["workers.list_models"] * asks


def test_of_an_unknown_provider_nothing_is_told_after_a_while(acme, configured, wanted):
    configured(OPENAI_API_KEY="k", GROQ_API_KEY="k")
    row("groq", "llama")
    assert handles(acme) == ["groq/llama", "demo/scripted"]
    assert wanted == ["workers.list_models"]


def test_another_method(acme):
    assert "use GET" in acme.refused(405, "POST", "models/", {})


class TestWorker:
    def rows(self):
        return {row.provider: (row.names, bool(row.reason)) for row in ModelListing.objects.all()}

    def test_every_provider_is_asked(self, acme, configured, llm):
        configured(
            OPENAI_BASE_URL=llm.url,
            ANTHROPIC_BASE_URL=llm.anthropic_url,
            GROQ_BASE_URL=llm.url,
            VLLM_BASE_URL=f"http://127.0.0.1:{free_port()}",
        )
        listing.refresh()
        names = ["fake-1", "fake-2"]
        told = dict.fromkeys(("openai", "anthropic", "groq"), (names, False))
        assert self.rows() == told | {"vllm": ([], True)}
        assert handles(acme, "provider_type=groq") == ["groq/fake-1", "groq/fake-2"]

    def test_one_that_is_down_keeps_what_it_had_and_comes_back(self, acme, configured, llm):
        configured(OPENAI_BASE_URL=f"http://127.0.0.1:{free_port()}")
        row("openai", "gpt-4o", age=timedelta(minutes=11))
        listing.refresh()
        assert self.rows() == {"openai": (["gpt-4o"], True)}
        configured(OPENAI_BASE_URL=llm.url)
        ModelListing.objects.update(asked_at=timezone.now() - timedelta(minutes=1))
        listing.refresh()
        assert self.rows() == {"openai": (["fake-1", "fake-2"], False)}

    def test_what_was_just_asked_is_not_asked_again(self, acme, configured, llm):
        configured(OPENAI_BASE_URL=llm.url)
        row("openai", "gpt-4o", age=timedelta(seconds=10))
        listing.refresh()
        assert self.rows() == {"openai": (["gpt-4o"], False)}


@pytest.mark.parametrize(
    ("handle", "size"), [(LOCAL, 384), ("openai/text-embedding-3-small", 1536), ("openai/my-own", None)]
)
def test_an_agents_embedding_tells_its_dimension_as_the_list_does(acme, handle, size):
    config = acme.agent(embedding=handle)["embedding_config"]
    assert (config["handle"], config["embedding_dim"]) == (handle, size)
    assert config["embedding_dim"] == model_list.embedding_shape(*handle.split("/"))["embedding_dim"]


def test_an_agent_without_an_embedding_has_no_config_of_one(acme):
    assert acme.agent()["embedding_config"] is None
