"""Every list of letta-client, as the client itself goes through it: both orders, pages of any size, each item once."""

import inspect
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

import letta_client
import pytest
from letta_client import Letta

from tests.journeys.test_client_surface import METHODS, NOT_SERVED, SOURCE
from tests.live import Server, call, turn

MANY = 5


@dataclass(frozen=True)
class Filled:
    """A client of an organization that has at least five of everything, and where to look for it."""

    client: Letta
    agent: str
    block: str
    conversation: str
    run: str
    step: str
    folder: str


@pytest.fixture(scope="module")
def filled(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    client, folder = server.client(), tmp_path_factory.mktemp("lamps")
    blocks = [{"label": f"label-{n}", "value": ""} for n in range(MANY)]
    agent = server.agent("set_lamp", memory_blocks=blocks, tags=[f"tag-{n}" for n in range(MANY)])
    block = str(client.agents.blocks.list(agent).items[0].id)
    shelf = client.folders.create(name=f"walked {uuid.uuid4().hex}").id
    for n in range(MANY):
        other = server.agent(block_ids=[block])
        client.folders.files.upload(shelf, file=(f"file {n}.txt", b"Some words."))
        client.agents.folders.attach(client.folders.create(name=f"folder {n} {uuid.uuid4().hex}").id, agent_id=agent)
        client.agents.folders.attach(shelf, agent_id=other)
        client.archives.create(name=f"archive {n}")
        client.agents.passages.create(agent, text=f"passage {n}")
        client.agents.tools.attach(client.tools.upsert(source_code=SOURCE.format(name=f"paged_{n}")).id, agent_id=agent)
        client.conversations.create(agent_id=agent)
        client.agents.messages.create(agent, input=f"message {n}")
    client.agents.folders.attach(shelf, agent_id=agent)
    lamps = "\n".join(call("set_lamp", folder=folder) for _ in range(MANY))
    answers = [lamps] + [call("set_lamp", folder=folder / str(n)) for n in range(MANY - 2)]
    conversation = client.conversations.create(agent_id=agent).id
    list(client.conversations.messages.create(conversation, input=turn(*answers, "!say done")))
    run = str(client.runs.list(conversation_id=conversation).items[0].id)
    step = str(client.runs.steps.list(run).items[0].id)
    return Filled(client, agent, block, conversation, run, step, shelf)


Listing = Callable[..., Iterable[Any]]

PAGED: dict[str, Callable[[Filled], Listing]] = {
    "agents.list": lambda f: f.client.agents.list,
    "agents.blocks.list": lambda f: lambda **words: f.client.agents.blocks.list(f.agent, **words),
    "agents.messages.list": lambda f: lambda **words: f.client.agents.messages.list(f.agent, **words),
    "agents.tools.list": lambda f: lambda **words: f.client.agents.tools.list(f.agent, **words),
    "agents.folders.list": lambda f: lambda **words: f.client.agents.folders.list(f.agent, **words),
    "agents.files.list": lambda f: lambda **words: f.client.agents.files.list(f.agent, **words),
    "folders.list": lambda f: f.client.folders.list,
    "folders.files.list": lambda f: lambda **words: f.client.folders.files.list(f.folder, **words),
    "archives.list": lambda f: f.client.archives.list,
    "blocks.list": lambda f: f.client.blocks.list,
    "blocks.agents.list": lambda f: lambda **words: f.client.blocks.agents.list(f.block, **words),
    "conversations.messages.list": lambda f: (
        lambda **words: f.client.conversations.messages.list(f.conversation, **words)
    ),
    "runs.list": lambda f: f.client.runs.list,
    "runs.messages.list": lambda f: lambda **words: f.client.runs.messages.list(f.run, **words),
    "runs.steps.list": lambda f: lambda **words: f.client.runs.steps.list(f.run, **words),
    "steps.list": lambda f: f.client.steps.list,
    "steps.messages.list": lambda f: lambda **words: f.client.steps.messages.list(f.step, **words),
    "tools.list": lambda f: f.client.tools.list,
}

# These answer with a bare list, and their users go from page to page themselves.
BARE: dict[str, Callable[[Filled], Listing]] = {
    "folders.agents.list": lambda f: lambda **words: f.client.folders.agents.list(f.folder, **words),
    "conversations.list": lambda f: f.client.conversations.list,
    "messages.list": lambda f: f.client.messages.list,
    "tags.list": lambda f: f.client.tags.list,
}
LISTS = PAGED | BARE


def key_of(item: Any) -> str:
    return item if isinstance(item, str) else str(item.id)


def walked(listing: Listing, **words: Any) -> Iterator[str]:
    """The keys of all items, page after page, until one is empty."""
    page = [key_of(item) for item in listing(**words)]
    while page:
        yield from page
        page = [key_of(item) for item in listing(**words, after=page[-1])]


def test_every_list_that_has_an_order_is_here() -> None:
    client = Letta(base_url="http://127.0.0.1", api_key="none")
    ordered = [name for name in METHODS if "order" in inspect.signature(attrgetter(name)(client)).parameters]
    assert sorted(LISTS) == sorted(set(ordered) - set(NOT_SERVED))


@pytest.mark.parametrize("name", PAGED)
def test_the_client_comes_to_each_item_once(filled: Filled, name: str) -> None:
    listing = PAGED[name](filled)
    whole = [key_of(item) for item in listing(limit=1000, order="asc")]
    assert len(whole) == len(set(whole)) >= MANY
    for size in (1, 3) if len(whole) < 40 else (7,):
        assert [key_of(item) for item in listing(limit=size, order="asc")] == whole
        assert [key_of(item) for item in listing(limit=size, order="desc")] == whole[::-1]


@pytest.mark.parametrize("name", BARE)
def test_a_user_comes_to_each_item_once(filled: Filled, name: str) -> None:
    listing = BARE[name](filled)
    whole = list(dict.fromkeys(walked(listing, limit=1000, order="asc")))
    assert len(whole) >= MANY
    # One stored message may be shown as several, which have its id: they come together, on one page.
    forth, back = (groupby(walked(listing, limit=7, order=order)) for order in ("asc", "desc"))
    assert [key for key, _ in forth] == whole
    assert [key for key, _ in back] == whole[::-1]


def test_passages(filled: Filled) -> None:
    """Their list has no order but `ascending`."""
    listing = filled.client.agents.passages.list
    whole = [passage.text for passage in listing(filled.agent)]
    assert whole == [f"passage {n}" for n in range(MANY)]
    ids = list(walked(lambda **words: listing(filled.agent, **words), limit=2))
    assert list(walked(lambda **words: listing(filled.agent, **words), limit=2, ascending=False)) == ids[::-1]


@pytest.mark.parametrize("name", [name for name in PAGED if "messages" not in name and name != "agents.files.list"])
def test_before_goes_back_page_by_page(filled: Filled, name: str) -> None:
    """The client follows `before` with the first id of each page. Open files it follows by another cursor."""
    listing = PAGED[name](filled)
    whole = [key_of(item) for item in listing(limit=1000, order="asc")]
    page = listing(limit=2, order="asc", before=whole[4])
    assert [key_of(item) for item in page.items] == whole[2:4]  # type: ignore[attr-defined]
    assert [key_of(item) for item in page.get_next_page().items] == whole[:2]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", LISTS)
def test_a_limit_of_nothing(filled: Filled, name: str) -> None:
    assert list(LISTS[name](filled)(limit=0)) == []


NONSENSE: list[dict[str, Any]] = [{"order": "sideways"}, {"limit": -1}, {"limit": "many"}, {"order_by": "colour"}]


@pytest.mark.parametrize(
    ("name", "words"),
    [(name, words) for name in LISTS for words in NONSENSE if name != "messages.list" or "order_by" not in words],
)
def test_words_that_make_no_sense(filled: Filled, name: str, words: dict[str, Any]) -> None:
    with pytest.raises(letta_client.UnprocessableEntityError):
        LISTS[name](filled)(**words)


@pytest.mark.parametrize("name", [name for name in LISTS if name != "tags.list"])
def test_a_cursor_that_is_not_in_the_list(filled: Filled, name: str) -> None:
    with pytest.raises(letta_client.UnprocessableEntityError):
        LISTS[name](filled)(after="agent-1")
