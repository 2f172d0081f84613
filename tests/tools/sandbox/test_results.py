"""What a call wrote as its result, where that is no result."""

import json
import time

import pytest

from tools.sandbox.results import BadResult, parse


@pytest.mark.parametrize(
    "value", ["x", '"', "\\", '\\"[[', {"[": ['{"', 1]}, [[["]" * 200]]], "[" * 500], ids=json.dumps
)
def test_brackets_in_texts_are_no_levels(value: object) -> None:
    assert parse(json.dumps({"status": "success", "value": value}).encode()) == (value, None)


@pytest.mark.parametrize("written", [b'"' + b'\\"' * 100_000, b'"' * 100_001, b'["\\'])
def test_a_text_without_an_end_is_gone_through_once(written: bytes) -> None:
    began = time.process_time()
    with pytest.raises(BadResult, match="cannot be read"):
        parse(written)
    assert time.process_time() - began < 1
