"""The fake server, and each adapter in front of it."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from agents.errors import AgentError
from agents.llm.registry import Provider, Providers
from agents.loop.events import CallDelta, CallStart, Done, LLMEvent, ReasoningDelta, ReasoningEnd, TextDelta
from agents.loop.messages import Message
from agents.loop.ports import Abort, LLMRequest, ModelSettings
from tests.fakellm import FakeLLM

KEY = "sk-test-0123456789abcdef"


@dataclass
class Front:
    """One adapter in front of the fake server."""

    kind: str
    fake: FakeLLM
    provider: Provider

    @property
    def handle(self) -> str:
        return f"{self.provider.name}/fake-1"

    def limited(self, **seconds: float) -> "Front":
        return Front(self.kind, self.fake, replace(self.provider, **seconds))  # type: ignore[arg-type]

    def at(self, url: str) -> "Front":
        return Front(self.kind, self.fake, replace(self.provider, base_url=url))

    def request(self, *messages: Message | str, **parts: Any) -> LLMRequest:
        said = tuple(Message("user", one) if isinstance(one, str) else one for one in messages)
        settings = parts.pop("settings", ModelSettings())
        return LLMRequest(self.handle, parts.pop("system", "Be brief."), said, settings=settings, **parts)

    def stream(self, request: LLMRequest | str, abort: Abort | None = None) -> Iterator[LLMEvent]:
        request = self.request(request) if isinstance(request, str) else request
        return Providers((self.provider,)).llm(self.handle).stream(request, abort or Abort())

    def ask(self, request: LLMRequest | str = "hi", abort: Abort | None = None) -> list[LLMEvent]:
        return list(self.stream(request, abort))

    def sent(self) -> dict[str, Any]:
        """The body of the last request that the server saw."""
        return self.fake.calls()[-1]["body"]  # type: ignore[no-any-return]

    def fails(self, request: LLMRequest | str = "hi", abort: Abort | None = None) -> AgentError:
        with pytest.raises(AgentError) as caught:
            self.ask(request, abort)
        return caught.value


@pytest.fixture(scope="session")
def fake_server() -> Iterator[FakeLLM]:
    with FakeLLM() as fake:
        yield fake


@pytest.fixture
def fake(fake_server: FakeLLM) -> FakeLLM:
    fake_server.reset()
    return fake_server


@pytest.fixture
def openai(fake: FakeLLM) -> Front:
    return Front("openai", fake, Provider("openai", "openai", fake.url, KEY, read=20, total=20))


@pytest.fixture
def anthropic(fake: FakeLLM) -> Front:
    return Front("anthropic", fake, Provider("anthropic", "anthropic", fake.anthropic_url, KEY, read=20, total=20))


@pytest.fixture(params=["openai", "anthropic"])
def front(request: pytest.FixtureRequest) -> Front:
    chosen: Front = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def pressed_when() -> Iterator[Callable[[Abort, Callable[[], bool]], None]]:
    """Presses an abort button from another thread, once a condition holds."""
    threads: list[threading.Thread] = []

    def start(abort: Abort, condition: Callable[[], bool]) -> None:
        def wait() -> None:
            pause = threading.Event()
            for _ in range(500):
                if condition():
                    break
                pause.wait(0.02)
            abort.press("cancelled")

        threads.append(threading.Thread(target=wait))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join()


def text(events: list[LLMEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def thought(events: list[LLMEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, ReasoningDelta))


def seals(events: list[LLMEvent]) -> list[ReasoningEnd]:
    return [event for event in events if isinstance(event, ReasoningEnd)]


def calls(events: list[LLMEvent]) -> list[tuple[str, str, str]]:
    """(name, the provider's id, arguments) of each call, in order."""
    starts = [event for event in events if isinstance(event, CallStart)]
    assert [start.index for start in starts] == list(range(len(starts)))
    joined = {start.index: "" for start in starts}
    for event in events:
        if isinstance(event, CallDelta):
            joined[event.index] += event.arguments
    return [(start.name, start.provider_id, joined[start.index]) for start in starts]


def done(events: list[LLMEvent]) -> Done:
    last = events[-1]
    assert isinstance(last, Done)
    assert sum(isinstance(event, Done) for event in events) == 1
    return last
