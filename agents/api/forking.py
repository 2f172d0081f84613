"""A conversation forked: a new one with a copy of the messages, from where both go their own ways."""

from typing import Any

from django.db import connection, transaction

from agents.api.context import recompiled
from agents.creation import copied
from agents.errors import Conflict
from agents.models import TERMINAL, Conversation, Inbox, Message
from memory.models import Block

# Set as a conversation is, not as it goes on.
_KEPT = ("organization_id", "agent_id", "summary", "description", "model", "model_settings", "context_window_limit")

# What a copy does not share with its original: it is of no run, and no stream ever showed it.
_OWN = {
    "id": "'message-' || gen_random_uuid()",
    "conversation_id": "%(fork)s",
    "run_id": "NULL",
    "step_id": "NULL",
    "event_seq": "NULL",
}


@transaction.atomic
def fork(place: Conversation, message: Message | None, *, actor_id: str | None, hidden: bool = False) -> Conversation:
    """A new conversation that has heard what `place` has, up to and with `message`, or all of it.

    A message that calls tools, or is of their returns, brings all of its returns along. Raises Conflict where calls
    have no returns yet, and where all is asked for of a conversation that is at work.
    """
    # Locked, so that nothing is said meanwhile; a worker waits for this as for any other commit.
    place = Conversation.objects.select_for_update(no_key=True).get(id=place.id)
    if message is None and place.runs.exclude(status__in=TERMINAL).exists():
        raise Conflict("The agent is at work in this conversation. Wait for it, or say with message_id where to fork.")
    last = _end(place, place.next_seq - 1 if message is None else message.seq)
    made = Conversation.objects.create(
        **{name: getattr(place, name) for name in _KEPT},
        hidden=hidden,
        created_by_id=actor_id,
        last_updated_by_id=actor_id,
        last_message_at=place.last_message_at,
        next_seq=last + 1,
        context_from=_context_from(place, last),
        summary_seq=place.summary_seq if (place.summary_seq or 0) <= last else None,
        isolated_blocks=_own_blocks(place, actor_id),
    )
    Inbox.objects.create(conversation=made)
    _copy(place, made, last)
    recompiled(made, dry_run=False, stamped=False)
    return made


def _own_blocks(place: Conversation, actor_id: str | None) -> dict[str, str]:
    """The blocks that stand in the place of the agent's, copied as they are now."""
    stands_for = {own: agents for agents, own in place.isolated_blocks.items()}
    return copied({stands_for[block.id]: block for block in Block.objects.filter(id__in=stands_for)}, actor_id)


def _context_from(place: Conversation, last: int) -> int:
    """What had left the context stays out of it, unless nothing else is left."""
    whole = last == place.next_seq - 1
    return place.context_from if whole or place.context_from <= last else 2


def _end(place: Conversation, seq: int) -> int:
    """The number at which the messages up to `seq` are complete: no call without its return."""
    said = Message.objects.filter(conversation=place).exclude(role=Message.Role.APPROVAL)
    answer = said.filter(seq__lte=seq).exclude(role=Message.Role.TOOL).order_by("-seq").first()
    calls = answer.content.get("calls", ()) if answer and answer.role == Message.Role.ASSISTANT else ()
    if not answer or not calls:
        return seq
    returns = [row.seq for row in said.filter(seq__gt=answer.seq).order_by("seq")[: len(calls)] if row.role == "tool"]
    if len(returns) < len(calls):
        raise Conflict(f"{answer.id} calls tools that have not returned. Fork at an earlier message, or wait for them.")
    return max(seq, *returns)


def _copy(place: Conversation, made: Conversation, last: int) -> None:
    """In one statement, however long the conversation is."""
    columns = [field.column or "" for field in Message._meta.concrete_fields if not field.generated]
    targets = ", ".join(f'"{column}"' for column in columns)
    sources = ", ".join(_OWN.get(column, f'"{column}"') for column in columns)
    values: dict[str, Any] = {"fork": made.id, "place": place.id, "last": last}
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO agents_message ({targets}) SELECT {sources} FROM agents_message "
            "WHERE conversation_id = %(place)s AND seq <= %(last)s ORDER BY seq",
            values,
        )
