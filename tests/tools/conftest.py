"""What tests of tools share: a context with a little memory."""

from datetime import UTC, datetime
from typing import Any

import pytest

from memory.archival import Archival
from memory.core import BlockText, CoreMemory
from tools import registry
from tools.executor import ToolContext, run
from tools.spec import ToolCall, ToolReturn

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def call():
    """Run a registered tool by name: `call("send_message", context, message="hi")`."""
    registry.load(["tests.tools.sample_tools"])

    def call(name: str, context: ToolContext, **arguments: Any) -> ToolReturn:
        registered = registry.find(name)
        assert registered is not None
        return run(registered, arguments, context, ToolCall("call-1", name, "{}"))

    return call


@pytest.fixture
def make_context():
    def make_context(
        archival: Archival | None = None, messages: Any = None, organization_id: str = "org-1"
    ) -> ToolContext:
        return ToolContext(
            organization_id=organization_id,
            agent_id="agent-1",
            conversation_id="conv-1",
            effect_key="key-1",
            core=CoreMemory([BlockText("human", "Name: Ann\nlikes tea", 100), BlockText("persona", "Sam", 100)]),
            archival=archival or Archival(organization_id, [], _no_archive),
            messages=messages,
            mail=_NoMail(),
            files=_NoFiles(),
            now=NOW,
        )

    return make_context


class _NoMail:
    def send(self, message, agent_id):
        raise AssertionError("this test sends nothing")

    ask = ask_tagged = send


class _NoFiles:
    def open(self, requests, close_all_others):
        raise AssertionError("this test reads no files")

    grep = search = open


def _no_archive():
    raise AssertionError("this test files nothing away")
