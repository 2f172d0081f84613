"""`./perdure retention`: how long rows are kept, and what was deleted because it was older."""

import json

from accounts.words import counted
from cli.configuration import Refused
from cli.server import server

PATH = "/v1/retention"


def show() -> None:
    for name, days in server().get(PATH).items():
        print(f"{name.removesuffix('_days').replace('_', ' ')}: {_told(days)}")
    for purge in server().get(f"{PATH}/purges"):
        print(f"{purge['began_at']}  {purge['kind']}: {counted(purge['deleted']) or 'nothing yet'}")


def keep(**days: int | None) -> None:
    """A number of 0 means for ever."""
    given = {f"{name}_days": number or None for name, number in days.items() if number is not None}
    if not given:
        raise Refused("Say what to keep for how many days: --runs, --messages or --block-versions (0: for ever).")
    print(json.dumps(server().patch(PATH, given), indent=2))


def _told(days: int | None) -> str:
    return f"{days:,} days" if days else "for ever"
