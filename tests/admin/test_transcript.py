"""The transcript: a conversation, readable, a page at a time."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.keys import issue_key
from agents.admin.transcript import page
from agents.approvals import OVERDUE
from agents.models import Approval, Conversation, Message
from tests.admin.conftest import Tenant, asked, ended, say


def url(conversation: Conversation) -> str:
    return reverse("admin:agents_conversation_transcript", args=[conversation.id])


def kinds(conversation: Conversation) -> list[tuple[str, str]]:
    return [(item["kind"], item["text"]) for entry in page(conversation).entries for item in entry.items]


def test_shows_speech_thoughts_calls_and_returns_in_order(acme: Tenant) -> None:
    assert kinds(acme.conversation)[1:] == [
        ("speech", "What is the time?"),
        ("thought", "I must look it up."),
        ("call", '{\n  "zone": "UTC"\n}'),
        ("return", "It is noon."),
        ("speech", "Noon, dear."),
    ]


def test_page_links_to_run_and_step(root: Client, acme: Tenant) -> None:
    shown = root.get(url(acme.conversation)).content.decode()
    assert reverse("admin:agents_run_change", args=[acme.run.id]) in shown
    assert reverse("admin:agents_step_change", args=[acme.run.steps.get().id]) in shown
    assert shown.index("What is the time?") < shown.index("Noon, dear.")


def test_pages_back_and_forth_without_gap_or_overlap(acme: Tenant) -> None:
    for index in range(20):
        say(acme.run, None, "user", {"content": f"line {index}"}, f"line {index}")
    conversation = acme.conversation
    pages, before = [], None
    while True:
        found = page(conversation, before, size=7)
        pages.append([entry.message.seq for entry in found.entries])
        if found.earlier is None:
            break
        before = found.earlier
    assert [seq for numbers in reversed(pages) for seq in numbers] == list(range(1, conversation.next_seq))
    assert all(len(numbers) == 7 for numbers in pages[:-1])
    later = page(conversation, found.later, size=7)
    assert later.entries[0].message.seq == pages[-1][-1] + 1


def test_page_of_nothing_but_old_ones_shows_links(root: Client, acme: Tenant) -> None:
    shown = root.get(url(acme.conversation), {"before": "3"}).content.decode()
    assert "What is the time?" in shown
    assert "Noon, dear." not in shown
    assert "Newest" in shown


def test_garbage_in_the_address_shows_the_newest(root: Client, acme: Tenant) -> None:
    for query in ({"before": "x"}, {"before": "9" * 40}, {"run": "run-unknown"}):
        shown = root.get(url(acme.conversation), query)
        assert shown.status_code == 200
        assert "Noon, dear." in shown.content.decode()


def test_marks_the_run_that_was_asked_for(root: Client, acme: Tenant) -> None:
    shown = root.get(url(acme.conversation), {"run": acme.run.id}).content.decode()
    assert shown.count(" marked") == 4


def test_says_what_is_out_of_context(root: Client, acme: Tenant) -> None:
    Conversation.objects.filter(id=acme.conversation.id).update(context_from=4)
    assert [entry.forgotten for entry in page(acme.conversation).entries] == [False, True, True, False, False]
    assert "out of context" in root.get(url(acme.conversation)).content.decode()


def test_of_another_organization_is_not_found(acme: Tenant, globex: Tenant) -> None:
    assert acme.client.get(url(globex.conversation)).status_code == 404
    assert acme.client.get(url(acme.conversation)).status_code == 200


CALL = {"id": "call_0", "name": "pay", "arguments": '{"euros": 5}'}


def asked_for_consent(acme: Tenant, text: str = "") -> Message:
    content = {"text": text, "reasoning": [], "calls": [CALL], "waiting": ["call_0"]}
    message = say(acme.run, None, "assistant", content, text)
    Approval.objects.create(
        organization=acme.organization,
        agent=acme.agent,
        conversation=acme.conversation,
        message=message,
        asked_by=acme.run,
        calls=[{"tool_call_id": "call_0", "name": "pay", "arguments": CALL["arguments"], "by_client": False}],
        deadline_at=timezone.now() + timedelta(days=1),
    )
    return message


def answered(acme: Tenant, message: Message, answer: dict[str, Any], by: str | None) -> None:
    answers = [{"tool_call_id": "call_0", **answer}]
    Approval.objects.filter(message=message).update(answers=answers, answered_at=timezone.now(), answered_by_id=by)
    say(acme.run, None, "approval", {"approval_request_id": message.id, "approvals": answers}, "")


@pytest.mark.parametrize("text", ["", "I shall pay."])
def test_a_call_that_waits_is_shown_and_that_nothing_is_answered(acme: Tenant, text: str) -> None:
    asked_for_consent(acme, text)
    item = page(acme.conversation).entries[-1].items[-1]
    assert (item["kind"], item["name"], item["text"]) == ("call", "pay", '{\n  "euros": 5\n}')
    shown = acme.client.get(url(acme.conversation)).content.decode()
    assert "nothing is answered yet" in shown
    assert "(nothing)" not in shown
    assert reverse("admin:agents_approval_change", args=[Approval.objects.get(answered_at=None).id]) in shown


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"type": "approval", "approve": True, "reason": None}, "approved, answered by acme"),
        ({"type": "approval", "approve": False, "reason": "too dear"}, "denied: too dear, answered by acme"),
        ({"type": "approval", "approve": False, "reason": OVERDUE}, "denied: nobody answered in time"),
        (
            {"type": "tool", "tool_return": "paid it", "status": "success"},
            "run by the client, answered by acme<pre>paid it</pre>",
        ),
    ],
)
def test_an_answer_is_shown_and_who_gave_it(acme: Tenant, answer: dict[str, Any], told: str) -> None:
    answered(acme, asked_for_consent(acme), answer, acme.user.pk)
    shown = acme.client.get(url(acme.conversation)).content.decode()
    assert f"<strong>pay</strong> {told}" in shown
    assert "waited for an answer, which follows" in shown
    assert "(nothing)" not in shown


def test_an_answer_by_an_api_key_names_the_key(acme: Tenant) -> None:
    key, _ = issue_key(acme.organization, name="the phone")
    answered(acme, asked_for_consent(acme), {"type": "approval", "approve": True, "reason": None}, key.id)
    assert (
        "approved, answered by the API key the phone (pdr_" in acme.client.get(url(acme.conversation)).content.decode()
    )


@pytest.mark.parametrize(
    ("status", "columns", "told"),
    [
        (
            "failed",
            {"error_code": "llm_auth", "error_message": "The key <b>is wrong</b>"},
            "failed (llm_auth): The key",
        ),
        ("failed", {"stop_reason": "max_runtime"}, "failed (max_runtime)."),
        ("cancelled", {}, "was cancelled."),
    ],
)
def test_a_run_that_ended_badly_says_so_behind_its_last_message(
    acme: Tenant, status: str, columns: dict[str, str], told: str
) -> None:
    run = asked(acme.agent, "And now?")
    say(run, None, "user", {"content": "And now?"}, "And now?")
    ended(run, status, **columns)
    shown = " ".join(acme.client.get(url(acme.conversation)).content.decode().split())
    link = reverse("admin:agents_run_change", args=[run.id])
    assert f'<a href="{link}">The run</a> {told}' in shown
    assert "<b>is wrong" not in shown
    assert [entry.ended_badly for entry in page(acme.conversation).entries][:-1] == [None] * 5
