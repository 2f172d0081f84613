"""The REST API of a running server, as far as the command line needs it."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.configuration import API_KEY, RUN_FILE, Refused, home
from cli.screen import printable
from project import env
from project.embedded import homes

DEFAULT_AGENT = "first"
PAGE = 200
LOCAL = ("127.0.0.1", "localhost", "::1")
TURN_SECONDS = 3600.0
"""How long a plain POST waits for the answer of an agent."""


class Pending(Refused):
    """The agent takes no message before its tool calls are answered."""


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    key: str

    def get(self, path: str, **query: str) -> Any:
        return self.ask(urllib.request.Request(self.address(path, query)), seconds=30)

    def pages(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """All rows of a list, a page at a time."""
        rows = self.get(path, limit=str(PAGE), **query)
        while rows:
            yield from rows
            rows = self.get(path, limit=str(PAGE), after=rows[-1]["id"], **query) if len(rows) == PAGE else []

    def post(self, path: str, body: dict[str, Any], seconds: float = TURN_SECONDS) -> Any:
        return self.send("POST", path, body, seconds)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        return self.send("PATCH", path, body, seconds=30)

    def send(self, method: str, path: str, body: dict[str, Any], seconds: float) -> Any:
        request = urllib.request.Request(self.address(path), data=json.dumps(body).encode(), method=method)
        request.add_header("Content-Type", "application/json")
        return self.ask(request, seconds)

    def address(self, path: str, query: dict[str, str] | None = None) -> str:
        return f"{self.url}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")

    def ask(self, request: urllib.request.Request, seconds: float) -> Any:
        request.add_header("Authorization", f"Bearer {self.key}")
        try:
            with self.opener().open(request, timeout=seconds) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise refusal(error) from None
        except (OSError, ValueError) as error:
            raise Refused(f"No answer from {self.url}: {error}. Does the server run?") from None

    def opener(self) -> urllib.request.OpenerDirector:
        if self.is_local:
            return urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return urllib.request.build_opener()

    @property
    def is_local(self) -> bool:
        """A local server is not asked through the proxy that the environment may name."""
        return urllib.parse.urlsplit(self.url).hostname in LOCAL

    @property
    def websocket_url(self) -> str:
        return "ws" + self.url.removeprefix("http")


def refusal(error: urllib.error.HTTPError) -> Refused:
    """The sentence that the server gave, or at least its status."""
    if error.code == 401:
        return Refused(
            "The server does not know this API key; check PERDURE_API_KEY, or the file api-key in PERDURE_HOME."
        )
    try:
        detail = json.load(error).get("detail")
    except (ValueError, AttributeError):
        detail = None
    return refused(error.code, detail or error.reason)


def refused(status: int, detail: Any) -> Refused:
    if isinstance(detail, dict) and detail.get("code") == "PENDING_APPROVAL":
        return Pending(told(detail))
    return Refused(f"The server refused ({status}): {told(detail)}")


def told(detail: Any) -> str:
    """What a server says is wrong, as text: from a sentence, an object that has one, or a list of both."""
    if isinstance(detail, list):
        return "; ".join(map(told, detail))
    if not isinstance(detail, dict):
        return printable(str(detail))
    what = printable(str(detail.get("msg") or detail.get("message") or json.dumps(detail, ensure_ascii=False)))
    place = ".".join(str(part) for part in _below_body(detail.get("loc")))
    return f"{printable(place)}: {what}" if place else what


def _below_body(place: Any) -> list[Any]:
    """Where in the request, as who wrote it knows it: without `body` before the name of a field."""
    parts = place if isinstance(place, list) else []
    return parts[1:] if len(parts) > 1 and parts[0] in ("body", "query", "path") else parts


def server() -> Server:
    """The server of PERDURE_URL, or the one that runs on PERDURE_HOME."""
    url, key = env.text("PERDURE_URL"), env.secret("PERDURE_API_KEY")
    if url is None:
        return local_server(home(), key)
    if not url.startswith(("http://", "https://")):
        raise Refused(f"PERDURE_URL is {url!r}; expected an address such as https://perdure.example.org.")
    if key is None:
        raise Refused("PERDURE_URL is set but PERDURE_API_KEY is not; set it to a key of that server.")
    return Server(url.rstrip("/"), key)


def local_server(home: Path, key: str | None) -> Server:
    facts = run_facts(home)
    try:
        return Server(facts["url"], key or (home / API_KEY).read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        raise Refused(f"There is no API key in {home / API_KEY}; set PERDURE_API_KEY.") from None


def run_facts(home: Path) -> dict[str, Any]:
    """What `up` wrote about the server that runs on this home."""
    if not homes.in_use(home):
        raise Refused(
            "No server is running; start it with ./perdure up in another terminal, "
            "or set PERDURE_URL and PERDURE_API_KEY to talk to one elsewhere."
        )
    try:
        facts: dict[str, Any] = json.loads((home / RUN_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        raise Refused("The server is just starting or stopping; try again in a moment.") from None
    return facts


def find_agent(server: Server, wanted: str) -> dict[str, Any]:
    """An agent by its id or its name."""
    if wanted.startswith("agent-"):
        found: dict[str, Any] = server.get(f"/v1/agents/{urllib.parse.quote(wanted, safe='')}")
        return found
    agents = server.get("/v1/agents/", name=named(wanted, "an agent"))
    if not agents:
        raise Refused(f"There is no agent named {wanted!r}; give the name or the id of one that exists.")
    if len(agents) > 1:
        ids = ", ".join(agent["id"] for agent in agents)
        raise Refused(f"{len(agents)} agents are named {wanted!r}; give the id of the one you mean: {ids}.")
    return dict(agents[0])


def named(wanted: str, what: str) -> str:
    """The text, if it has any: to the server an empty filter is none, and the first of all rows would be found."""
    if not wanted.strip():
        raise Refused(f"The name of {what} is empty.")
    return wanted
