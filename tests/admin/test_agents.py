"""Making and changing agents and their blocks."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Organization
from agents.creation import create_block
from agents.models import Agent, AgentBlock, Conversation, Message, Step
from memory.models import Block, BlockVersion
from tests.admin.conftest import Tenant
from tests.admin.pages import errors_of, shown_values

ADD = "/admin/agents/agent/add/"


def change(row: Any) -> str:
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])


@pytest.fixture
def block(acme: Tenant) -> Block:
    return acme.agent.blocks.get(label="human")


def edited(client: Client, row: Any, **values: Any) -> str:
    """Post the row's page with some values changed; what the page says is wrong with them."""
    url = change(row)
    return errors_of(client.post(url, shown_values(client, url) | values))


def new_agent(client: Client, organization: Organization, **values: Any) -> str:
    values |= {"organization": organization.id}
    return errors_of(client.post(ADD, shown_values(client, ADD) | values))


def test_new_agent_can_be_talked_to_at_once(acme: Tenant) -> None:
    assert new_agent(acme.client, acme.organization, name="Kit", persona="I am Kit.\r\nHello.", tags="a, b\r\nc") == ""
    agent = Agent.objects.get(name="Kit")
    assert agent.created_by_id == acme.user.id
    assert agent.model == "demo/scripted"
    assert agent.tags == ["a, b", "c"]
    assert agent.system
    assert set(agent.blocks.values_list("label", "value")) == {("human", ""), ("persona", "I am Kit.\nHello.")}
    assert agent.tools.filter(name="conversation_search").exists()
    conversation = Conversation.objects.get(agent=agent, is_default=True, inbox__isnull=False)
    assert "I am Kit." in Message.objects.get(conversation=conversation, seq=1).content["text"]


def test_new_agent_without_name_or_base_tools(root: Client, acme: Tenant) -> None:
    before = set(Agent.objects.values_list("id", flat=True))
    values = shown_values(root, ADD) | {"organization": acme.organization.id}
    del values["base_tools"]
    assert errors_of(root.post(ADD, values)) == ""
    made = Agent.objects.exclude(id__in=before).get()
    assert made.name
    assert not made.tools.exists()


def test_model_of_no_provider_is_refused(acme: Tenant) -> None:
    assert "provider/model" in new_agent(acme.client, acme.organization, model="gpt")
    assert "nowhere" in new_agent(acme.client, acme.organization, model="nowhere/gpt")


def test_saving_an_agent_unchanged_changes_nothing(acme: Tenant) -> None:
    before = Agent.objects.filter(id=acme.agent.id).values().get()
    assert edited(acme.client, acme.agent) == ""
    after = Agent.objects.filter(id=acme.agent.id).values().get()
    touched = ("updated_at", "last_updated_by_id")
    assert {name: after[name] for name in after if name not in touched} == {
        name: before[name] for name in before if name not in touched
    }
    assert after["last_updated_by_id"] == acme.user.id
    assert acme.agent.blocks.count() == 2


def test_empty_json_is_the_columns_default(acme: Tenant) -> None:
    assert edited(acme.client, acme.agent, model_settings="", tool_rules="", metadata="", response_format="") == ""
    acme.agent.refresh_from_db()
    kept = acme.agent
    assert (kept.model_settings, kept.tool_rules, kept.metadata, kept.response_format) == ({}, [], None, None)


def test_json_of_another_kind_is_refused(acme: Tenant) -> None:
    assert "JSON list" in edited(acme.client, acme.agent, tool_rules="{}")
    assert "JSON object" in edited(acme.client, acme.agent, model_settings="[]")


def attach(client: Client, agent: Agent, block: Block) -> str:
    return edited(client, agent, **{"agentblock_set-TOTAL_FORMS": "3", "agentblock_set-2-block": block.id})


def test_block_is_attached(acme: Tenant) -> None:
    other = create_block(acme.organization.id, label="plans", value="none yet")
    assert attach(acme.client, acme.agent, other) == ""
    assert acme.agent.blocks.filter(id=other.id).exists()


def test_block_is_detached(acme: Tenant, block: Block) -> None:
    at = list(AgentBlock.objects.filter(agent=acme.agent).order_by("id").values_list("block_id", flat=True)).index(
        block.id
    )
    assert edited(acme.client, acme.agent, **{f"agentblock_set-{at}-DELETE": "on"}) == ""
    assert not acme.agent.blocks.filter(id=block.id).exists()


def test_second_block_with_a_label_is_refused(acme: Tenant) -> None:
    assert "same label: human" in attach(acme.client, acme.agent, create_block(acme.organization.id, label="human"))


def test_block_of_another_organization_is_refused(root: Client, acme: Tenant, globex: Tenant) -> None:
    foreign = create_block(globex.organization.id, label="foreign")
    assert "another organization" in attach(root, acme.agent, foreign)
    assert "not one of the available choices" in attach(acme.client, acme.agent, foreign)


def test_editing_a_block_counts_its_version(acme: Tenant, block: Block) -> None:
    assert edited(acme.client, block, value="New.\r\nLines.") == ""
    block.refresh_from_db()
    assert (block.value, block.version, block.last_updated_by_id) == ("New.\nLines.", 2, acme.user.id)


def test_version_counts_values_only(acme: Tenant, block: Block) -> None:
    assert edited(acme.client, block, description="Of Ada") == ""
    block.refresh_from_db()
    assert (block.description, block.version) == ("Of Ada", 1)
    assert "\r" not in block.value


def test_edit_of_an_agent_meanwhile_is_not_lost(acme: Tenant, block: Block) -> None:
    url = change(block)
    values = shown_values(acme.client, url)
    Block.objects.filter(id=block.id).update(value="The agent wrote this.", version=2)
    assert "while this page was open" in errors_of(acme.client.post(url, values | {"value": "Mine"}))
    block.refresh_from_db()
    assert block.value == "The agent wrote this."


def test_value_over_the_limit_is_refused(acme: Tenant, block: Block) -> None:
    assert "2 more than the limit of 10" in edited(acme.client, block, limit="10", value="x" * 12)


def test_label_that_an_agent_has_already_is_refused(acme: Tenant, block: Block) -> None:
    assert "another block with that label" in edited(acme.client, block, label="persona")
    assert "letters" in edited(acme.client, block, label="no spaces")
    assert edited(acme.client, block, label="person") == ""


def test_label_may_be_that_of_a_block_of_other_agents(acme: Tenant) -> None:
    free = create_block(acme.organization.id, label="free")
    assert edited(acme.client, free, label="human") == ""


def test_new_conversation_has_all_that_it_needs(acme: Tenant) -> None:
    url = reverse("admin:agents_conversation_add")
    values = shown_values(acme.client, url) | {"agent": acme.agent.id, "summary": "Aside"}
    assert errors_of(acme.client.post(url, values)) == ""
    made = Conversation.objects.get(summary="Aside", inbox__isnull=False)
    assert not made.is_default
    assert made.messages.get().role == "system"


def test_default_conversation_goes_only_with_its_agent(acme: Tenant) -> None:
    url = reverse("admin:agents_conversation_delete", args=[acme.conversation.id])
    acme.client.post(url, {"post": "yes"})
    assert Conversation.objects.filter(id=acme.conversation.id).exists()
    page = acme.client.get(reverse("admin:agents_agent_delete", args=[acme.agent.id])).content.decode()
    assert "Messages: 5" in page.replace("messages", "Messages")
    acme.client.post(reverse("admin:agents_agent_delete", args=[acme.agent.id]), {"post": "yes"})
    assert not Agent.objects.filter(id=acme.agent.id).exists()
    assert not Message.objects.filter(agent_id=acme.agent.id).exists()


def test_agents_are_found_by_name_tag_and_id(acme: Tenant, root: Client) -> None:
    for term in ("acme's", "blue", acme.agent.id):
        assert acme.agent.id in root.get("/admin/agents/agent/", {"q": term}).content.decode()
    assert acme.agent.id not in root.get("/admin/agents/agent/", {"q": "green"}).content.decode()


def test_passages_are_found_by_word(acme: Tenant) -> None:
    page = acme.client.get("/admin/memory/passage/", {"q": "kettles"}).content.decode()
    assert "The kettle whistles." in page
    assert "Assam" not in page


def versions(block: Block) -> list[tuple[int, str, str | None]]:
    rows = BlockVersion.objects.filter(block_id=block.id).order_by("number")
    return [(row.number, row.value, row.author_id) for row in rows]


def back_to(client: Client, block: Block, number: int, **values: Any) -> Any:
    url = change(block)
    return client.post(url, shown_values(client, url) | values | {"_back_to": str(number)}, follow=True)


def test_an_edited_block_goes_back_by_its_page(acme: Tenant, block: Block) -> None:
    first = block.value
    edited(acme.client, block, value="<b>New</b>")
    assert "+&lt;b&gt;New&lt;/b&gt;" in acme.client.get(change(block)).content.decode()
    page = back_to(acme.client, block, 1, value="what was being typed").content.decode()
    assert "back at the value of version 1" in page
    assert versions(block) == [
        (1, first, None),
        (2, "<b>New</b>", acme.user.id),
        (3, first, acme.user.id),
    ]


def test_a_way_back_that_is_refused(acme: Tenant, globex: Tenant, block: Block) -> None:
    assert "no version 7" in back_to(acme.client, block, 7).content.decode().replace("\n", " ")
    assert "no longer at 3" in back_to(acme.client, block, 1, seen_version="3").content.decode()
    assert globex.client.post(change(block), {"_back_to": "1", "seen_version": "1"}).status_code == 404
    assert acme.client.post(change(block), {"_back_to": "x", "seen_version": "1"}).status_code == 404
    assert len(versions(block)) == 1


def test_the_page_of_an_agent_shows_its_window(acme: Tenant) -> None:
    Step.objects.filter(agent=acme.agent).update(prompt_tokens=200, cached_tokens=150)
    page = acme.client.get(change(acme.agent)).content.decode()
    assert "core memory</td>" in page
    assert "messages are in context" in page
    assert "75 % of the last" in page
