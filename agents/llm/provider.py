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


@dataclass(frozen=True, slots=True)
class Known:
    """A server that speaks OpenAI's protocol, and what configures it: a key or a base URL.

    `prefix` begins its variables, <prefix>_API_KEY and <prefix>_BASE_URL. Without a `url` it runs wherever its base URL
    says, and its path is its /v1.
    """

    name: str
    prefix: str
    url: str = ""

    @property
    def variables(self) -> tuple[str, str]:
        return f"{self.prefix}_API_KEY", f"{self.prefix}_BASE_URL"

    @property
    def configured_by(self) -> str:
        return self.variables[0] if self.url else self.variables[1]

    def configured(self, settings: Mapping[str, str]) -> Provider | None:
        key, url = (_value(settings, name) for name in self.variables)
        if not url and not (key and self.url):
            return None
        base_url = _with_path(url or self.url) if self.url else _without_v1(url) + "/v1"
        return Provider(self.name, "openai", base_url, key or NO_KEY)


KNOWN = (
    Known("openai", "OPENAI", OPENAI_URL),
    Known("ollama", "OLLAMA"),
    Known("google_ai", "GEMINI", "https://generativelanguage.googleapis.com/v1beta/openai"),
    Known("groq", "GROQ", "https://api.groq.com/openai/v1"),
    Known("openrouter", "OPENROUTER", "https://openrouter.ai/api/v1"),
    Known("together", "TOGETHER", "https://api.together.xyz/v1"),
    Known("deepseek", "DEEPSEEK", "https://api.deepseek.com/v1"),
    Known("mistral", "MISTRAL", "https://api.mistral.ai/v1"),
    Known("xai", "XAI", "https://api.x.ai/v1"),
    Known("fireworks", "FIREWORKS", "https://api.fireworks.ai/inference/v1"),
    Known("moonshot", "MOONSHOT", "https://api.moonshot.ai/v1"),
    Known("zai", "ZAI", "https://api.z.ai/api/paas/v4"),
    Known("cerebras", "CEREBRAS", "https://api.cerebras.ai/v1"),
    Known("baseten", "BASETEN", "https://inference.baseten.co/v1"),
    Known("minimax", "MINIMAX", "https://api.minimax.io/v1"),
    Known("vllm", "VLLM"),
    Known("sglang", "SGLANG"),
    Known("lmstudio", "LMSTUDIO"),
)

# Another name for the same, which is in use elsewhere.
ALIASES = {"VLLM_API_BASE": "VLLM_BASE_URL"}

VARIABLES = (
    *(variable for known in KNOWN for variable in known.variables),
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    *ALIASES,
)
"""Every setting that is read here."""


def providers_from(settings: Mapping[str, str]) -> tuple[Provider, ...]:
    """The providers that these settings (usually the environment) configure; the demo is always there."""
    settings = {ALIASES[name]: settings[name] for name in ALIASES if _value(settings, name)} | dict(settings)
    openai, *others = (known.configured(settings) for known in KNOWN)
    found = (openai, _anthropic(settings), *others)
    return (*(provider for provider in found if provider), DEMO)


def _anthropic(settings: Mapping[str, str]) -> Provider | None:
    key, url = _value(settings, "ANTHROPIC_API_KEY"), _value(settings, "ANTHROPIC_BASE_URL")
    if not (key or url):
        return None
    # Its SDK adds the /v1 itself.
    return Provider("anthropic", "anthropic", _without_v1(url or ANTHROPIC_URL), key or NO_KEY)


def _value(settings: Mapping[str, str], name: str) -> str:
    return (settings.get(name) or "").strip()


def _without_v1(url: str) -> str:
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


def _with_path(url: str) -> str:
    """A bare host means its /v1; any other path (as .../api/v1 or .../openai) is taken as it stands."""
    url = url.rstrip("/")
    return url if urlsplit(url).path else url + "/v1"
