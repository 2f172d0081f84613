"""Values as people read them. Everything here is escaped: texts come from models, tools and strangers."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def duration(seconds: float | None) -> str:
    """340 ms, 2.4 s, 3 min 12 s, 2 h 5 min, 3 d 4 h; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{round(max(seconds, 0) * 1000)} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, size, smaller, small in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // small} {smaller}"
    raise AssertionError("unreachable")


def when(moment: datetime | None) -> SafeString | str:
    """2026-03-01 14:05:09, UTC. Rows of a ledger are told apart by seconds."""
    return format_html('<span class="when">{}</span>', f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}") if moment else ""


def badge(status: str, text: str | None = None) -> SafeString:
    """A state, in the colour of `status`."""
    return format_html('<span class="state {}">{}</span>', status, status if text is None else text)


def between(start: datetime | None, end: datetime | None) -> str:
    return duration((end - start).total_seconds()) if start and end else ""


def nanoseconds(ns: int | None) -> str:
    return duration(None if ns is None else ns / 1e9)


def pretty(value: Any) -> str:
    """JSON, indented; text that holds JSON likewise, and other text as it is."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return value
    return json.dumps(value, indent=2, ensure_ascii=False)


def block_of(text: str) -> SafeString:
    return format_html('<pre class="text">{}</pre>', text)


def link(model: str, pk: str | None, text: str | None = None) -> SafeString | str:
    """To the page of a row of this app; nothing without a row."""
    return (
        format_html('<a href="{}">{}</a>', reverse(f"admin:agents_{model}_change", args=[pk]), text or pk) if pk else ""
    )


def list_link(model: str, text: str, **where: str) -> SafeString:
    """To the list of the rows that `where` selects."""
    url = reverse(f"admin:agents_{model}_changelist", query=where)
    return format_html('<a href="{}">{}</a>', url, text)


def transcript_link(
    conversation_id: str, text: str, query: Mapping[str, Any] | None = None, anchor: str = "end"
) -> SafeString:
    url = reverse("admin:agents_conversation_transcript", args=[conversation_id], query=query, fragment=anchor)
    return format_html('<a href="{}">{}</a>', url, text)


def short(id: str) -> SafeString:
    """run-1a2b3c4d-… as run-1a2b3c4d."""
    return format_html('<span class="id">{}</span>', "-".join(id.split("-")[:2]))
