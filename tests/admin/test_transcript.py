"""The transcript: a conversation, readable, a page at a time."""

from django.test import Client
from django.urls import reverse

from agents.admin.transcript import page
from agents.models import Conversation
from tests.admin.conftest import Tenant, say


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
