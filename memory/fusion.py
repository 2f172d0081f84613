"""What is done with scores once they are there, in plain Python.

Those of words and those of vectors are made one; and hits that say nearly the same go by date.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

WORDS = 0.4
"""What words count for beside vectors. With more, what is asked for in other words is lost."""
ALIKE = 0.6
"""Which part of the words of two texts has to be the same for them to say nearly the same."""
CLOSE = 0.8
"""And how near the lower score has to be to the higher one."""
ASKED = 0.75
"""Two texts that hold so much of the query both answer it."""
CORRECTED = 0.5
"""Then the newer one is taken for a correction, if so much of the shorter text stands in the other."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A hit, with the terms of the query that it holds, and all the words of its text."""

    id: str
    score: float
    terms: frozenset[int]
    words: frozenset[str]
    created_at: datetime


def fused(words: Mapping[str, float], near: Mapping[str, float]) -> dict[str, float]:
    """One score of 0 to 1 for every id of either. What has no vector yet goes by its words alone.

    Each kind is spread over 0 to 1 first: how large its numbers are says nothing.
    """
    best = max(words.values(), default=0.0) or 1.0
    lowest = min(near.values(), default=0.0)
    spread = max(near.values(), default=0.0) - lowest or 1.0
    scores = {id: score / best for id, score in words.items()}
    for id, score in near.items():
        scores[id] = WORDS * scores.get(id, 0.0) + (1 - WORDS) * (score - lowest) / spread
    return scores


def newest_of_alike(candidates: Sequence[Candidate], asked: int) -> list[Candidate]:
    """Best first as they come, but within a group that says nearly the same, or corrects itself, the newest first.

    `asked` is how many terms the query has.
    A group keeps its places. Only hits that hold the same terms of the query may change theirs: what sets two
    otherwise equal texts apart is often the very thing that was asked for, a number for example.
    """
    groups: list[list[int]] = []
    for place, candidate in enumerate(candidates):
        group = next((group for group in groups if _alike(candidates[group[0]], candidate, asked)), None)
        if group is None:
            groups.append([place])
        else:
            group.append(place)
    ordered = list(candidates)
    for group in groups:
        newest = sorted((candidates[place] for place in group), key=lambda one: one.created_at, reverse=True)
        for place, candidate in zip(group, newest, strict=True):
            ordered[place] = candidate
    return ordered


def _alike(first: Candidate, second: Candidate, asked: int) -> bool:
    if first.terms != second.terms or second.score < CLOSE * first.score:
        return False
    same = len(first.words & second.words)
    if same >= ALIKE * len(first.words | second.words):
        return True
    answers = asked > 0 and len(first.terms) >= ASKED * asked
    return answers and same >= CORRECTED * min(len(first.words), len(second.words))
