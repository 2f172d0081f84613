"""The admin in a real browser: somebody signs in and reads what an agent has said."""

from tests.live import Server, turn
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


def sign_in(page: Page, url: str) -> None:
    page.open(f"{url}/admin/")
    page.run("document.querySelector('#id_username').value = 'admin'")
    page.run(f"document.querySelector('#id_password').value = {PASSWORD!r}")
    page.submit("#login-form")
    assert "LOG OUT" in page.text()
