"""Tests of the run machine use the tools of tests/effects beside the built-in ones."""

import pytest

from agents import hints


@pytest.fixture(autouse=True)
def _a_broker_that_answers():
    """No test inherits another's broken broker, or its worker."""
    hints.PAUSE.end()
    hints.on_failure = None
