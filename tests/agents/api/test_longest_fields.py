"""Single fields have an end far before the body has one: a page may tell a thousand rows at once."""

from typing import Any

import pytest

from agents.api.serializers import LONGEST
from tests.agents.api.conftest import Caller

LONG = "x" * (LONGEST + 1)
IDENTITY = {"identifier_key": "k", "name": "Ann", "identity_type": "user"}
RULE = {"type": "run_first", "tool_name": LONG}


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("blocks/", {"label": "a", "value": LONG, "limit": 2_000_000}, ["value"]),
        ("blocks/", {"label": "a", "value": "x", "metadata": {"a": LONG}}, ["metadata"]),
        ("blocks/", {"label": "a", "value": "x", "tags": [LONG[:-10], "y" * 20]}, ["tags"]),
        ("blocks/import", {"blocks": [{"label": "a", "value": LONG}]}, ["blocks", 0, "value"]),
        ("agents/", {"system": LONG}, ["system"]),
        ("agents/", {"tool_rules": [RULE]}, ["tool_rules", 0]),
        ("agents/", {"tool_rules": [RULE | {"tool_name": LONG[:600_000]}] * 2}, ["tool_rules"]),
        ("identities/", IDENTITY | {"name": LONG}, ["name"]),
        (
            "identities/",
            IDENTITY | {"properties": [{"key": str(n), "value": LONG[:600_000], "type": "string"} for n in (1, 2)]},
            ["properties"],
        ),
    ],
)
def test_a_field_has_an_end(acme: Caller, path: str, body: dict[str, Any], place: list[Any]) -> None:
    [problem] = acme.refused(422, "POST", path, body)
    assert problem["loc"] == ["body", *place]


def test_of_what_pieces_share_there_is_little(acme: Caller) -> None:
    path = f"agents/{acme.agent()['id']}/archival-memory"
    passage = {"text": "word " * 10_000, "metadata": {"a": "x" * 10_000}}
    assert acme.refused(422, "POST", path, passage)[0]["loc"] == ["body", "metadata"]
    assert len(acme.post(path, passage | {"metadata": {"a": "x"}})) == 2
    assert len(acme.post(path, passage | {"text": "word"})) == 1
