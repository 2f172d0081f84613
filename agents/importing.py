"""Blocks of core memory that come from a file: all of them or none. What they write are versions by the import."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from accounts.fields import new_id
from agents.creation import attach_blocks, check_labels, check_limit, create_block, lock_agents
from agents.errors import BadRequest
from agents.models import Agent, AgentBlock
from memory.models import Block


@dataclass
class BlockImport:
    """What became of the blocks of a file. Its `id` stands as the author in the versions that it wrote."""

    id: str = field(default_factory=lambda: new_id("import"))
    created: list[Block] = field(default_factory=list)
    changed: list[Block] = field(default_factory=list)
    unchanged: list[Block] = field(default_factory=list)


@transaction.atomic
def import_blocks(
    organization_id: str, actor_id: str | None, given: Sequence[Mapping[str, Any]], agent: Agent | None = None
) -> BlockImport:
    """Each of `given`, columns of Block and perhaps an `id`, changes a block or makes one.

    With an agent, it changes the agent's block of that label, and what is made is attached to the agent. Without one,
    it changes the organization's block of that id. Columns that are not given stay as they are.

    Raises BadRequest for a block that is named twice or a value that is too long, and Conflict where an agent would
    have two blocks of one label.
    """
    key = "label" if agent else "id"
    blocks = _locked(organization_id, agent, key, _once(key, given))
    result = BlockImport()
    for place, one in enumerate(given, 1):
        block = blocks.get(one.get(key))
        columns = {name: value for name, value in one.items() if name != "id"}
        _check_limit(place, block, columns)
        if block is None:
            made = create_block(organization_id, actor_id, author_id=result.id, **columns)
            result.created.append(made)
        elif block.give(columns):
            block.author_id, block.last_updated_by_id = result.id, actor_id
            result.changed.append(block)
        else:
            result.unchanged.append(block)
    holders = _holders(result.changed)
    lock_agents(holders)
    for block in result.changed:
        block.save()
    check_labels(holders)
    if agent:
        attach_blocks(agent, result.created)
    return result


def _once(key: str, given: Sequence[Mapping[str, Any]]) -> list[str]:
    named = Counter(one[key] for one in given if one.get(key))
    for name, count in named.items():
        if count > 1:
            raise BadRequest(f"{count} of the blocks have the {key} {name!r}. Leave one of them.")
    return list(named)


def _locked(organization_id: str, agent: Agent | None, key: str, names: Sequence[str]) -> dict[Any, Block]:
    """The blocks of these names, which nobody else changes before the transaction ends."""
    rows = agent.blocks.all() if agent else Block.objects.filter(organization_id=organization_id)
    # In one order, as two imports would wait for each other otherwise.
    found = rows.filter(**{f"{key}__in": names}).order_by("id").select_for_update(no_key=True, of=("self",))
    return {getattr(block, key): block for block in found}


def _check_limit(place: int, block: Block | None, columns: Mapping[str, Any]) -> None:
    limit = columns.get("limit", block.limit if block else Block().limit)
    try:
        check_limit(columns["value"], limit)
    except BadRequest as error:
        raise BadRequest(f"Block {place}, {columns['label']!r}: {error}") from None


def _holders(blocks: Sequence[Block]) -> list[str]:
    """Agents of blocks that may have another label now."""
    links = AgentBlock.objects.filter(block__in=blocks).order_by("agent_id")
    return list(links.values_list("agent_id", flat=True).distinct())
