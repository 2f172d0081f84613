"""What a client may send in a frame of its socket."""

import pytest

from agents.api.consumers import MAX_FRAME, _request
from agents.errors import InvalidRequest


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (None, "Send JSON text"),
        ("x" * (MAX_FRAME + 1), "Send JSON text"),
        ("{", "JSON decode error"),
        ("[]", "Should be an object"),
        *(('{"a": ' + "[" * depth + "]" * depth + "}", "JSON decode error") for depth in (600, 900, 20_000)),
    ],
)
async def test_what_is_no_request_is_told(frame: str | None, told: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await _request(frame)
    assert caught.value.problems[0]["msg"].startswith(told)


async def test_what_cannot_be_stored_is_replaced() -> None:
    assert await _request('{"input": "a\\u0000b"}') == {"input": "a\ufffdb"}
