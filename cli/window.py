"""`./perdure window`: what fills an agent's context window."""

from rich.console import Console
from rich.table import Table

from cli.server import find_agent, server

PART = "num_tokens_"


def show(agent: str) -> None:
    there = server()
    window = there.get(f"/v1/agents/{find_agent(there, agent)['id']}/context")
    full, limit = window["context_window_size_current"], window["context_window_size_max"]
    table = Table("part", "tokens", "share", box=None, pad_edge=False)
    parts = {name: tokens for name, tokens in window.items() if name.startswith(PART) and tokens}
    for name, tokens in parts.items():
        table.add_row(name.removeprefix(PART).replace("_", " "), f"{tokens:,}", f"{100 * tokens / limit:.1f} %")
    table.add_row("together", f"{full:,}", f"{100 * full / limit:.1f} %", style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"{limit:,} tokens fit. {window['num_messages']} messages are in context, "
        f"{window['num_recall_memory']} in recall memory, {window['num_archival_memory']} passages in archival memory."
    )
