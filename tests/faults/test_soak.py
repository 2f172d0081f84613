"""Processes die, freeze and forget at random, one after the other, while many conversations are under way."""

from pathlib import Path

import pytest

from tests.fakellm import FakeLLM
from tests.soak import soak

SECONDS = 40
SEED = 11


@pytest.mark.faults
def test_struck_at_random(tmp_path: Path) -> None:
    with FakeLLM() as llm:
        report = soak(tmp_path, llm, SECONDS, SEED)
    print(report)
    assert (report.lost, report.doubled) == (0, 0)
    assert report.completed >= 0.9 * len(report.runs) > 0
