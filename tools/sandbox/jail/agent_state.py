"""The argument `agent_state`, which models are not shown: what a tool may know of the agent that calls it."""

from types import SimpleNamespace
from typing import Any

NAME = "agent_state"


class Memory:
    """The core memory blocks: `blocks`, or one by its label."""

    def __init__(self, blocks: list[SimpleNamespace]):
        self.blocks = blocks

    def list_block_labels(self) -> list[str]:
        return [block.label for block in self.blocks]

    def get_block(self, label: str) -> SimpleNamespace:
        for block in self.blocks:
            if block.label == label:
                return block
        raise KeyError(f"The agent has no block {label!r}; it has {', '.join(self.list_block_labels()) or 'none'}.")

    def update_block_value(self, label: str, value: str) -> None:
        raise PermissionError(
            "agent_state is a copy, and nothing that a tool writes into it is kept. "
            "Return what is to be remembered, and let the agent edit its memory."
        )


def agent_state(told: dict[str, Any]) -> SimpleNamespace:
    """With attributes, as tools are used to: `agent_state.memory.get_block("human").value`."""
    blocks, tools = ([SimpleNamespace(**one) for one in told[kind]] for kind in ("blocks", "tools"))
    return SimpleNamespace(**told | {"blocks": blocks, "tools": tools, "memory": Memory(blocks)})
