"""What fills an agent's context window, and how much of it providers had in their caches, for people."""

from collections.abc import Iterable

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from agents.models import Agent, Conversation, Step
from agents.window import filling

LATEST = 50
"""Steps of which the cached share of an agent is told."""


def window_of(conversation_id: str | None) -> SafeString | str:
    """A table: the tokens of each part, and their share of what fits."""
    place = Conversation.objects.filter(id=conversation_id).first()
    if place is None:
        return ""
    found = filling(place)
    rows = [
        (name.replace("_", " "), f"{tokens:,}", _share(tokens, found.limit)) for name, tokens in found.tokens.items()
    ]
    total = (f"{len(found.rows)} messages are in context", f"{found.total:,}", _share(found.total, found.limit))
    line = "<tr><td>{}</td><td>{}</td><td>{}</td></tr>"
    head = format_html("<tr><th>part</th><th>tokens</th><th>of {}</th></tr>", f"{found.limit:,}")
    return format_html('<table class="window">{}{}</table>', head, format_html_join("", line, [*rows, total]))


def cached_of(agent: Agent) -> str:
    """The cached share of the prompts of its latest steps."""
    steps = list(Step.objects.filter(agent=agent, prompt_tokens__gt=0).order_by("-created_at", "id")[:LATEST])
    if not steps:
        return "No provider has counted anything yet."
    return f"{cached(steps)} of the last {len(steps)} prompts ({sum(step.prompt_tokens for step in steps):,} tokens)"


def cached(steps: Iterable[Step]) -> str:
    counts = [(step.cached_tokens, step.prompt_tokens) for step in steps]
    return _share(sum(one for one, _ in counts), sum(all for _, all in counts))


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""
