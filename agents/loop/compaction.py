"""When the window is too full: which messages leave it. They stay in recall memory, where the agent can search them."""

from collections.abc import Sequence

from agents.loop.messages import Message

FULL = 0.9
"""The share of the model's window from which on messages are evicted."""

ROOMY = 0.7
"""The share that is left filled then, so that it does not happen again with the next message."""


def first_kept(history: Sequence[Message], sizes: Sequence[int], fixed: int, window: int, failures: int = 0) -> int:
    """The index of the first message that stays in context; 0 when all of it fits.

    sizes     tokens of each message of `history`, and `fixed` those of everything else in the request
    failures  how often the provider has refused this very step as too long: each time half as much is kept

    Only a user message can be the first, so that no call is parted from its return; the last user message, and what
    followed it, always stay.
    """
    total = fixed + sum(sizes)
    if total <= FULL * window and not failures:
        return 0
    budget = min(ROOMY * window, fixed + sum(sizes) / 2**failures)
    starts = [index for index, message in enumerate(history) if message.role == "user"]
    for index in starts:
        if fixed + sum(sizes[index:]) <= budget:
            return index
    return starts[-1] if starts else 0
