"""Ledger rows are read-only; runs are cancelled and retried."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents.admin.display import duration, pretty
from agents.admin.retry import retry
from agents.models import Conversation, Run
from tests.admin.conftest import Tenant, asked, ended
from workers.models import Worker

RUNS = "/admin/agents/run/"


def act(client: Client, action: str, *runs: Run) -> str:
    """The messages that follow an action on these runs."""
    data = {"action": action, "_selected_action": [run.id for run in runs]}
    return "\n".join(str(message) for message in client.post(RUNS, data, follow=True).context["messages"])


def ledger(acme: Tenant) -> list[Any]:
    run = acme.run
    return [run, run.steps.get(), run.attempts.get(), run.messages.first(), Worker.objects.get()]


def test_ledger_rows_can_only_be_read(root: Client, acme: Tenant) -> None:
    for row in ledger(acme):
        name = row._meta.label_lower.replace(".", "_")
        assert root.get(reverse(f"admin:{name}_add")).status_code == 403
        assert root.post(reverse(f"admin:{name}_change", args=[row.pk]), {}).status_code == 403
        assert root.post(reverse(f"admin:{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
        assert type(row).objects.filter(pk=row.pk).exists()
        selected = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        root.post(reverse(f"admin:{name}_changelist"), selected)
        assert type(row).objects.filter(pk=row.pk).exists()


def test_run_page_tells_its_story(root: Client, acme: Tenant) -> None:
    page = root.get(reverse("admin:agents_run_change", args=[acme.run.id])).content.decode()
    for part in ("3 min 12 s", "2.4 s", "12 ms", "1,234 / 56", "end_turn", "step 1", "clock", "Noon, dear."):
        assert part in page
    assert page.index("What is the time?") < page.index("calls clock") < page.index("Noon, dear.")


def test_queued_run_is_cancelled(root: Client, acme: Tenant) -> None:
    run = asked(acme.agent)
    assert "1 run cancelled." in act(root, "cancel_runs", run)
    run.refresh_from_db()
    assert run.status == "cancelled"


def test_run_at_work_is_asked_to_stop(root: Client, acme: Tenant) -> None:
    run = asked(acme.agent)
    Run.objects.filter(id=run.id).update(status="running")
    lease = timezone.now() + timedelta(minutes=1)
    Conversation.objects.filter(id=run.conversation_id).update(owner="worker-1", lease_until=lease)
    assert "told to stop" in act(root, "cancel_runs", run)
    run.refresh_from_db()
    assert run.status == "running"
    assert run.cancel_requested_at


def test_ended_run_is_left_alone(root: Client, acme: Tenant) -> None:
    assert "1 run left alone" in act(root, "cancel_runs", acme.run)
    acme.run.refresh_from_db()
    assert acme.run.status == "completed"


def test_retry_asks_the_same_again(root: Client, acme: Tenant) -> None:
    run = asked(acme.agent, "Again?", max_steps=3)
    ended(run, "failed", error_code="internal_error", stop_reason="error")
    said = act(root, "retry_runs", run, acme.run)
    again = Run.objects.get(conversation=run.conversation, seq=run.seq + 1)
    assert again.id in said
    assert "1 run left alone" in said
    assert (again.status, again.options, again.idempotency_key) == ("queued", {"max_steps": 3}, None)
    assert again.input[0]["content"] == "Again?"
    assert again.input[0]["id"] != run.input[0]["id"]
    assert again.fingerprint == run.fingerprint
    assert again.conversation.inbox.ready_at is not None
    run.refresh_from_db()
    assert run.status == "failed"


@pytest.mark.parametrize("status", ["queued", "running", "completed"])
def test_only_what_went_wrong_is_retried(acme: Tenant, status: str) -> None:
    run = asked(acme.agent)
    ended(run, status)
    with pytest.raises(ValueError, match=status):
        retry(run)


def test_run_of_another_organization_is_not_cancelled(acme: Tenant, globex: Tenant) -> None:
    run = asked(globex.agent)
    act(acme.client, "cancel_runs", run)
    run.refresh_from_db()
    assert run.cancel_requested_at is None


def test_who_may_only_look_may_not_act(acme: Tenant) -> None:
    acme.user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    run = asked(acme.agent)
    act(acme.client, "cancel_runs", run)
    run.refresh_from_db()
    assert run.cancel_requested_at is None


def test_who_may_only_look_sees_every_page(acme: Tenant) -> None:
    acme.user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    for row in (
        acme.agent,
        acme.agent.blocks.first(),
        acme.agent.tools.first(),
        acme.conversation,
        acme.user,
        acme.run,
    ):
        name = row._meta.label_lower.replace(".", "_")
        assert acme.client.get(reverse(f"admin:{name}_change", args=[row.pk])).status_code == 200


def test_worker_is_alive_while_its_heart_beats(root: Client, acme: Tenant) -> None:
    url = "/admin/workers/worker/"
    assert 'alt="True"' in root.get(url).content.decode()
    Worker.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=31))
    assert 'alt="False"' in root.get(url).content.decode()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0 ms"),
        (0.34, "340 ms"),
        (2.44, "2.4 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (192, "3 min 12 s"),
        (7500, "2 h 5 min"),
        (270000, "3 d 3 h"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_pretty() -> None:
    assert pretty('{"a": 1}') == '{\n  "a": 1\n}'
    assert pretty("not { json") == "not { json"


def test_what_is_not_so_is_told_in_words(root: Client, acme: Tenant) -> None:
    """Django's icon for it is a red cross, which reads as a failure."""
    shown = root.get(f"/admin/agents/run/{acme.run.id}/change/").content.decode()
    assert "Waits for replies" in shown
    assert "icon-no" not in shown
