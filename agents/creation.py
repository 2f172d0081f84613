"""How an agent and its conversations come into being, each in one transaction."""

import random
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from django.db import transaction
from django.db.models import Count

from accounts.fields import new_id
from agents.errors import BadRequest, Conflict, NotFound
from agents.loop.prompts import default_system
from agents.loop.style import style_for
from agents.models import Agent, AgentBlock, AgentTool, Conversation, Inbox, Message
from agents.prompt import compiled_prompt, equipped, prompt_fingerprint
from agents.rows import opening_row
from memory.core import DEFAULT_LIMIT
from memory.models import Block
from tools import catalog, registry
from tools.models import Tool

DESCRIPTIONS = {
    "human": "What you know of the person you talk to: name, circumstances, tastes, whatever makes talking easier.",
    "persona": "Who you are: your name, your manner, and what you keep to in every conversation.",
}

_ADJECTIVES = [
    "Amber",
    "Brisk",
    "Calm",
    "Clever",
    "Daring",
    "Gentle",
    "Golden",
    "Lively",
    "Mellow",
    "Nimble",
    "Patient",
    "Quiet",
    "Silver",
    "Steady",
    "Sunny",
]
_NOUNS = [
    "Badger",
    "Beacon",
    "Brook",
    "Cedar",
    "Comet",
    "Falcon",
    "Harbor",
    "Heron",
    "Lantern",
    "Maple",
    "Otter",
    "Pebble",
    "River",
    "Sparrow",
    "Willow",
]


@transaction.atomic
def create_agent(
    organization_id: str,
    *,
    actor_id: str | None = None,
    blocks: Sequence[dict[str, Any]] = (),
    block_ids: Sequence[str] = (),
    tool_names: Sequence[str] = (),
    tool_ids: Sequence[str] = (),
    include_base_tools: bool = True,
    include_base_tool_rules: bool = True,
    opening: Sequence[dict[str, Any]] = (),
    **fields: Any,
) -> Agent:
    """A new agent with its blocks, tools and default conversation. Raises NotFound for ids of nothing,
    and BadRequest for a block whose value is too long.

    blocks   fields of blocks that are made with it; `block_ids` are attached
    opening  [{role, content}] that its conversation begins with
    fields   columns of Agent
    """
    agent_type = fields.setdefault("agent_type", Agent.Type.LETTA_V1)
    style = style_for(agent_type)
    fields["name"] = fields.get("name") or f"{random.choice(_ADJECTIVES)}{random.choice(_NOUNS)}"
    fields["system"] = fields.get("system") or default_system(agent_type)
    base_tools = style.tools if include_base_tools else ()
    rules = list(fields.pop("tool_rules", None) or ())
    if include_base_tools and include_base_tool_rules:
        rules += [dict(rule) for rule in style.rules if rule not in rules]
    agent = Agent.objects.create(
        organization_id=organization_id,
        tool_rules=rules,
        initial_messages=list(opening),
        created_by_id=actor_id,
        last_updated_by_id=actor_id,
        **fields,
    )
    attach_blocks(agent, [create_block(organization_id, actor_id, **block) for block in blocks])
    attach_blocks(agent, found(Block, organization_id, block_ids, "Block"))
    attach_tools(agent, catalog.named(organization_id, base_tools))
    attach_tools(agent, named_tools(organization_id, tool_names))
    attach_tools(agent, found(Tool, organization_id, tool_ids, "Tool"))
    create_conversation(agent, actor_id=actor_id, is_default=True, opening=opening)
    return agent


@transaction.atomic
def create_conversation(
    agent: Agent,
    *,
    actor_id: str | None = None,
    opening: Sequence[dict[str, Any]] = (),
    isolated: Sequence[str] = (),
    **fields: Any,
) -> Conversation:
    """`isolated`: labels of the agent's blocks that the conversation gets copies of, and edits instead of them."""
    conversation = Conversation.objects.create(
        organization_id=agent.organization_id,
        agent=agent,
        created_by_id=actor_id,
        next_seq=2 + len(opening),
        context_from=2,
        isolated_blocks=copied(_labelled(agent, isolated), actor_id),
        **fields,
    )
    Inbox.objects.create(conversation=conversation)
    whole = equipped(conversation)
    text = compiled_prompt(whole, conversation, len(opening))
    prompt = Message(seq=1, role="system", content={"text": text, "inputs": prompt_fingerprint(whole)})
    _add(conversation, [prompt, *_opening_rows(opening, 2)])
    return conversation


def begin_anew(conversation: Conversation, opening: Sequence[dict[str, Any]] = ()) -> None:
    """Leave everything that was said out of context, and go on with `opening`. The row is locked by the caller."""
    conversation.context_from, conversation.summary_seq = conversation.next_seq, None
    _add(conversation, _opening_rows(opening, conversation.next_seq))
    conversation.next_seq += len(opening)
    conversation.save(update_fields=["context_from", "summary_seq", "next_seq", "updated_at"])


def _opening_rows(opening: Sequence[dict[str, Any]], seq: int) -> list[Message]:
    return [opening_row(message, seq=seq + index) for index, message in enumerate(opening)]


def _add(conversation: Conversation, rows: Sequence[Message]) -> None:
    for row in rows:
        row.organization_id, row.agent_id = conversation.organization_id, conversation.agent_id
        row.conversation_id = conversation.id
    Message.objects.bulk_create(rows)


def create_block(organization_id: str, actor_id: str | None = None, **fields: Any) -> Block:
    """Raises BadRequest for a value that is longer than the block's limit."""
    check_limit(fields.get("value", ""), fields.get("limit", DEFAULT_LIMIT))
    fields["description"] = fields.get("description") or DESCRIPTIONS.get(fields.get("label", ""))
    block = Block(
        organization_id=organization_id, created_by_id=actor_id, last_updated_by_id=actor_id, author_id=actor_id
    )
    block.give(fields)
    block.save(force_insert=True)
    return block


def check_limit(value: str, limit: int) -> None:
    if len(value) > limit:
        raise BadRequest(
            f"The value has {len(value)} characters, {len(value) - limit} more than the block's limit of {limit}. "
            "Shorten it, or raise the limit."
        )


def _labelled(agent: Agent, labels: Sequence[str]) -> dict[str, Block]:
    """The agent's blocks of these labels, by id. Raises BadRequest for a label of none."""
    blocks = {block.label: block for block in agent.blocks.filter(label__in=labels)} if labels else {}
    for label in labels:
        if label not in blocks:
            raise BadRequest(f"The agent has no block with the label {label!r}; attach one first.")
    return {block.id: block for block in blocks.values()}


def copied(blocks: Mapping[str, Block], actor_id: str | None) -> dict[str, str]:
    """New blocks like these, as ids by the same keys."""
    ids = {}
    for key, block in blocks.items():
        block.pk, block._state.adding, block.version, block.author_id = new_id("block"), True, 1, actor_id
        block.save(force_insert=True)
        ids[key] = block.id
    return ids


@transaction.atomic
def attach_blocks(agent: Agent, blocks: Sequence[Block]) -> None:
    """An agent holds one block of each label. Raises Conflict, and then none is attached."""
    if not blocks:
        return
    lock_agents([agent.id])
    AgentBlock.objects.bulk_create((AgentBlock(agent=agent, block=block) for block in blocks), ignore_conflicts=True)
    check_labels([agent.id])


def lock_agents(ids: Sequence[str]) -> None:
    """Until the transaction ends, nobody else gives these agents a block or renames one of theirs."""
    list(Agent.objects.select_for_update(no_key=True).filter(id__in=ids).order_by("id").values_list("id"))


def check_labels(ids: Sequence[str]) -> None:
    """Raises Conflict for a locked agent with two blocks of one label."""
    held = AgentBlock.objects.filter(agent__in=ids).order_by("agent_id").values_list("agent_id", "block__label")
    twice = held.annotate(count=Count("id")).filter(count__gt=1).first()
    if twice:
        raise Conflict(
            f"Agent {twice[0]} would have two blocks with the label {twice[1]!r}. Detach one of them, or give it "
            "another label first."
        )


@transaction.atomic
def attach_tools(agent: Agent, tools: Sequence[Tool]) -> None:
    """An agent holds one tool of each name: what is attached takes the place of another of its name, for this agent.

    A tool that is to ask for approval by default brings the rule for it.
    """
    if not tools:
        return
    # Locked, so that two tools of one name that are attached at once do not both stay.
    rules = Agent.objects.select_for_update(no_key=True).values_list("tool_rules", flat=True).get(id=agent.id)
    last = {tool.name: tool for tool in tools}
    AgentTool.objects.filter(agent=agent, tool__name__in=last).exclude(tool__in=last.values()).delete()
    AgentTool.objects.bulk_create((AgentTool(agent=agent, tool=tool) for tool in last.values()), ignore_conflicts=True)
    asking = [tool.name for tool in last.values() if tool.default_requires_approval]
    if asking:
        agent.tool_rules = reduce(with_approval, asking, rules)
        agent.save(update_fields=["tool_rules", "updated_at"])


def with_approval(rules: list[dict[str, Any]], tool_name: str) -> list[dict[str, Any]]:
    """The rules, with one that calls of the tool wait for approval."""
    if len(without_approval(rules, tool_name)) < len(rules):
        return rules
    return [*rules, {"type": "requires_approval", "tool_name": tool_name}]


def without_approval(rules: list[dict[str, Any]], tool_name: str) -> list[dict[str, Any]]:
    return [rule for rule in rules if (rule["type"], rule["tool_name"]) != ("requires_approval", tool_name)]


def found(model: Any, organization_id: str, ids: Sequence[str], kind: str) -> list[Any]:
    """The rows of these ids, in their order. Raises NotFound for the first that is not this organization's."""
    rows = {row.id: row for row in model.objects.filter(organization_id=organization_id, id__in=ids)} if ids else {}
    for id in ids:
        if id not in rows:
            raise NotFound(kind, id)
    return [rows[id] for id in dict.fromkeys(ids)]


def named_tools(organization_id: str, names: Sequence[str]) -> list[Tool]:
    tools = catalog.named(organization_id, names)
    missing = sorted(set(names) - {tool.name for tool in tools})
    if missing and (why := registry.absent().get(missing[0])):
        raise BadRequest(f"{missing[0]} cannot be used. {why}")
    if missing:
        raise NotFound("Tool", missing[0])
    return tools
