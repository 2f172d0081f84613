"""What the fake answers to a request for vectors: texts that share words are near to each other."""

import math
import zlib
from dataclasses import dataclass, field
from typing import Any

DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
USUAL_DIMENSION = 64


@dataclass(frozen=True)
class EmbeddingAnswer:
    """One scripted answer. `repeat`: how often (0 is for ever); `dimension`: of its vectors, where not the usual."""

    status: int = 200
    headers: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    hang: bool = False
    dimension: int | None = None
    repeat: int = 1


class EmbeddingScripts:
    """The answers that are still to be given, in order; when there are none, vectors are."""

    def __init__(self) -> None:
        self._waiting: list[tuple[EmbeddingAnswer, int]] = []

    def add(self, scripts: list[dict[str, Any]]) -> None:
        answers = [EmbeddingAnswer(**script) for script in scripts]
        self._waiting.extend((answer, answer.repeat) for answer in answers)

    def clear(self) -> None:
        self._waiting.clear()

    def take(self) -> EmbeddingAnswer:
        if not self._waiting:
            return EmbeddingAnswer()
        answer, left = self._waiting[0]
        if left == 1:
            self._waiting.pop(0)
        else:
            self._waiting[0] = answer, max(left - 1, 0)
        return answer


def embedding_body(asked: dict[str, Any], answer: EmbeddingAnswer) -> dict[str, Any]:
    texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
    dimension = answer.dimension or DIMENSIONS.get(asked["model"], USUAL_DIMENSION)
    data = [
        {"object": "embedding", "index": number, "embedding": vector(text, dimension)}
        for number, text in enumerate(texts)
    ]
    # In another order than asked, which the protocol allows.
    return {"object": "list", "data": data[::-1], "model": asked["model"], "usage": {"prompt_tokens": 1}}


def vector(text: str, dimension: int) -> list[float]:
    """Each word has a place of its own, as far as there are enough; `likeword` has that of `word`."""
    numbers = [0.0] * dimension
    for word in text.lower().replace("?", " ").replace(".", " ").split():
        numbers[zlib.crc32(word.removeprefix("like").encode()) % dimension] += 1.0
    length = math.hypot(*numbers)
    return [number / length for number in numbers] if length else [1.0, *numbers[1:]]
