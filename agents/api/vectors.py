"""Views that need a text's vector: a worker is asked for it before the view itself runs in its thread."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.views.decorators.csrf import csrf_exempt

from accounts.authentication import principal_of
from accounts.keys import Principal
from agents.api.asking import asked
from agents.api.async_views import in_its_thread
from agents.following import in_thread
from agents.hints import embed
from memory.embeddings import Vector
from tools.asking import NobodyAnswers

EMBED_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A text, and the handles of the embeddings in which its vector is wanted."""

    text: str
    embeddings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vectors:
    """By handle: the vectors that a worker has made, and why it could not make the others.

    `unserved`: why no worker could be asked.
    """

    made: Mapping[str, Vector] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    unserved: str | None = None

    def of(self, handle: str, text: str) -> Vector | None:
        """memory.archival.Embed, for the one text that was asked for."""
        return self.made.get(handle)


Want = Callable[[Principal, HttpRequest, Mapping[str, Any]], Wanted | None]


def with_vectors(method: str, want: Want, view: Any) -> Callable[..., Any]:
    """The DRF view, which finds the vectors that `want` says it needs as `request.vectors`.

    Whatever `want` finds wrong with the request is left to the view, which finds it too.
    """
    answered = in_its_thread(view)

    def wanted(request: HttpRequest, given: Mapping[str, Any]) -> Wanted | None:
        try:
            found = want(principal_of(request.headers.get("Authorization")), request, given)
        except Exception:
            return None
        return found if found and isinstance(found.text, str) else None

    @csrf_exempt
    async def dispatch(request: HttpRequest, **given: Any) -> Any:
        needs = await in_thread(wanted, request, given) if request.method == method else None
        request.vectors = await _vectors(needs) if needs and needs.embeddings else Vectors()  # type: ignore[attr-defined]
        return await answered(request, **given)

    return dispatch


async def _vectors(needs: Wanted) -> Vectors:
    try:
        reply = await asked(embed, {"text": needs.text, "embeddings": list(needs.embeddings)}, EMBED_SECONDS)
    except NobodyAnswers as error:
        return Vectors(unserved=str(error))
    return Vectors(reply["vectors"], reply["failed"])
