"""Lists a page at a time, as the SDK walks through them."""

import pytest

from agents.models import Message
from tests.agents import given
from tests.agents.loop.doubles import says

PAGED = ("agents", "blocks", "runs", "tools", "conversations")


@pytest.fixture
def filled(acme):
    """Seven of each kind."""
    agents = [acme.agent(memory_blocks=[{"label": "human", "value": ""}]) for _ in range(7)]
    for _ in range(7):
        acme.post(f"agents/{agents[0]['id']}/messages/async", {"input": "hi"})
        acme.post(f"conversations/?agent_id={agents[0]['id']}")
    return acme


def walked(caller, path, size=3, **query):
    """Every id, page after page, until one is empty; as letta-client does it."""
    words = "&".join(f"{name}={value}" for name, value in query.items())
    found, cursor = [], ""
    while page := caller.get(f"{path}?limit={size}&{words}{cursor}"):
        found += [item["id"] for item in page]
        cursor = f"&after={page[-1]['id']}"
    return found


@pytest.mark.parametrize("path", PAGED)
def test_pages_hold_everything_once_in_both_orders(filled, path):
    whole = [item["id"] for item in filled.get(f"{path}/?limit=100&order=asc")]
    assert len(whole) >= 7
    for size in (1, 3, 7):
        assert walked(filled, f"{path}/", size, order="asc") == whole
        assert walked(filled, f"{path}/", size, order="desc") == whole[::-1]
    assert walked(filled, f"{path}/") == whole[::-1]


@pytest.mark.parametrize("path", PAGED)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_before_gives_the_page_that_ends_at_the_cursor(filled, path, order):
    whole = [item["id"] for item in filled.get(f"{path}/?limit=100&order={order}")]
    page = filled.get(f"{path}/?limit=2&order={order}&before={whole[5]}")
    assert [item["id"] for item in page] == whole[3:5]
    between = filled.get(f"{path}/?order={order}&after={whole[1]}&before={whole[5]}")
    assert [item["id"] for item in between] == whole[2:5]


@pytest.mark.parametrize("path", PAGED)
@pytest.mark.parametrize(
    ("query", "loc"),
    [
        ("order=sideways", ["query", "order"]),
        ("limit=many", ["query", "limit"]),
        ("limit=-1", ["query", "limit"]),
        ("after=nobody", ["query", "after"]),
        ("before=nobody", ["query", "before"]),
    ],
)
def test_a_bad_query_is_told_with_its_place(acme, path, query, loc):
    assert acme.refused(422, "GET", f"{path}/?{query}")[0]["loc"] == loc


@pytest.mark.parametrize("path", PAGED)
def test_a_limit_of_nothing_gives_nothing(filled, path):
    assert filled.get(f"{path}/?limit=0") == []


def test_a_cursor_is_of_the_same_list(filled):
    agent = filled.get("agents/")[0]["id"]
    assert filled.refused(422, "GET", f"blocks/?after={agent}")


@pytest.fixture
def talked(acme):
    """The path of an agent's messages, five turns long, and the texts in their order."""
    agent = acme.agent()
    texts = []
    for number in range(5):
        acme.post(f"agents/{agent['id']}/messages/async", {"input": f"question {number}"})
        given.advance(given.Agent.objects.get(), says(f"answer {number}"))
        texts += [f"question {number}", f"answer {number}"]
    return f"agents/{agent['id']}/messages", texts


def texts_of(messages):
    return [message["content"] for message in messages if message["message_type"] != "system_message"]


def test_messages_without_an_order_are_the_newest_oldest_first(acme, talked):
    path, texts = talked
    assert texts_of(acme.get(f"{path}?limit=4")) == texts[-4:]
    assert texts_of(acme.get(f"{path}?limit=1")) == texts[-1:]
    assert texts_of(acme.get(path)) == texts


def test_messages_without_an_order_have_absolute_cursors(acme, talked):
    path, texts = talked
    ids = list(Message.objects.order_by("seq").values_list("id", flat=True))[1:]
    assert texts_of(acme.get(f"{path}?after={ids[5]}")) == texts[6:]
    assert texts_of(acme.get(f"{path}?limit=2&after={ids[5]}")) == texts[6:8]
    assert texts_of(acme.get(f"{path}?limit=2&before={ids[5]}")) == texts[3:5]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_messages_in_a_given_order_are_all_reached(acme, talked, size):
    path, _ = talked
    ids = list(Message.objects.order_by("seq").values_list("id", flat=True))
    assert walked(acme, path, size, order="asc") == ids
    assert walked(acme, path, size, order="desc") == ids[::-1]


def test_messages_of_a_run_and_of_a_conversation(acme, talked):
    _, texts = talked
    run = acme.get("runs/?order=asc")[1]["id"]
    assert texts_of(acme.get(f"runs/{run}/messages")) == texts[2:4]
    agent = acme.get("agents/")[0]["id"]
    assert texts_of(acme.get(f"conversations/default/messages?agent_id={agent}")) == texts
