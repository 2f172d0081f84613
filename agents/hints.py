"""A hint says "this conversation has work". It may be lost or doubled: the sweep finds the work all the same.

So may the other hints (models to list, vectors to make, packages to build, ...): a worker's own rounds find what they
say, or who waits for an answer asks again.
"""

import logging
import uuid
from collections.abc import Callable

from celery import current_app

from agents.pause import Pause

ADVANCE = "workers.advance"
LIST_MODELS = "workers.list_models"
ASK_MCP = "workers.ask_mcp"
RUN_TOOL = "workers.run_tool"
EMBED = "workers.embed"
MAKE_VECTORS = "workers.make_vectors"
BUILD_PACKAGES = "workers.build_packages"
CALL_BACK = "workers.call_back"
UPKEEP = "workers.upkeep"
READ_FILES = "workers.read_files"
PAUSE = Pause(5.0)

log = logging.getLogger(__name__)

on_failure: Callable[[str], None] | None = None
"""Set in a worker process: takes the conversation up there, when the broker cannot be reached."""


def hint(conversation_id: str) -> None:
    """Tell some worker. Never raises, and waits for a broker that hangs at most once in five seconds."""
    if not _sent(ADVANCE, conversation_id) and on_failure:
        on_failure(conversation_id)


def want_models() -> None:
    """Have some worker ask the providers which models they have. Never raises."""
    _sent(LIST_MODELS)


def ask_mcp(ticket: str) -> bool:
    """Have some worker answer the question of this ticket (tools/asking.py). False without a broker."""
    return _sent(ASK_MCP, ticket)


def run_tool(ticket: str) -> bool:
    """The same for a tool that is run by hand."""
    return _sent(RUN_TOOL, ticket)


def embed(ticket: str) -> bool:
    """The same for the vector of a text."""
    return _sent(EMBED, ticket)


def want_vectors() -> None:
    """Tell some worker that passages were filed; each of them looks by itself every few seconds too. Never raises."""
    _sent(MAKE_VECTORS)


def want_upkeep() -> None:
    """Tell some worker that there is a job; each of them looks by itself every few seconds too. Never raises."""
    _sent(UPKEEP)


def want_files_read() -> None:
    """Tell some worker that a file was uploaded; each of them looks by itself every few seconds too. Never raises."""
    _sent(READ_FILES)


def build_packages(tool_id: str) -> None:
    """Have some worker install what a tool asks for. Never raises: a hint that is lost is given again by the sweep."""
    _sent(BUILD_PACKAGES, tool_id)


def call_back(run_id: str) -> None:
    """Have some worker tell the run's URL of its end. Never raises: the sweep gives a lost hint again."""
    _sent(CALL_BACK, run_id)


def _sent(task: str, *arguments: str) -> bool:
    if PAUSE:
        return False
    try:
        _publish(task, arguments)
    except Exception as error:  # kombu passes on whatever its transport raises
        PAUSE.begin()
        log.warning("The broker cannot be reached (%s); the sweep takes over", error)
        return False
    return True


def _publish(task: str, arguments: tuple[str, ...]) -> None:
    """As Celery's message protocol 2 has it. Celery's own `send_task` also makes a result, asks its routers and tells
    its signals, which nobody wants here, and takes three times the CPU; every turn does this.
    """
    id = str(uuid.uuid4())
    headers = {"lang": "py", "task": task, "id": id, "root_id": id, "parent_id": None, "group": None}
    later = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    with current_app.producer_pool.acquire(block=True) as producer:
        producer.publish(
            (arguments, {}, later),
            headers=headers,
            correlation_id=id,
            routing_key=current_app.conf.task_default_queue,
            serializer="json",
            retry=False,
        )
