"""A URL is told of a run's end although the worker died that was to tell it."""

from tests.live import Server, wait_until
from tests.live.callees import Callee


def test_a_worker_that_dies_before_the_call(server: Server, callee: Callee) -> None:
    reachable = {"PERDURE_CALLBACK_PRIVATE_HOSTS": f"127.0.0.1:{callee.port}", "PERDURE_CALLBACK_SECRET": callee.secret}
    server.workers.pop().kill()
    doomed = server.add_worker(PERDURE_FAULT="callback:kill", **reachable)
    run = server.send(server.agent(), "hello", callback_url=callee.url("200/at-last"))
    wait_until(lambda: not doomed.is_alive, what="the worker dies")
    assert server.await_end(run)["status"] == "completed"
    assert "200/at-last" not in callee.heard
    server.workers.remove(doomed)
    server.add_worker(**reachable)
    server.sql("UPDATE agents_callback SET next_at = now() WHERE run_id = %s RETURNING 1", run)
    [told] = wait_until(lambda: callee.heard.get("200/at-last"), what="the callback")
    assert told["run_id"] == run
