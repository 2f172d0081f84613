"""How a model, or an embedding, is asked."""

from agents.api.shapes.values import Shape
from agents.embedding import dimension_of
from agents.llm.registry import context_window
from agents.models import Agent
from agents.specs import response_format

_ENDPOINT_TYPES = {
    "local": "hugging-face",
    "none": "hugging-face",
    "demo": "openai",
    "cerebras": "openai",
    "sglang": "openai",
}

# The providers whose model_settings have a type of their own in the contract, beside OpenAI and Anthropic.
_SETTINGS_TYPES = ("baseten", "deepseek", "google_ai", "groq", "moonshot", "openrouter", "together", "xai", "zai")


def model_settings_shape(agent: Agent) -> Shape:
    provider = agent.model.partition("/")[0]
    base: Shape = {"max_output_tokens": 16_384, "parallel_tool_calls": True, "temperature": 1.0}
    if provider == "anthropic":
        base |= {"provider_type": "anthropic", "thinking": {"type": "disabled"}, "response_format": None}
    elif provider in _SETTINGS_TYPES:
        base |= {"provider_type": provider}
    else:
        base |= {
            "provider_type": "openai",
            "reasoning": {"reasoning_effort": "minimal"},
            "response_format": None,
            "strict": False,
        }
    stored, form = agent.model_settings, response_format(agent)
    # The model's own provider is asked, whosever settings these are: the model may have been changed since.
    own = {"provider_type": provider if stored.get("provider_type") == provider else base["provider_type"]}
    return base | stored | own | ({"response_format": form} if form else {})


def endpoint_type(provider: str) -> str:
    """The contract's word for the protocol of a provider; some of ours it has no word for."""
    return _ENDPOINT_TYPES.get(provider, provider)


def llm_config_shape(agent: Agent) -> Shape:
    provider, _, model = agent.model.partition("/")
    settings = model_settings_shape(agent)
    return {
        "model": model,
        "display_name": None,
        "model_endpoint_type": endpoint_type(provider),
        "model_endpoint": None,
        "provider_name": provider,
        "provider_category": "base",
        "model_wrapper": None,
        "context_window": agent.context_window_limit or context_window(agent.model),
        "put_inner_thoughts_in_kwargs": agent.agent_type != Agent.Type.LETTA_V1,
        "handle": agent.model,
        "temperature": settings["temperature"],
        "max_tokens": settings["max_output_tokens"],
        "enable_reasoner": (settings.get("thinking") or {}).get("type") == "enabled",
        "reasoning_effort": (agent.model_settings.get("reasoning") or {}).get("reasoning_effort"),
        "max_reasoning_tokens": (settings.get("thinking") or {}).get("budget_tokens") or 0,
        "effort": settings.get("effort"),
        "frequency_penalty": None,
        "compatibility_type": None,
        "verbosity": settings.get("verbosity"),
        "tier": None,
        "parallel_tool_calls": settings["parallel_tool_calls"],
        "response_format": response_format(agent),
        "strict": bool(settings.get("strict")),
        "return_logprobs": False,
        "top_logprobs": None,
        "return_token_ids": False,
        "tool_call_parser": None,
    }


def embedding_config_shape(handle: str | None, dimension: int | None = None, chunk_size: int = 300) -> Shape | None:
    if not handle:
        return None
    provider, _, model = handle.partition("/")
    return {
        "embedding_endpoint_type": endpoint_type(provider),
        "embedding_endpoint": None,
        "embedding_model": model or provider,
        "embedding_dim": dimension_of(handle) if dimension is None else dimension,
        "embedding_chunk_size": chunk_size,
        "handle": handle,
        "batch_size": 32,
        "azure_endpoint": None,
        "azure_version": None,
        "azure_deployment": None,
    }
