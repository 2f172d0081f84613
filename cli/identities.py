"""`./perdure identities`: export or erase all that belongs to one identity."""

import json
import time
from pathlib import Path
from typing import Any

from accounts.words import counted
from cli.configuration import Refused
from cli.files import refuse_unwritable
from cli.screen import printable
from cli.server import Server, named, server

PAUSE = 0.5


def listed() -> None:
    found = list(server().pages("/v1/identities/"))
    for identity in found:
        key, agents = printable(identity["identifier_key"]), len(identity["agent_ids"])
        print(f"{identity['id']}  {key:<24} {printable(identity['name']):<24} agents: {agents}")
    if not found:
        print("There are no identities.")


def exported(wanted: str, file: Path) -> None:
    refuse_unwritable(file)
    there = server()
    job = done(there, find(there, wanted), "export")
    with file.open("x", encoding="utf-8") as written:
        for number in range(1, job["report"].get("pieces", 0) + 1):
            piece = there.get(f"/v1/identities/{job['identity_id']}/jobs/{job['id']}/archive", piece=str(number))
            written.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in piece["rows"])
    print(f"{file}: {counted(job['report'])}")


def erased(wanted: str, sure: bool) -> None:
    there = server()
    identity_id = find(there, wanted)
    if not sure:
        raise Refused(f"This deletes {identity_id} and all that belongs to it alone, for ever. Add --yes to do it.")
    print(f"{identity_id} is erased: {counted(done(there, identity_id, 'erase')['report'])}")


def find(there: Server, wanted: str) -> str:
    """An identity's id, by its id or the client's own key."""
    if wanted.startswith("identity-"):
        return wanted
    found = there.get("/v1/identities/", identifier_key=named(wanted, "an identity"))
    if not found:
        raise Refused(f"There is no identity with the identifier_key {wanted!r}; give its key or its id.")
    return str(found[0]["id"])


def done(there: Server, identity_id: str, kind: str) -> dict[str, Any]:
    """The job, when it is completed."""
    job: dict[str, Any] = there.post(f"/v1/identities/{identity_id}/{kind}", {}, seconds=30)
    while job["status"] in ("queued", "running"):
        time.sleep(PAUSE)
        job = there.get(f"/v1/identities/{identity_id}/jobs/{job['id']}")
    if job["status"] != "completed":
        raise Refused(f"Job {job['id']} is {job['status']}: {job['error']}")
    return job
