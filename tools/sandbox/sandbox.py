"""The sandbox as the server uses it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tools.abort import Abort
from tools.sandbox.egress import Egress, Rules, networks
from tools.sandbox.jail.protocol import PROXY_PORT
from tools.sandbox.supervise import supervise
from tools.sandbox.tiers import Account, check_safe, detect, job_for, setup_for, unprivileged
from tools.sandbox.values import Level, Limits, Outcome, Refused, Tier
from tools.sandbox.zygote import Zygote, ZygoteError

_PROXY = f"http://127.0.0.1:{PROXY_PORT}"
_PROXY_VARIABLES = {name: _PROXY for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
LONGEST_SOURCE = 1 << 20
LONGEST_ARGUMENTS = 4 << 20
LONGEST_VARIABLES = 1 << 20


class Sandbox:
    """`run` and `run_code` may be called from many threads at once.

    tier           what to lock calls in with; None: the best that `detect` finds
    limits         of calls that bring none of their own
    account        whom calls run as when we are root: (uid, gid); None: `nobody`
    package_store  the folder in which the folders of packages lie that calls may ask for
    private_networks  networks ("10.1.0.0/16") that calls may reach, if they name the host, though they are not public
    allow_unsafe   run calls even where the machine can only limit them; for a server with one user who trusts all tools
    """

    def __init__(
        self,
        tier: Tier | None = None,
        limits: Limits | None = None,
        account: Account | None = None,
        package_store: Path | None = None,
        private_networks: Sequence[str] = (),
        allow_unsafe: bool = False,
    ) -> None:
        account = account or unprivileged()
        self.tier = tier or detect(account)
        self.limits = limits or Limits()
        self._allow_unsafe = allow_unsafe
        self._private_networks = networks(private_networks)
        self.package_store = package_store.resolve() if package_store else None
        self._zygote = Zygote(setup_for(self.tier.level, account, package_store))

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends all calls, and with them everything that they started."""
        self._zygote.close()

    def run(
        self,
        source: str,
        name: str,
        arguments: Mapping[str, Any],
        *,
        classes: Mapping[str, Any] | None = None,
        variables: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        packages: Path | None = None,
        hosts: Sequence[str] = (),
        abort: Abort | None = None,
    ) -> Outcome:
        """Calls the function `name` of `source`.

        classes    schemas of objects, by the names of classes that the source need not have
        variables  the call's whole environment, besides HOME, TMPDIR, PATH and LANG
        packages   a folder of the package store, put on sys.path
        hosts      what the call may reach over HTTP and HTTPS: "api.example.org", "*.example.org", "example.org:8443"

        Raises Refused when it cannot be run safely; whatever the tool itself does wrong is in the Outcome.
        """
        request = {"source": source, "name": name, "arguments": dict(arguments), "script": False}
        request["classes"] = dict(classes or {})
        return self._run(request, variables or {}, limits, packages, hosts, abort)

    def run_code(
        self,
        code: str,
        *,
        name: str = "code",
        variables: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        packages: Path | None = None,
        hosts: Sequence[str] = (),
        abort: Abort | None = None,
    ) -> Outcome:
        """Runs a script. The Outcome's value is that of its last statement, where that is an expression.

        name  what it is called in tracebacks
        """
        request = {"source": code, "name": name, "arguments": {}, "script": True}
        return self._run(request, variables or {}, limits, packages, hosts, abort)

    def _run(
        self,
        request: dict[str, Any],
        variables: Mapping[str, str],
        limits: Limits | None,
        packages: Path | None,
        hosts: Sequence[str],
        abort: Abort | None,
    ) -> Outcome:
        check_safe(self.tier, self._allow_unsafe)
        too_much = _too_much(request, variables)
        if too_much:
            return Outcome("error", None, too_much, "", "", 0.0)
        limits = limits or self.limits
        job = job_for(limits, self._package_folder(packages), self._needs_network(hosts))
        request["variables"] = (_PROXY_VARIABLES if hosts else {}) | dict(variables)
        egress = Egress(Rules(tuple(hosts), self._private_networks))
        try:
            return supervise(self._zygote, job, request, limits, abort, egress.serve)
        except ZygoteError as error:
            raise Refused(f"The sandbox cannot run calls now: {error}") from error
        finally:
            egress.close()

    def _package_folder(self, packages: Path | None) -> Path | None:
        if packages is None:
            return None
        folder = packages.resolve()
        if self.package_store is None or self.package_store not in folder.parents or not folder.is_dir():
            raise Refused(f"{packages} is no folder of the sandbox's package store.")
        return folder

    def _needs_network(self, hosts: Sequence[str]) -> bool:
        if hosts and self.tier.level < Level.FULL:
            raise Refused(f"Tools that use the network need namespaces to be locked in. {' '.join(self.tier.reasons)}")
        return bool(hosts)


def _too_much(request: dict[str, Any], variables: Mapping[str, str]) -> str | None:
    """Also what is no JSON, or no environment."""
    if len(request["source"]) > LONGEST_SOURCE:
        return f"The source is longer than {LONGEST_SOURCE} characters."
    if sum(len(name) + len(value) for name, value in variables.items()) > LONGEST_VARIABLES:
        return f"The variables are longer than {LONGEST_VARIABLES} characters."
    if any(not name or "=" in name or "\0" in name + value for name, value in variables.items()):
        return "A variable has an empty name, or a name with '=', or a NUL in it."
    try:
        encoded = json.dumps(request["arguments"])
    except (TypeError, ValueError, RecursionError):
        return "The arguments are not JSON."
    if len(encoded) > LONGEST_ARGUMENTS:
        return f"The arguments are longer than {LONGEST_ARGUMENTS} bytes."
    return None
