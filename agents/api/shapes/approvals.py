"""Calls that wait for an answer."""

from typing import Any

from agents.api.shapes.values import Shape, moment
from agents.models import Approval
from agents.wire import shown


def approval_shape(approval: Any) -> Shape:
    """With `answering`, the run that brings the answer, and `of_default`: it is of an agent's own thread."""
    return {
        "id": approval.id,
        "status": "answered" if approval.answered_at else "pending",
        "agent_id": approval.agent_id,
        "conversation_id": None if approval.of_default else approval.conversation_id,
        "message_id": approval.message_id,
        "run_id": approval.asked_by_id,
        "calls": approval.calls,
        "answers": approval.answers,
        "answered_by_id": approval.answered_by_id,
        "answered_by_run_id": approval.answering,
        "created_at": moment(approval.created_at),
        "deadline_at": moment(approval.deadline_at),
        "answered_at": moment(approval.answered_at),
    }


def request_shape(approval: Approval) -> Shape:
    """The message object that asks for the approval."""
    return next(part for part in shown([approval.message]) if part["message_type"] == "approval_request_message")
