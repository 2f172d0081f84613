"""The REST API of a running server, as far as the command line needs it."""

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.configuration import API_KEY, RUN_FILE, Refused, home
from project import env
from project.embedded import homes

DEFAULT_AGENT = "first"
LOCAL = ("127.0.0.1", "localhost", "::1")
TURN_SECONDS = 3600.0
"""How long a plain POST waits for the answer of an agent."""


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    key: str

    def get(self, path: str, **query: str) -> Any:
        return self.ask(urllib.request.Request(self.address(path, query)), seconds=30)

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
            raise Refused(refusal(error)) from None
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


def refusal(error: urllib.error.HTTPError) -> str:
    """The sentence that the server gave, or at least its status."""
    if error.code == 401:
        return "The server does not know this API key; check PERDURE_API_KEY, or the file api-key in PERDURE_HOME."
    try:
        detail = json.load(error).get("detail")
    except (ValueError, AttributeError):
        detail = None
    return f"The server refused ({error.code}): {detail or error.reason}"


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
