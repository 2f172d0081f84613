"""Vectors over HTTP against the fake server, and what becomes of all the ways in which it can fail."""

import pytest

from memory.embeddings import (
    BATCH_TEXTS,
    LOCAL,
    LOCAL_TEXTS,
    Embedders,
    EmbeddingFailed,
    Endpoint,
    Local,
    UnknownEmbedding,
)

ODD_BODIES = [
    "no JSON",
    {},
    {"data": [{"index": 0}]},
    {"data": []},
    {"data": [{"index": 0, "embedding": []}]},
    {"data": [{"index": 0, "embedding": ["x"]}]},
    '{"data": [{"index": 0, "embedding": [NaN]}]}',
    {"data": [{"index": 0, "embedding": [0.0, 0.0]}]},
    {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0]}]},
]


@pytest.fixture
def embedder(llm):
    llm.reset()
    yield Embedders(lambda name: Endpoint(llm.url, "sk-of-the-tests")).of("openai/some-model")
    llm.reset()


def test_texts_are_sent_in_batches_and_come_back_in_order(embedder, llm):
    texts = [f"word{number}" for number in range(BATCH_TEXTS + 3)]
    found = embedder.embed(texts, 10)
    assert found == [embedder.embed([text], 10)[0] for text in texts]
    sent = [len(call["body"]["input"]) for call in llm.calls()]
    assert sent[:2] == [BATCH_TEXTS, 3]
    assert llm.calls()[0]["body"]["model"] == "some-model"
    assert llm.calls()[0]["headers"]["authorization"] == "Bearer sk-of-the-tests"


def test_very_long_texts_are_cut_and_kept_apart(embedder, llm):
    assert len(embedder.embed(["x " * 20_000] * 12, 10)) == 12
    assert [len(call["body"]["input"]) for call in llm.calls()] == [10, 2]


def test_an_empty_text_has_a_vector_too(embedder):
    assert len(embedder.embed([""], 10)) == 1
    assert embedder.embed([], 10) == []


def test_what_passes_is_tried_again(embedder, llm):
    llm.script_embeddings({"status": 429, "headers": {"retry-after": "0.1"}})
    assert len(embedder.embed(["tea"], 10)) == 1
    assert len(llm.calls()) == 2


def test_without_time_nothing_is_tried_again(embedder, llm):
    llm.script_embeddings({"status": 503})
    with pytest.raises(EmbeddingFailed, match="status 503") as failed:
        embedder.embed(["tea"], 0.3)
    assert failed.value.passing
    assert len(llm.calls()) == 1


def test_what_lasts_is_told_at_once(embedder, llm):
    llm.script_embeddings({"status": 401})
    with pytest.raises(EmbeddingFailed, match="some-model was refused with status 401") as failed:
        embedder.embed(["tea"], 10)
    assert not failed.value.passing
    assert len(llm.calls()) == 1


def test_a_server_that_says_nothing_is_given_up(embedder, llm):
    llm.script_embeddings({"hang": True})
    with pytest.raises(EmbeddingFailed, match="cannot be reached") as failed:
        embedder.embed(["tea"], 0.3)
    assert failed.value.passing


@pytest.mark.parametrize("body", ODD_BODIES)
def test_an_odd_answer_is_no_vector(embedder, llm, body):
    llm.script_embeddings({"body": body})
    with pytest.raises(EmbeddingFailed, match="answered with"):
        embedder.embed(["tea"], 10)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "nonsense", "http://[", ""])
def test_nobody_there(url):
    with pytest.raises(EmbeddingFailed):
        Embedders(lambda name: Endpoint(url)).of("x/y").embed(["tea"], 0.3)


@pytest.mark.parametrize("handle", ["", "model", "provider/", "/model"])
def test_a_handle_has_two_parts(handle):
    with pytest.raises(UnknownEmbedding, match="write provider/model"):
        Embedders(lambda name: Endpoint("")).of(handle)


def test_the_local_model_has_to_be_installed(tmp_path):
    with pytest.raises(UnknownEmbedding, match="is not installed"):
        Embedders(lambda name: Endpoint("")).of(LOCAL)
    with pytest.raises(EmbeddingFailed, match="cannot be loaded"):
        Embedders(lambda name: Endpoint(""), tmp_path).of(LOCAL).embed(["tea"], 1)


class Slow:
    """A loaded model in whose place nothing is computed."""

    def __init__(self):
        self.asked = []

    def vectors(self, texts):
        self.asked.append(len(texts))
        return [[float(len(text))] for text in texts]


def test_the_local_model_takes_many_texts_in_parts_and_waits_no_longer_than_it_may(tmp_path):
    local = Local(tmp_path)
    local._model = slow = Slow()
    lengths = [float(1 + number * 3 % (LOCAL_TEXTS + 1)) for number in range(LOCAL_TEXTS + 1)]
    assert local.embed(["x" * int(length) for length in lengths], 1) == [[length] for length in lengths]
    assert slow.asked == [LOCAL_TEXTS, 1]
    with local._lock, pytest.raises(EmbeddingFailed, match="is busy"):
        local.embed(["tea"], 0)
