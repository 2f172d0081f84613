"""Asking again what a run that went wrong was asked."""

from accounts.fields import new_id
from agents.accepting import Offer, accept
from agents.models import Run

RETRYABLE = (Run.Status.FAILED, Run.Status.CANCELLED)


def retry(run: Run) -> Run:
    """Accept the input of a failed or cancelled run once more, as a new run at the end of the conversation.

    Its messages get ids of their own, since the old ones may stand in the conversation already; and it has no
    idempotency key, since the old run keeps that. Raises ValueError for any other run.
    """
    if run.status not in RETRYABLE:
        raise ValueError(f"{run.id} is {run.status}. Only a failed or cancelled run can be retried.")
    messages = [{**message, "id": new_id("message"), "otid": None} for message in run.input]
    return accept(
        run.conversation, Offer(messages=messages, options=run.options, kind=run.kind, background=run.background)
    )
