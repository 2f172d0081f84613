"""What workers are asked about vectors: to make one for a web process, and to look for passages that lack theirs."""

from celery import shared_task

from agents.hints import EMBED, MAKE_VECTORS
from memory.embeddings import EmbeddingFailed
from tools.asking import Question, Reply
from workers.answering import serve
from workers.tasks import this_process
from workers.wiring import QUERY_SECONDS


@shared_task(name=MAKE_VECTORS)
def make_vectors() -> None:
    this_process().vector_maker.wake()


@shared_task(name=EMBED)
def embed(ticket: str) -> None:
    """For a web process: {"text", "embeddings": [handle, ...]}."""
    serve(ticket, _answer)


def _answer(question: Question) -> Reply:
    """{"status": "success", "vectors": {handle: vector}, "failed": {handle: why}}"""
    made, failed = {}, {}
    for handle in question["embeddings"]:
        try:
            [made[handle]] = this_process().outfit.embedders.of(handle).embed([question["text"]], QUERY_SECONDS)
        except EmbeddingFailed as error:
            failed[handle] = str(error)
    return {"status": "success", "vectors": made, "failed": failed}
