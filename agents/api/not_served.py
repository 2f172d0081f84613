"""What letta-client can ask for and this server does not serve: whoever has a key is told so, with a 501."""

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from agents.api.views import ApiView
from agents.errors import NotServed

_SCHEDULE = "Scheduled messages are not served yet. A timer of your own that sends the message does the same."
_AGENT_FILES = "The export and import of agents are not served yet."
_CLOUD = "belong to a hosted service and have no meaning on a server of your own."

# Regular expressions of whole paths. Whatever has a view of its own comes before them in urls.py.
REASONS = {
    r"agents/[^/]+/export": _AGENT_FILES,
    r"agents/[^/]+/schedule(/.+)?": _SCHEDULE,
    r"templates(/.+)?": "Templates are not served yet. Create agents with the same fields instead.",
    r"environments(/.+)?": f"Environments {_CLOUD}",
    r"client-side-access-tokens(/.+)?": f"Client-side access tokens {_CLOUD} Issue a key for each client instead.",
}


class NotServedHere(ApiView):
    reason = ""

    def refuse(self, request: Request, *words: Any, **named: Any) -> HttpResponse:
        raise NotServed(self.reason)

    get = post = put = patch = delete = refuse


def view(reason: str) -> Any:
    return NotServedHere.as_view(reason=reason)


agent_import = view(_AGENT_FILES)
