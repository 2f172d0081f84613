"""The sweep gives the hints of packages again that were lost."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.agents import given
from tools import packages
from tools.models import Tool
from workers import sweep


@pytest.mark.django_db
@pytest.mark.parametrize("allowed", [True, False])
def test_the_sweep_asks_again_for_packages_that_nobody_installs(
    monkeypatch: pytest.MonkeyPatch, settings: Any, allowed: bool
) -> None:
    settings.ALLOW_TOOL_PACKAGES = allowed
    columns = packages.columns([{"name": "numpy"}]) | {"package_at": timezone.now() - timedelta(minutes=1)}
    tool = Tool.objects.create(organization=given.organization(), name="sum_up", source_code="x", **columns)
    asked: list[str] = []
    monkeypatch.setattr(sweep, "build_packages", asked.append)
    sweeper = sweep.Sweeper(5, lambda conversation_id: None)
    sweeper._sweep()
    sweeper._sweep()
    assert asked == ([tool.id] if allowed else [])
