"""Handles, and what the environment configures."""

import pytest

from agents.llm.registry import (
    InvalidHandle,
    Provider,
    Providers,
    UnknownProvider,
    context_window,
    default_handle,
    providers_from,
)


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


def test_keys_are_not_shown() -> None:
    assert "secret" not in repr(Providers(providers_from({"OPENAI_API_KEY": "secret"})))


def test_adapters_are_shared() -> None:
    providers = Providers((Provider("openai", "openai", "http://127.0.0.1:9/v1", "k"),))
    assert providers.llm("openai/a") is providers.llm("openai/b")


@pytest.mark.parametrize(
    ("settings", "handle"),
    [
        ({}, "demo/scripted"),
        ({"ANTHROPIC_API_KEY": "k"}, "anthropic/claude-haiku-4-5"),
        ({"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"}, "openai/gpt-4o-mini"),
        ({"OPENAI_API_KEY": "  "}, "demo/scripted"),
    ],
)
def test_the_default(settings: dict[str, str], handle: str) -> None:
    assert default_handle(providers_from(settings)) == handle


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
