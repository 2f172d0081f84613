"""Text -> vectors: by any server that speaks OpenAI's protocol, or by the small model that comes with Perdure.

Plain synchronous Python without Django. Only workers use it: the web process asks one of them.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, Protocol

import httpx2

from memory import minilm

LOCAL = "local/all-minilm-l6-v2"
MOST_CHARS = 20_000
"""Of one text; OpenAI's models take about 8,000 tokens."""
BATCH_TEXTS = 64
BATCH_CHARS = 200_000
RETRY_PAUSES = (0.5, 2.0)
LOCAL_TEXTS = 8
LOCAL_PAUSE = 0.002

NONE = "none"
"""In the place of a handle: words only."""

Vector = list[float]


class EmbeddingFailed(Exception):
    """There are no vectors; the text says why. `retry_after`: seconds that the server asks for."""

    def __init__(self, text: str, passing: bool = False, retry_after: float | None = None):
        super().__init__(text)
        self.passing = passing
        self.retry_after = retry_after


class UnknownEmbedding(EmbeddingFailed):
    """No provider of that name is configured; the text says how to configure it."""


class Embedder(Protocol):
    def embed(self, texts: Sequence[str], seconds: float) -> list[Vector]:
        """A vector for each text, within so many seconds. Raises EmbeddingFailed."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that speaks OpenAI's protocol."""

    base_url: str
    api_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Remote:
    """A model at an endpoint. What may pass by itself is tried again, as long as there is time."""

    endpoint: Endpoint
    model: str

    def embed(self, texts: Sequence[str], seconds: float) -> list[Vector]:
        until = time.monotonic() + seconds
        return [vector for batch in _batches(texts) for vector in self._patiently(batch, until)]

    def _patiently(self, texts: list[str], until: float) -> list[Vector]:
        for pause in RETRY_PAUSES:
            try:
                return self._asked(texts, until - time.monotonic())
            except EmbeddingFailed as error:
                pause = max(pause, error.retry_after or 0)
                if not error.passing or time.monotonic() + pause >= until:
                    raise
            time.sleep(pause)
        return self._asked(texts, until - time.monotonic())

    def _asked(self, texts: list[str], seconds: float) -> list[Vector]:
        if seconds <= 0:
            raise EmbeddingFailed(f"The embedding model {self.model} took too long.", passing=True)
        body = {"model": self.model, "input": texts, "encoding_format": "float"}
        headers = {"Authorization": f"Bearer {self.endpoint.api_key}"}
        try:
            url = f"{self.endpoint.base_url}/embeddings"
            answer = httpx2.post(url, json=body, headers=headers, timeout=seconds)
        except httpx2.InvalidURL as error:
            raise EmbeddingFailed(f"The base URL of the embedding model {self.model} cannot be used: {error}") from None
        except httpx2.HTTPError as error:
            text = f"The embedding model {self.model} cannot be reached ({type(error).__name__})."
            raise EmbeddingFailed(text, passing=True) from error
        if answer.status_code != 200:
            raise _refusal(self.model, answer)
        return _vectors(self.model, answer, len(texts))


class Local:
    """The model that comes with Perdure: loaded with the first text, once in a process, and used by one at a time.

    Whoever has many texts lets others in between, so that the query of a search need not wait for all of them.
    """

    def __init__(self, model: Path):
        self._folder = model
        self._model: minilm.MiniLM | None = None
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str], seconds: float) -> list[Vector]:
        until = time.monotonic() + seconds
        by_length = sorted(range(len(texts)), key=lambda number: len(texts[number]))  # such are fast together
        found: list[Vector] = [[]] * len(texts)
        for start in range(0, len(texts), LOCAL_TEXTS):
            if start:
                time.sleep(LOCAL_PAUSE)
            part = by_length[start : start + LOCAL_TEXTS]
            for number, vector in zip(part, self._few([texts[number] for number in part], until), strict=True):
                found[number] = vector
        return found

    def _few(self, texts: list[str], until: float) -> list[Vector]:
        if not self._lock.acquire(timeout=max(0.0, until - time.monotonic())):
            raise EmbeddingFailed("The local embedding model is busy.", passing=True)
        try:
            return self._loaded().vectors([text[:MOST_CHARS] for text in texts])
        finally:
            self._lock.release()

    def _loaded(self) -> minilm.MiniLM:
        if self._model is None:
            try:
                self._model = minilm.MiniLM(self._folder)
            except (minilm.Damaged, ImportError, OSError) as error:
                raise EmbeddingFailed(f"The local embedding model cannot be loaded: {error}") from error
        return self._model


class Embedders:
    """From a handle (`provider/model`) to what makes its vectors."""

    def __init__(self, endpoint: Callable[[str], Endpoint], local: Path | None = None):
        """`endpoint` finds a provider by its name, or raises UnknownEmbedding."""
        self._endpoint = endpoint
        self._local = Local(local) if local else None

    def of(self, handle: str) -> Embedder:
        """Raises UnknownEmbedding."""
        if handle == LOCAL:
            if self._local is None:
                raise UnknownEmbedding(
                    f"{LOCAL} is not installed. Start with `./perdure up`, without PERDURE_LOCAL_EMBEDDINGS=0."
                )
            return self._local
        provider, slash, model = handle.partition("/")
        if not (provider and slash and model):
            raise UnknownEmbedding(f"{handle!r} is no handle of an embedding model: write provider/model.")
        return Remote(self._endpoint(provider), model)


def default_embedding(configured: str | None, local: Path | None) -> str | None:
    """The handle for new archives: the configured one, else the local model's if it is there, else none."""
    if configured:
        return None if configured == NONE else configured
    return LOCAL if local else None


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for text in texts:
        # Some servers refuse an empty text.
        text = text[:MOST_CHARS] or " "
        if batch and (len(batch) == BATCH_TEXTS or sum(map(len, batch)) + len(text) > BATCH_CHARS):
            yield batch
            batch = []
        batch.append(text)
    if batch:
        yield batch


def _refusal(model: str, answer: httpx2.Response) -> EmbeddingFailed:
    passing = answer.status_code in (408, 409, 429) or answer.status_code >= 500
    text = f"The embedding model {model} was refused with status {answer.status_code}: {answer.text[:200]}"
    return EmbeddingFailed(text, passing, _seconds(answer.headers.get("retry-after")))


def _seconds(given: str | None) -> float | None:
    try:
        return max(0.0, float(given)) if given else None
    except ValueError:
        return None


def _vectors(model: str, answer: httpx2.Response, wanted: int) -> list[Vector]:
    try:
        rows = sorted(answer.json()["data"], key=_index)
        found = [[float(number) for number in row["embedding"]] for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise EmbeddingFailed(f"The embedding model {model} has answered with something that is no vectors.") from None
    if len(found) != wanted or len({len(vector) for vector in found}) > 1 or not all(map(_is_vector, found)):
        raise EmbeddingFailed(f"The embedding model {model} has answered with vectors that do not fit the texts.")
    return found


def _index(row: Mapping[str, Any]) -> int:
    return int(row["index"])


def _is_vector(vector: Vector) -> bool:
    return bool(vector) and all(map(isfinite, vector)) and any(vector)
