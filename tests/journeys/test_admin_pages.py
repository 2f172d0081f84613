"""The admin in a real browser: somebody signs in and reads what an agent has said."""

import json
from typing import Any

from tests.live import Server, turn, wait_until
from tests.live.browser import Page, browser

PASSWORD = "a password of this test"
SET_PASSWORD = f"""
from accounts.models import User
admin = User.objects.get(username="admin")
admin.set_password({PASSWORD!r})
admin.save()
"""
HOSTILE = "<img src=x onerror=\"document.body.innerText='taken over'\">"


def test_somebody_signs_in_and_reads_a_transcript(server: Server) -> None:
    server.manage("shell", "--no-imports", script=SET_PASSWORD)
    agent = server.agent("conversation_search", name="Reader")
    server.await_end(server.send(agent, turn(f"{HOSTILE}\n!think Let me see.\n!say I am here.")))
    with browser() as page:
        sign_in(page, server.web.url)
        page.open(f"{server.web.url}/admin/agents/agent/{agent}/change/")
        assert "Reader" in page.text()
        [(conversation,)] = server.sql("SELECT id FROM agents_conversation WHERE agent_id = %s", agent)
        page.open(f"{server.web.url}/admin/agents/conversation/{conversation}/transcript/")
        told = page.text()
        assert "I am here." in told
        assert "Let me see." in told
        assert HOSTILE in told
        # The style sheets have arrived: without them everything would be black on white.
        assert page.run("getComputedStyle(document.querySelector('#header')).backgroundColor") != "rgba(0, 0, 0, 0)"
        assert page.complaints == []


def test_an_export_is_downloaded(server: Server) -> None:
    server.manage("shell", "--no-imports", script=SET_PASSWORD)
    client, agent = server.client(), server.agent(name="Kept")
    client.agents.messages.create(agent, input="remember me")
    body = {"identifier_key": "guest-of-pages", "name": "Guest", "identity_type": "user", "agent_ids": [agent]}
    identity: Any = client.post("/v1/identities/", body=body, cast_to=object)
    job: Any = client.post(f"/v1/identities/{identity['id']}/export", body={}, cast_to=object)
    done = "SELECT 1 FROM agents_identityjob WHERE id = %s AND status = 'completed'"
    wait_until(lambda: server.sql(done, job["id"]), what="the export is done")
    with browser() as page:
        sign_in(page, server.web.url)
        page.open(f"{server.web.url}/admin/agents/identityjob/")
        assert page.run("(table => table.scrollWidth <= table.clientWidth)(document.querySelector('.results'))")
        page.open(f"{server.web.url}/admin/agents/identityjob/{job['id']}/change/")
        fetched = page.run(FETCH)
    rows = [json.loads(line) for line in fetched.splitlines()]
    assert "remember me" in [row["data"]["text"] for row in rows if row["kind"] == "message"]


FETCH = """(() => {
    const request = new XMLHttpRequest();
    request.open("GET", document.querySelector(".field-archive a").href, false);
    request.send();
    return request.responseText;
})()"""


def sign_in(page: Page, url: str) -> None:
    page.open(f"{url}/admin/")
    page.run("document.querySelector('#id_username').value = 'admin'")
    page.run(f"document.querySelector('#id_password').value = {PASSWORD!r}")
    page.submit("#login-form")
    assert "LOG OUT" in page.text()
