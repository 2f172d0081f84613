"""Tools of a Django app of the operator's: trusted, in this process, with the database."""

import pytest

from agents.models import Message
from memory.models import Archive
from tests.agents import given
from tests.agents.loop.doubles import calls, says

pytestmark = pytest.mark.django_db(transaction=True)


def names() -> list[str]:
    return list(Archive.objects.order_by("name").values_list("name", flat=True))


def test_a_tool_that_writes_rows_does_so_in_the_commit_that_records_it(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = given.agent("open_archive")
    given.said(agent)
    given.advance(agent, calls(("open_archive", {"name": "notes"}), ("open_archive", {"name": "broken"})), says("Done"))
    archive = Archive.objects.get()
    assert (archive.name, archive.organization_id) == ("notes", agent.organization_id)
    returns = Message.objects.filter(agent=agent, role="tool").order_by("seq").values_list("text", flat=True)
    assert list(returns) == [archive.id, "It cannot be called that."]


def test_a_commit_that_is_made_twice_writes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.ledger.settled", given.twice)
    agent = given.agent("open_archive")
    given.said(agent)
    given.advance(agent, calls(("open_archive", {"name": "notes"})))
    assert names() == ["notes"]


def test_a_tool_that_reads_rows_sees_its_own_organization() -> None:
    agent, stranger = given.agent("list_archives"), given.organization("Globex")
    Archive.objects.create(organization=agent.organization, name="ours")
    Archive.objects.create(organization=stranger, name="theirs")
    given.said(agent)
    given.advance(agent, calls(("list_archives", {})), says("Done"))
    assert Message.objects.get(agent=agent, role="tool").text == '["ours"]'


def test_they_are_listed_and_attached_like_the_others() -> None:
    agent = given.agent("list_archives", "open_archive", "ring_bell")
    kinds = agent.tools.order_by("name").values_list("name", "tool_type", "source_code")
    assert list(kinds) == [(name, "custom", None) for name in ("list_archives", "open_archive", "ring_bell")]
