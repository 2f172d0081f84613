"""A model provider as it was configured, and how the environment configures one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

Kind = Literal["openai", "anthropic", "scripted"]

OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"

# The SDKs insist on a key, local servers on none.
NO_KEY = "no-key"


@dataclass(frozen=True, slots=True)
class Provider:
    """`name` is the first part of its handles. Times are seconds.

    connect  until the connection stands
    read     until the first byte, and of silence between two chunks
    total    the whole call, however busily the server sends
    """

    name: str
    kind: Kind
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    connect: float = 10.0
    read: float = 300.0
    total: float = 900.0

    @property
    def is_openai_itself(self) -> bool:
        """Whether this is OpenAI's own service rather than a server that speaks its protocol."""
        host = urlsplit(self.base_url).hostname or ""
        return host == "api.openai.com" or host.endswith(".api.openai.com")


DEMO = Provider(name="demo", kind="scripted")


def providers_from(settings: Mapping[str, str]) -> tuple[Provider, ...]:
    """The providers that these settings (usually the environment) configure; the demo is always there."""
    found = (_openai(settings), _anthropic(settings), _ollama(settings))
    return (*(provider for provider in found if provider), DEMO)


def _openai(settings: Mapping[str, str]) -> Provider | None:
    key, url = _value(settings, "OPENAI_API_KEY"), _value(settings, "OPENAI_BASE_URL")
    if not (key or url):
        return None
    return Provider("openai", "openai", _with_path(url or OPENAI_URL), key or NO_KEY)


def _anthropic(settings: Mapping[str, str]) -> Provider | None:
    key, url = _value(settings, "ANTHROPIC_API_KEY"), _value(settings, "ANTHROPIC_BASE_URL")
    if not (key or url):
        return None
    # Its SDK adds the /v1 itself.
    return Provider("anthropic", "anthropic", _without_v1(url or ANTHROPIC_URL), key or NO_KEY)


def _ollama(settings: Mapping[str, str]) -> Provider | None:
    url = _value(settings, "OLLAMA_BASE_URL")
    return Provider("ollama", "openai", _without_v1(url) + "/v1", NO_KEY) if url else None


def _value(settings: Mapping[str, str], name: str) -> str:
    return (settings.get(name) or "").strip()


def _without_v1(url: str) -> str:
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


def _with_path(url: str) -> str:
    """A bare host means its /v1; any other path (as .../api/v1 or .../openai) is taken as it stands."""
    url = url.rstrip("/")
    return url if urlsplit(url).path else url + "/v1"
