"""A URL that was named with a message is told how its run has ended."""

import letta_client
import pytest

from tests.live import Server, wait_until
from tests.live.callees import Callee


def sent(server: Server, callee: Callee, agent: str, text: str, path: str) -> str:
    return server.send(agent, text, callback_url=callee.url(path))


def test_the_end_of_a_run_is_told(server: Server, callee: Callee) -> None:
    run = sent(server, callee, server.agent(), "hello", "200/ended")
    told = wait_until(lambda: callee.heard.get("200/ended"), what="the callback")
    assert [(one["run_id"], one["status"], one["stop_reason"]) for one in told] == [(run, "completed", "end_turn")]
    assert run in callee.ids
    shown = wait_until(lambda: one if (one := server.client().runs.retrieve(run)).callback_sent_at else None)
    assert (shown.callback_url, shown.callback_status_code) == (callee.url("200/ended"), 200)


def test_so_is_a_failure_and_a_cancel(server: Server, callee: Callee) -> None:
    agent = server.agent()
    failed = sent(server, callee, agent, "!status 401", "200/failed")
    cancelled = sent(server, callee, agent, "!sleep 20\n!say late", "200/cancelled")
    server.client().agents.messages.cancel(agent, run_ids=[cancelled])
    for run, path in ((failed, "200/failed"), (cancelled, "200/cancelled")):
        [told] = wait_until(lambda path=path: callee.heard.get(path), what=f"the callback {path}")
        assert (told["run_id"], told["status"]) == (run, path.split("/")[1])


def test_one_that_is_not_taken_is_tried_again(server: Server, callee: Callee) -> None:
    run = sent(server, callee, server.agent(), "hello", "503/busy")
    wait_until(lambda: callee.heard.get("503/busy"), what="the callback")
    noted = "SELECT status_code FROM agents_callback WHERE run_id = %s"
    wait_until(lambda: server.sql(noted, run) == [(503,)], what="the answer is noted")
    server.sql("UPDATE agents_callback SET next_at = now() WHERE run_id = %s RETURNING 1", run)
    wait_until(lambda: len(callee.heard["503/busy"]) == 2, what="the second try")
    shown = server.client().runs.retrieve(run)
    assert (shown.status, shown.callback_sent_at, shown.callback_error) == ("completed", None, "The answer was 503.")


def test_a_place_that_is_not_public_is_not_called(server: Server) -> None:
    run = server.send(server.agent(), "hello", callback_url="http://127.0.0.1:9/inside")
    shown = wait_until(lambda: one if (one := server.client().runs.retrieve(run)).callback_error else None)
    assert "may not be reached" in (shown.callback_error or "")
    assert shown.status == "completed"


@pytest.mark.parametrize("url", ["ftp://example.org", "nonsense", "http://user:word@example.org/"])
def test_what_is_no_url_is_refused(server: Server, url: str) -> None:
    with pytest.raises(letta_client.UnprocessableEntityError) as refused:
        server.send(server.agent(), "hello", callback_url=url)
    assert refused.value.body["detail"][0]["loc"] == ["body", "callback_url"]
