"""The errors of an agent's life. Those told to a client have their status in the table of agents/api/refusals.py.

AgentError
|-- LLMError          the model's call failed; `retryable` and `retry_after` are data, not subclasses
|-- Fenced            another worker has taken the conversation: drop everything, write nothing
|-- Cancelled         the user, a deadline or the end of the process stopped the call
`-- ClientError       the request can't be served as it is; the text says what to do
    |-- BadRequest
    |-- NotFound
    |-- Conflict
    |   `-- PendingApproval
    |-- TooLarge
    |-- Unsupported     a file of a kind that cannot be read
    |-- InvalidRequest  with the place of each fault
    |-- Unserved        no worker is there to answer it
    `-- NotServed
"""

from collections.abc import Iterable
from typing import Any


class AgentError(Exception):
    """Something about an agent's run went wrong."""


class LLMError(AgentError):
    """A model call failed.

    code         rate_limit, quota, authentication, bad_request, not_found, context_overflow, overloaded, server_error,
                 timeout, connection, cut_stream, empty_response, content_filter, configuration
    retryable    whether the same call may succeed later
    retry_after  seconds the provider asked for, or None
    status       HTTP status of the provider's answer, or None
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        status: int | None = None,
    ):
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after
        self.status = status


class Fenced(AgentError):
    """The claim's epoch is no longer the conversation's: another worker may write there now."""


class Cancelled(AgentError):
    """The call was stopped from outside; `reason` is cancelled, deadline, lost_lease or shutdown."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class ClientError(AgentError):
    """Told to the client, as it stands."""


class BadRequest(ClientError):
    """The request contradicts itself, or the state of what it is about."""


class NotFound(ClientError):
    """It does not exist, or belongs to another organization: the same words for both."""

    def __init__(self, kind: str, id: str):
        super().__init__(f"{kind} with ID {id} not found")


class Conflict(ClientError):
    """Something else stands in the way; sending it again will not help."""


class PendingApproval(Conflict):
    """The conversation waits for an answer to the calls of this message."""

    def __init__(self, message_id: str):
        super().__init__(
            "The agent waits for an answer to its tool calls. Approve, deny or return them before you say more."
        )
        self.detail = {"code": "PENDING_APPROVAL", "message": str(self), "pending_request_id": message_id}


class TooLarge(ClientError):
    """More than this server takes."""


class Unsupported(ClientError):
    """A file of a kind that nothing can be made of here."""


class Unserved(ClientError):
    """Only a worker could say, and none has answered."""


class NotServed(ClientError):
    """Part of the API that this server does not serve."""


class InvalidRequest(ClientError):
    """`problems`: [{"loc": ["body", "field", ...], "msg": "...", "type": "..."}]"""

    def __init__(self, problems: Iterable[dict[str, Any]]):
        self.problems = list(problems)
        super().__init__("; ".join(problem["msg"] for problem in self.problems))


def invalid(loc: Iterable[str | int], msg: str, kind: str = "value_error") -> InvalidRequest:
    """One fault, at one place."""
    return InvalidRequest([{"loc": list(loc), "msg": msg, "type": kind}])
