"""`./perdure manage ...`: Django's manage.py, with the Postgres and Valkey of this installation."""

import os
import subprocess
import sys

from cli.configuration import ROOT, child_environment, configuration, ensure_secret_key
from cli.server import run_facts
from project.embedded import homes, running


def manage(arguments: list[str]) -> int:
    """Uses the running server's services, or starts them for as long as the command takes."""
    chosen = configuration()
    command = (sys.executable, str(ROOT / "manage.py"), *arguments)
    if asks_for_help(arguments):
        return subprocess.run(command, env=without_services()).returncode
    if homes.in_use(chosen.home):
        facts = run_facts(chosen.home)
        os.execve(command[0], command, child_environment(chosen, facts["database_url"], facts["redis_url"]))
    with running(chosen.home, database_url=chosen.database_url, redis_url=chosen.redis_url) as backing:
        ensure_secret_key(chosen.home)
        environment = child_environment(chosen, backing.database_url, backing.redis_url)
        return subprocess.run(command, env=environment).returncode


def asks_for_help(arguments: list[str]) -> bool:
    return not arguments or arguments[0] == "help" or bool({"-h", "--help"} & set(arguments))


def without_services() -> dict[str, str]:
    """Enough to read the settings: nothing is started or made for a help text."""
    return {"PERDURE_SECRET_KEY": "for this text alone"} | dict(os.environ)
