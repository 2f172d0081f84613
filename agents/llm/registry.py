"""Which models there are: from a handle ("openai/gpt-4o-mini") to the adapter that calls it."""

import os
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from agents.llm.provider import DEMO, KNOWN, Provider, providers_from
from agents.loop.ports import LLM

__all__ = [
    "InvalidHandle",
    "Listing",
    "Provider",
    "Providers",
    "UnknownProvider",
    "context_window",
    "converses",
    "dimensions",
    "list_models",
    "preferred_handle",
    "providers_from",
]

_CONFIGURED_BY = {known.name: known.configured_by for known in KNOWN} | {
    "openai": "OPENAI_API_KEY (or OPENAI_BASE_URL for a server that speaks its protocol)",
    "anthropic": "ANTHROPIC_API_KEY",
}

# First match counts. The numbers are the makers' published ones.
_WINDOWS = tuple(
    (re.compile(pattern), tokens)
    for pattern, tokens in (
        (r"gpt-4\.1", 1_047_576),
        (r"gpt-5-chat", 128_000),
        (r"gpt-5", 400_000),
        (r"gpt-4o|gpt-4-turbo|chatgpt-4o|o1-mini|o1-preview", 128_000),
        (r"\bo[134]\b", 200_000),
        (r"gpt-4", 8_192),
        (r"gpt-3\.5", 16_385),
        (r"claude", 200_000),
        (r"gemini", 1_000_000),
        (r"deepseek|llama-?3\.[123]|llama-?4|mistral-(large|small|nemo)|qwen-?3|gpt-oss|command-r", 128_000),
        (r"^scripted$", 32_768),
    )
)
_UNKNOWN_WINDOW = 32_768

# Numbers in the vectors of well-known embedding models, by the end of their names.
_DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
    "gemini-embedding-001": 3072,
    "mistral-embed": 1024,
    "nomic-embed-text": 768,
    "mxbai-embed-large": 1024,
    "all-minilm": 384,
    "bge-m3": 1024,
}
_NO_CHAT = re.compile(r"embed|minilm|\bbge-|rerank|whisper|tts|transcribe|realtime|audio|dall-e|image|sora|moderation")


class InvalidHandle(ValueError):
    """The text is no `provider/model`."""


class UnknownProvider(LookupError):
    """No provider of that name is configured."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The names of a provider's models, or why there are none to show."""

    models: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(slots=True)
class Providers:
    """The configured providers of this process. Adapters, and with them the connections, are made once and shared."""

    providers: tuple[Provider, ...]
    _adapters: dict[tuple[int, str], LLM] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        if not any(provider.name == DEMO.name for provider in self.providers):
            self.providers = (*self.providers, DEMO)

    def resolve(self, handle: str) -> tuple[Provider, str]:
        """The provider and the model's name. Raises InvalidHandle or UnknownProvider."""
        name, slash, model = handle.partition("/")
        if not (name and slash and model):
            example = preferred_handle(self.providers) or "demo/scripted"
            raise InvalidHandle(f"{handle!r} is no model handle: write provider/model, for example {example}")
        for provider in self.providers:
            if provider.name == name:
                return provider, model
        raise UnknownProvider(self._how_to_configure(name))

    def llm(self, handle: str) -> LLM:
        """What calls this model. Raises as `resolve` does."""
        provider, _ = self.resolve(handle)
        # Connections must not be shared with a child that was forked off.
        key = (os.getpid(), provider.name)
        with self._lock:
            if key not in self._adapters:
                self._adapters[key] = _adapter(provider)
            return self._adapters[key]

    def models(self) -> dict[str, Listing]:
        """By provider, what each one says that it has. This asks them over the network."""
        return {provider.name: list_models(provider) for provider in self.providers}

    def handles(self) -> list[str]:
        """Every model of every provider that answers, as a handle. This asks them over the network."""
        return [f"{name}/{model}" for name, listing in self.models().items() for model in listing.models]

    def _how_to_configure(self, name: str) -> str:
        configured = ", ".join(provider.name for provider in self.providers)
        if name in _CONFIGURED_BY:
            advice = f"Set {_CONFIGURED_BY[name]} to configure {name}."
        else:
            advice = "Known providers are set up by " + "; ".join(f"{k}: {v}" for k, v in _CONFIGURED_BY.items()) + "."
        return f"No model provider {name!r} is configured (there is: {configured}). {advice}"


def preferred_handle(providers: Iterable[Provider]) -> str | None:
    """A model that is there for certain, of the providers whose models are known; None: none of these is configured."""
    configured = {provider.name: provider for provider in providers}
    if "openai" in configured and configured["openai"].is_openai_itself:
        return "openai/gpt-4o-mini"
    return "anthropic/claude-haiku-4-5" if "anthropic" in configured else None


def context_window(handle: str) -> int:
    """Tokens that fit into the model's window, as far as its name tells; cautious for unknown names."""
    model = handle.partition("/")[2].lower()
    return next((tokens for pattern, tokens in _WINDOWS if pattern.search(model)), _UNKNOWN_WINDOW)


def dimensions(model: str) -> int | None:
    """How long the vectors of a well-known embedding model are; None for any other name."""
    return _DIMENSIONS.get(model.lower().rpartition("/")[2].partition(":")[0])


def converses(model: str) -> bool:
    """Whether it may be a model to talk to, as far as its name tells: providers list all their models alike."""
    return not _NO_CHAT.search(model.lower())


def list_models(provider: Provider) -> Listing:
    """Ask the provider for its models; a failure is told, not raised."""
    if provider.kind == "scripted":
        return Listing(("scripted",))
    # The SDKs take a second to import: only who uses one pays.
    if provider.kind == "anthropic":
        from agents.llm import anthropic

        return Listing(*anthropic.list_models(provider))
    from agents.llm import openai

    return Listing(*openai.list_models(provider))


def _adapter(provider: Provider) -> LLM:
    if provider.kind == "scripted":
        from agents.llm.scripted import ScriptedLLM

        return ScriptedLLM()
    if provider.kind == "anthropic":
        from agents.llm.anthropic import AnthropicLLM

        return AnthropicLLM(provider)
    from agents.llm.openai import OpenAILLM

    return OpenAILLM(provider)
