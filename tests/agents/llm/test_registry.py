"""Handles, and what the environment configures."""

import subprocess
import sys

import pytest

from agents.llm.provider import KNOWN
from agents.llm.registry import (
    InvalidHandle,
    Provider,
    Providers,
    UnknownProvider,
    context_window,
    converses,
    dimensions,
    preferred_handle,
    providers_from,
)
from cli.configuration import ROOT


@pytest.mark.parametrize("handle", ["", "gpt-4o", "/gpt-4o", "openai/", "/"])
def test_what_is_no_handle(handle: str) -> None:
    with pytest.raises(InvalidHandle, match="provider/model"):
        Providers(()).resolve(handle)


def test_an_unknown_provider_is_told_what_there_is_and_what_to_set() -> None:
    providers = Providers(providers_from({"OPENAI_API_KEY": "k"}))
    with pytest.raises(UnknownProvider, match=r"there is: openai, demo.*ANTHROPIC_API_KEY"):
        providers.llm("anthropic/claude-haiku-4-5")
    with pytest.raises(LookupError, match="OLLAMA_BASE_URL"):
        providers.resolve("nobody/x")


def test_any_model_of_a_configured_provider_even_with_slashes() -> None:
    providers = Providers(providers_from({"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}))
    provider, model = providers.resolve("openai/meta/llama-3:70b")
    assert (provider.name, model) == ("openai", "meta/llama-3:70b")


def test_the_demo_is_always_there() -> None:
    assert Providers(()).resolve("demo/scripted")[0].kind == "scripted"
    assert [provider.name for provider in Providers(providers_from({})).providers] == ["demo"]


@pytest.mark.parametrize("url", ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/"])
def test_base_urls_with_or_without_v1(url: str) -> None:
    names = ("OPENAI_BASE_URL", "OLLAMA_BASE_URL", "ANTHROPIC_BASE_URL")
    found = {provider.name: provider.base_url for provider in providers_from(dict.fromkeys(names, url))}
    assert found == {"openai": "http://h:1/v1", "ollama": "http://h:1/v1", "anthropic": "http://h:1", "demo": ""}


def test_another_path_is_left_alone() -> None:
    (openai, *_) = providers_from({"OPENAI_BASE_URL": "https://router.example/api/v9/"})
    assert openai.base_url == "https://router.example/api/v9"


def test_a_server_without_a_key_gets_a_placeholder() -> None:
    (openai, *_) = providers_from({"OPENAI_BASE_URL": "http://h:1"})
    assert openai.api_key


OF_MAKERS = [known for known in KNOWN if known.url]
ANYWHERE = [known for known in KNOWN if not known.url]


def the_one(**settings: str) -> Provider:
    provider, _demo = providers_from(settings)
    return provider


@pytest.mark.parametrize("known", OF_MAKERS, ids=lambda known: known.name)
def test_a_key_is_enough(known) -> None:
    provider = the_one(**{f"{known.prefix}_API_KEY": "k"})
    assert (provider.name, provider.base_url, provider.api_key) == (known.name, known.url, "k")
    assert Providers((provider,)).resolve(f"{known.name}/some/model") == (provider, "some/model")


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_a_url_is_enough(known) -> None:
    provider = the_one(**{f"{known.prefix}_BASE_URL": "http://h:1/"})
    assert (provider.name, provider.base_url) == (known.name, "http://h:1/v1")
    assert provider.api_key


@pytest.mark.parametrize("known", ANYWHERE, ids=lambda known: known.name)
def test_a_key_without_a_place_to_use_it(known) -> None:
    assert [provider.name for provider in providers_from({f"{known.prefix}_API_KEY": "k"})] == ["demo"]
    assert the_one(**{f"{known.prefix}_API_KEY": "k", f"{known.prefix}_BASE_URL": "http://h:1"}).api_key == "k"


def test_another_name_for_a_url() -> None:
    assert the_one(VLLM_API_BASE="http://h:1/v1").base_url == "http://h:1/v1"
    assert the_one(VLLM_API_BASE="http://h:1", VLLM_BASE_URL="http://h:2").base_url == "http://h:2/v1"


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_what_configures_it_is_told(known) -> None:
    with pytest.raises(UnknownProvider, match=known.configured_by):
        Providers(()).resolve(f"{known.name}/x")


@pytest.mark.parametrize(
    ("name", "numbers"),
    [("text-embedding-3-small", 1536), ("nomic-embed-text:latest", 768), ("BAAI/bge-m3", 1024), ("gpt-4o", None)],
)
def test_vectors_of_embedding_models(name: str, numbers: int | None) -> None:
    assert dimensions(name) == numbers
    assert converses(name) == (numbers is None)


@pytest.mark.parametrize("name", ["whisper-1", "tts-1-hd", "dall-e-3", "omni-moderation-latest", "gpt-4o-realtime"])
def test_what_is_not_to_be_talked_to(name: str) -> None:
    assert not converses(name)


def test_keys_are_not_shown() -> None:
    assert "secret" not in repr(Providers(providers_from({"OPENAI_API_KEY": "secret"})))


def test_only_the_sdk_that_is_used_is_imported() -> None:
    code = """
import sys
from agents.llm.registry import Providers, providers_from
providers = Providers(providers_from({"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}))
print("openai" in sys.modules)
providers.llm("openai/gpt-4o-mini")
print("openai" in sys.modules, "anthropic" in sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert told.stdout.split() == ["False", "True", "False"]


def test_adapters_are_shared() -> None:
    providers = Providers((Provider("openai", "openai", "http://127.0.0.1:9/v1", "k"),))
    assert providers.llm("openai/a") is providers.llm("openai/b")


@pytest.mark.parametrize(
    ("settings", "handle"),
    [
        ({}, None),
        ({"ANTHROPIC_API_KEY": "k"}, "anthropic/claude-haiku-4-5"),
        ({"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"}, "openai/gpt-4o-mini"),
        ({"OPENAI_API_KEY": "  "}, None),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "GROQ_API_KEY": "k"}, None),
    ],
)
def test_a_model_that_is_there_for_certain(settings: dict[str, str], handle: str | None) -> None:
    assert preferred_handle(providers_from(settings)) == handle


@pytest.mark.parametrize(
    ("handle", "tokens"),
    [
        ("openai/gpt-4o-mini", 128_000),
        ("openai/gpt-4", 8_192),
        ("openai/o3-mini", 200_000),
        ("anthropic/claude-haiku-4-5", 200_000),
        ("ollama/qwen3:8b", 128_000),
        ("ollama/nobody-knows", 32_768),
    ],
)
def test_context_windows(handle: str, tokens: int) -> None:
    assert context_window(handle) == tokens
