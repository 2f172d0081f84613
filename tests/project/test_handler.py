"""Requests through the ASGI application, without a server around it."""

import asyncio
import threading

import httpx2
import pytest
from django.conf import settings

from accounts.fields import new_id
from accounts.keys import issue_key
from project.asgi import application
from tests.agents import given

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agent():
    return given.agent()


@pytest.fixture
def key(agent):
    return issue_key(agent.organization)[1]


def ask(count, method, path, key, **options):
    """The same request so many times, one after the other."""

    async def asked():
        transport = httpx2.ASGITransport(application, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
            headers = {"Authorization": f"Bearer {key}"}
            return [await client.request(method, path, headers=headers, **options) for _ in range(count)]

    return asyncio.run(asked())


@pytest.mark.parametrize("path", ["agents/", "agents/{}/messages", "mcp-servers/", "agents/{}/archival-memory/search"])
def test_views_keep_no_connection(agent, key, path):
    """Whether they are asked in a thread from the beginning, or by an async view before them."""
    more_than_there_are = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"] + 2
    answers = ask(more_than_there_are, "GET", f"/v1/{path.format(agent.id)}?query=x", key)
    assert {answer.status_code for answer in answers} == {200}


def test_nor_do_views_that_fail(key):
    more_than_there_are = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"] + 2
    answers = ask(more_than_there_are, "GET", f"/v1/agents/{new_id('agent')}", key)
    assert {answer.status_code for answer in answers} == {404}


def test_an_async_view_needs_no_thread_of_its_own(agent, key, monkeypatch):
    started, start = [], threading.Thread.start

    def counted(thread):
        started.append(thread.name)
        start(thread)

    path, body = f"/v1/agents/{agent.id}/messages/async", {"input": "hi"}
    ask(20, "POST", path, key, json=body)  # the threads that all requests share are there now
    monkeypatch.setattr(threading.Thread, "start", counted)
    answers = ask(5, "POST", path, key, json=body)
    assert {answer.status_code for answer in answers} == {200}
    assert not started
