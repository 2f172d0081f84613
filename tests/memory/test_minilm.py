"""The local model: what is near in meaning is near in numbers, the same every time, in any company."""

import math
import threading

import pytest

from memory import minilm
from memory.embeddings import LOCAL, Embedders, Endpoint

FOLDER = minilm.folder()

pytestmark = pytest.mark.skipif(FOLDER is None, reason="the local embedding model is not installed")


@pytest.fixture(scope="module")
def model():
    return minilm.MiniLM(FOLDER)


def near(first, second):
    return sum(one * other for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("text", "similar", "other"),
    [
        ("A cat sits on the mat.", "A kitten rests on a rug.", "The stock market fell today."),
        ("Where does Ann live?", "Ann moved to Oslo last year.", "The recipe needs two eggs."),
        ("He is a physician.", "He works as a doctor.", "He plays the violin."),
        ("The train was late", "The railway had delays", "The soup was cold"),
    ],
)
def test_what_means_the_same_is_nearer(model, text, similar, other):
    one, same, different = model.vectors([text, similar, other])
    assert near(one, same) > near(one, different) + 0.15


def test_vectors_have_their_size_and_length(model):
    for vector in model.vectors(["tea", "", "日本語 🎉", "x" * 5_000, "word " * 5_000]):
        assert len(vector) == minilm.DIMENSION
        assert math.isclose(math.hypot(*vector), 1, abs_tol=1e-5)


def test_alone_and_in_company_it_is_the_same(model):
    texts = [f"text number {number} " + "about tea " * (number % 7) for number in range(40)]
    together = model.vectors(texts)
    for text, vector in list(zip(texts, together, strict=True))[::9]:
        assert max(abs(a - b) for a, b in zip(vector, model.vectors([text])[0], strict=True)) < 1e-5
    assert model.vectors(texts) == together


def test_threads_load_it_once_and_share_it(monkeypatch):
    loaded, found = [], []
    load = minilm.MiniLM

    def noted(folder):
        loaded.append(folder)
        return load(folder)

    monkeypatch.setattr(minilm, "MiniLM", noted)
    embedder = Embedders(lambda name: Endpoint(""), FOLDER).of(LOCAL)
    assert not loaded
    threads = [threading.Thread(target=lambda: found.extend(embedder.embed(["tea"], 1))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 1
    assert found == [found[0]] * 4


def test_a_damaged_file_is_not_used(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(minilm.Damaged, match="Install it anew"):
        minilm.MiniLM(tmp_path)
