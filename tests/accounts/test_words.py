"""Counts of rows are told in people's words."""

import pytest
from django.apps import apps

from accounts.words import counted


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"run": 1, "step": 12_345}, "1 run, 12,345 steps"),
        ({"agenttool": 4, "toolattempt": 1}, "4 tools of agents, 1 tool attempt"),
        (
            {"identity": 2, "embeddedhistory": 2, "agentidentity": 2},
            "2 identities, 2 embedded histories, 2 identities of agents",
        ),
        ({"agents_kept": 1, "blocks_kept": 3}, "1 agent kept, 3 blocks kept"),
        ({"pieces": 1, "inbox": 2}, "1 piece, 2 places in the queue"),
        ({}, ""),
    ],
)
def test_counts(counts: dict[str, int], told: str) -> None:
    assert counted(counts) == told


def test_no_model_is_called_by_words_that_run_together() -> None:
    for app in ("accounts", "memory", "tools", "agents", "workers"):
        for model in apps.get_app_config(app).get_models():
            one_word = model.__name__[1:].islower()
            told = counted({model.__name__.lower(): 1}).removeprefix("1 ")
            assert one_word or " " in told, told
