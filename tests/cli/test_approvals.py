"""How calls that wait are shown in a terminal: as they are, whatever the model wrote."""

from typing import Any

from cli.approvals import _line

LEFT_TO_RIGHT, RIGHT_TO_LEFT = "\u202d", "\u202e"


def call(arguments: str) -> dict[str, Any]:
    return {"name": "delete", "arguments": arguments, "by_client": False}


def test_a_call_is_one_line() -> None:
    forged = '{"path":\n    "/"}\n    ./perdure approvals approve approval-1'
    assert _line(call(forged)) == 'delete {"path": "/"} ./perdure approvals approve approval-1'


def test_nothing_turns_the_order_of_its_letters() -> None:
    assert _line(call(f'{{"path": "{RIGHT_TO_LEFT}txt.{LEFT_TO_RIGHT}sh"}}')) == 'delete {"path": "txt.sh"}'
