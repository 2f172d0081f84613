"""Conversations through the API: changed, archived, listed, forked, deleted."""

import pytest

from agents.models import Conversation, Message, Run
from tests.agents import given
from tests.agents.api.test_pages import walked
from tests.agents.loop.doubles import calls, says


@pytest.fixture
def agent(acme):
    return acme.agent(tools=["conversation_search"])["id"]


def made(caller, agent, **fields):
    return caller.post(f"conversations/?agent_id={agent}", fields)["id"]


def listed(caller, query=""):
    return [row["id"] for row in caller.get(f"conversations/?order=asc&{query}")]


def talked(caller, conversation, *turns):
    """Each turn is the model's answers to one message."""
    place = Conversation.objects.get(id=conversation)
    for number, answers in enumerate(turns):
        run = given.accept(place, given.offer(f"question {number}"))
        for _ in answers:
            turn = given.claim(conversation, "worker-1", given.LONG)
            given.step(turn, given.Outfit(given.Script(*[answers[turn.step.no - 1]])), given.Abort())
        assert given.ended(run)[0] == "completed"


def texts_of(messages):
    return [message["content"] for message in messages[1:] if "content" in message]


TURNS = [[says("answer 0")], [calls(("conversation_search", {"query": "x"})), says("answer 1")], [says("answer 2")]]


def test_what_is_made_is_shown(acme, agent):
    fields = {
        "summary": "about tea",
        "description": "a long talk",
        "model": "demo/scripted",
        "model_settings": {"temperature": 0.5},
        "context_window_limit": 9000,
    }
    shown = acme.post(f"conversations/?agent_id={agent}", fields)
    assert {name: shown[name] for name in fields} == fields
    assert acme.get(f"conversations/{shown['id']}") == shown


def test_what_is_changed_and_what_is_taken_back(acme, agent):
    id = made(acme, agent, summary="old", model="demo/scripted", context_window_limit=9000)
    changed = acme.patch(
        f"conversations/{id}", {"summary": "new", "model": None, "last_message_at": "2026-01-02T03:04:05Z"}
    )
    assert (changed["summary"], changed["model"], changed["context_window_limit"]) == ("new", None, 9000)
    assert changed["last_message_at"] == "2026-01-02T03:04:05.000000Z"
    assert changed["updated_at"] > changed["created_at"]
    assert acme.get(f"conversations/{id}") == changed


def test_a_model_that_nobody_serves(acme, agent):
    id = made(acme, agent)
    assert "nobody" in acme.refused(404, "PATCH", f"conversations/{id}", {"model": "nobody/x"})
    assert "provider/model" in acme.refused(400, "POST", f"conversations/?agent_id={agent}", {"model": "x"})


@pytest.mark.parametrize("field", ["summary", "model_settings", "context_window_limit", "archived", "last_message_at"])
def test_a_bad_field_is_told_with_its_place(acme, agent, field):
    [problem] = acme.refused(422, "PATCH", f"conversations/{made(acme, agent)}", {field: ["nonsense"]})
    assert problem["loc"] == ["body", field]


def test_a_block_of_its_own_is_edited_there_and_nowhere_else(acme):
    blocks = [{"label": "human", "value": "Ann"}, {"label": "persona", "value": "Ada"}]
    agent = acme.agent(tools=["memory_insert"], memory_blocks=blocks)
    id = made(acme, agent["id"], isolated_block_labels=["human"])
    [own] = acme.get(f"conversations/{id}")["isolated_block_ids"]
    insertions = [{"label": "human", "new_string": "likes tea"}, {"label": "persona", "new_string": "is kind"}]
    talked(acme, id, [calls(*[("memory_insert", insertion) for insertion in insertions]), says("Noted.")])
    assert acme.get(f"blocks/{own}")["value"] == "Ann\nlikes tea"
    there = acme.get(f"agents/{agent['id']}/context?conversation_id={id}")["core_memory"]
    elsewhere = acme.get(f"agents/{agent['id']}/context")["core_memory"]
    assert ("likes tea" in there, "is kind" in there) == (True, True)
    assert ("likes tea" in elsewhere, "is kind" in elsewhere) == (False, True)


def test_a_fork_has_copies_of_the_blocks_of_its_own(acme):
    agent = acme.agent(memory_blocks=[{"label": "human", "value": "Ann"}])["id"]
    id = made(acme, agent, isolated_block_labels=["human"])
    [own] = acme.get(f"conversations/{id}")["isolated_block_ids"]
    acme.patch(f"blocks/{own}", {"value": "Bob"})
    forked = acme.post(f"conversations/{id}/fork", {})
    [copy] = forked["isolated_block_ids"]
    assert copy != own
    assert acme.get(f"blocks/{copy}")["value"] == "Bob"
    acme.told("DELETE", f"conversations/{id}")
    acme.refused(404, "GET", f"blocks/{own}")
    assert acme.get(f"blocks/{copy}")["value"] == "Bob"


def test_a_block_of_its_own_needs_one_of_the_agent(acme, agent):
    refused = acme.refused(400, "POST", f"conversations/?agent_id={agent}", {"isolated_block_labels": ["nothing"]})
    assert "nothing" in refused


def test_an_archived_one_leaves_the_list_and_comes_back(acme, agent):
    first, second = made(acme, agent), made(acme, agent)
    shown = acme.patch(f"conversations/{first}", {"archived": True})
    assert shown["archived"]
    assert shown["archived_at"]
    assert listed(acme) == listed(acme, "archive_status=unarchived") == [second]
    assert listed(acme, "archive_status=archived") == [first]
    assert listed(acme, "archive_status=all") == [first, second]
    assert acme.patch(f"conversations/{first}", {"archived": False})["archived_at"] is None
    assert listed(acme) == [first, second]
    assert acme.refused(422, "GET", "conversations/?archive_status=lost")[0]["loc"] == ["query", "archive_status"]


def test_a_hidden_one_is_not_listed(acme, agent):
    id = made(acme, agent, hidden=True)
    assert listed(acme, "archive_status=all") == []
    assert acme.get(f"conversations/{id}")["id"] == id


def test_search_in_summaries(acme, agent):
    tea = made(acme, agent, summary="About Tea")
    made(acme, agent, summary="about coffee")
    made(acme, agent)
    assert listed(acme, "summary_search=tea") == [tea]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("order_by", ["created_at", "last_message_at", "last_run_completion"])
def test_orders_hold_everything_once(acme, agent, order_by, order):
    ids = [made(acme, agent) for _ in range(4)]
    for id in (ids[2], ids[0]):
        talked(acme, id, [says("hello")])
    upwards = ids if order_by == "created_at" else [*sorted([ids[1], ids[3]]), ids[2], ids[0]]
    found = walked(acme, "conversations/", 1, order=order, order_by=order_by)
    assert found == (upwards if order == "asc" else upwards[::-1])


class TestFork:
    @pytest.fixture
    def original(self, acme, agent):
        id = made(acme, agent, summary="the talk", context_window_limit=9000)
        talked(acme, id, *TURNS)
        return id

    def said(self, caller, id):
        return [
            (m["message_type"], m.get("content"), m["date"])
            for m in caller.get(f"conversations/{id}/messages?order=asc")
        ][1:]

    def test_all_of_it(self, acme, agent, original):
        forked = acme.post(f"conversations/{original}/fork")
        assert (forked["agent_id"], forked["summary"], forked["context_window_limit"]) == (agent, "the talk", 9000)
        assert self.said(acme, forked["id"]) == self.said(acme, original)
        assert len(forked["in_context_message_ids"]) == Message.objects.filter(conversation=original).count()
        assert not set(forked["in_context_message_ids"]) & set(
            Message.objects.filter(conversation=original).values_list("id", flat=True)
        )
        assert (
            f"- CONVERSATION_ID: {forked['id']}"
            in acme.get(f"conversations/{forked['id']}/messages?order=asc")[0]["content"]
        )

    def test_each_goes_its_own_way(self, acme, original):
        before = self.said(acme, original)
        forked = acme.post(f"conversations/{original}/fork")["id"]
        talked(acme, forked, [says("otherwise")])
        assert self.said(acme, original) == before
        assert texts_of(acme.get(f"conversations/{forked}/messages"))[-2:] == ["question 0", "otherwise"]
        talked(acme, original, [says("as before")])
        assert texts_of(acme.get(f"conversations/{original}/messages"))[-1] == "as before"

    def test_up_to_a_message(self, acme, original):
        first_answer = Message.objects.get(conversation=original, seq=3).id
        forked = acme.post(f"conversations/{original}/fork?message_id={first_answer}")["id"]
        assert texts_of(acme.get(f"conversations/{forked}/messages")) == ["question 0", "answer 0"]
        talked(acme, forked, [says("otherwise")])
        assert Message.objects.filter(conversation=forked).count() == 5

    def test_calls_take_their_returns_along(self, acme, original):
        calling = Message.objects.get(conversation=original, seq=5)
        assert calling.content["calls"]
        forked = acme.post(f"conversations/{original}/fork?message_id={calling.id}")["id"]
        assert (
            list(Message.objects.filter(conversation=forked).order_by("seq").values_list("role", flat=True))[-1]
            == "tool"
        )

    def test_what_left_the_context_stays_out_of_it(self, acme, original):
        Conversation.objects.filter(id=original).update(context_from=7)
        forked = acme.post(f"conversations/{original}/fork")
        assert len(forked["in_context_message_ids"]) == 1 + 3
        earlier = Message.objects.get(conversation=original, seq=3).id
        assert len(acme.post(f"conversations/{original}/fork?message_id={earlier}")["in_context_message_ids"]) == 3

    def test_of_the_agents_own_thread_and_hidden(self, acme, agent):
        for path in (f"conversations/default/fork?agent_id={agent}&hidden=true", f"conversations/{agent}/fork"):
            assert acme.post(path)["agent_id"] == agent
        assert len(listed(acme)) == 1

    def test_while_it_is_at_work(self, acme, original):
        place = Conversation.objects.get(id=original)
        given.accept(place, given.offer("more"))
        assert "at work" in acme.refused(409, "POST", f"conversations/{original}/fork")
        answer = Message.objects.get(conversation=original, seq=3).id
        acme.post(f"conversations/{original}/fork?message_id={answer}")

    def test_calls_without_returns(self, acme, original):
        calling = Message.objects.get(conversation=original, seq=5)
        Message.objects.filter(conversation=original, seq__gt=5).delete()
        assert "have not returned" in acme.refused(
            409, "POST", f"conversations/{original}/fork?message_id={calling.id}"
        )

    def test_at_a_message_of_another_conversation(self, acme, agent, original):
        other = Message.objects.get(conversation=made(acme, agent)).id
        acme.refused(404, "POST", f"conversations/{original}/fork?message_id={other}")


def test_recompiled(acme, agent):
    id = made(acme, agent)
    acme.patch(f"agents/{agent}", {"system": "You are brief."})
    assert acme.post(f"conversations/{id}/recompile?dry_run=true").startswith("You are brief.")
    stored = Message.objects.get(conversation=id)
    assert not stored.content["text"].startswith("You are brief.")
    acme.post("conversations/default/recompile", {"agent_id": agent})
    acme.post(f"conversations/{id}/recompile")
    stored.refresh_from_db()
    assert stored.content["text"].startswith("You are brief.")


def test_deleted_with_all_that_was_said(acme, agent):
    id = made(acme, agent)
    talked(acme, id, *TURNS)
    acme.told("DELETE", f"conversations/{id}")
    acme.refused(404, "GET", f"conversations/{id}")
    assert not Run.objects.exists()
    assert not Message.objects.filter(conversation_id=id).exists()
    assert acme.get(f"agents/{agent}/messages")


def test_not_deleted_while_it_is_at_work(acme, agent):
    id = made(acme, agent)
    given.accept(Conversation.objects.get(id=id), given.offer("hi"))
    assert "Cancel its runs" in acme.refused(409, "DELETE", f"conversations/{id}")
    assert acme.get(f"conversations/{id}")


def test_the_agents_own_thread_is_not_deleted(acme, agent):
    for path in (f"conversations/default?agent_id={agent}", f"conversations/{agent}"):
        assert "own thread" in acme.refused(400, "DELETE", path)


@pytest.mark.parametrize(
    ("method", "path"),
    [("PATCH", ""), ("DELETE", ""), ("POST", "/fork"), ("POST", "/recompile"), ("POST", "/stream")],
)
def test_another_organizations_is_not_found(acme, globex, agent, method, path):
    id = made(acme, agent)
    talked(acme, id, [says("secret")])
    globex.refused(404, method, f"conversations/{id}{path}", {})
    assert acme.get(f"conversations/{id}")
