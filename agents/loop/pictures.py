"""Pictures that a model's provider refuses. An old one may not keep the agent from answering ever after."""

from dataclasses import replace

from agents.errors import LLMError
from agents.loop.messages import Message
from agents.loop.ports import LLMRequest

REFUSALS = ("bad_request", "not_found")
"""What providers say of a picture that they cannot read, or to a model that sees none."""

NOT_SHOWN = {"type": "text", "text": "[a picture that you could not be shown]"}


def lessened(request: LLMRequest, error: LLMError) -> LLMRequest | None:
    """The request without the pictures of earlier turns. None where there are none, or the error is no refusal.

    The pictures that the user sends just now stay: that they are refused is for the user to hear.
    """
    if error.code not in REFUSALS:
        return None
    newest = max((at for at, said in enumerate(request.messages) if said.role == "user" and not said.nudge), default=0)
    messages = tuple(_without_pictures(said) if at < newest else said for at, said in enumerate(request.messages))
    return replace(request, messages=messages) if messages != request.messages else None


def _without_pictures(said: Message) -> Message:
    if isinstance(said.content, str) or all(part["type"] == "text" for part in said.content):
        return said
    return replace(said, content=[part if part["type"] == "text" else NOT_SHOWN for part in said.content])
