"""A server that a fuzzer may do anything to, and things in it for the fuzzer to find."""

from collections.abc import Iterator

import pytest
import requests

from tests import invariants
from tests.api_document.world import World
from tests.fakellm import FakeLLM
from tests.live import Server


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory, llm: FakeLLM) -> Iterator[World]:
    with Server(tmp_path_factory.mktemp("fuzzed"), llm) as running, requests.Session() as session:
        yield World(running, session)
        invariants.check(running.connection)
