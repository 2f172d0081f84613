"""One call through an SDK, from the request to the last chunk: stoppable, in time, and failing as AgentError only."""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from agents.llm.errors import explain
from agents.llm.provider import Provider
from agents.llm.sockets import Call
from agents.loop.ports import Abort

LISTING_SECONDS = 5.0

Chunk = TypeVar("Chunk", covariant=True)


class Chunks(Protocol[Chunk]):
    """What both SDKs return for stream=True."""

    def __iter__(self) -> Iterator[Chunk]: ...

    def close(self) -> None: ...


def chunks(provider: Provider, abort: Abort, create: Callable[[], Chunks[Chunk]]) -> Iterator[Chunk]:
    """The chunks of the answer that `create` asks for."""
    abort.check()
    started = False
    with Call(abort, provider.total) as call:
        try:
            with call.attached():
                stream = create()
            started = True
            try:
                for chunk in stream:
                    abort.check()
                    yield chunk
            finally:
                stream.close()
            # A shut socket may look like the regular end of the body.
            abort.check()
        except Exception as error:
            abort.check()
            told = explain(error, provider, call, started)
            if told is None or told is error:
                raise
            raise told from error


def listed(provider: Provider, ask: Callable[[], tuple[str, ...]]) -> tuple[tuple[str, ...], str | None]:
    """The names of models that `ask` brings, or why there are none."""
    call = Call(Abort(), 2 * LISTING_SECONDS)
    try:
        with call.attached():
            return ask(), None
    except Exception as error:
        told = explain(error, provider, call, started=False)
        return (), str(told or f"{provider.name} gave no list of models ({type(error).__name__})")
