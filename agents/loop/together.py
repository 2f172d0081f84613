"""Calls that reach the world: those that may run at the same time, and their returns as they come."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import groupby
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def groups(items: Iterable[T], may_join: Callable[[T], bool]) -> Iterator[tuple[T, ...]]:
    """The items in their order: neighbours that may join are one group, every other is a group of its own."""
    for joined, run in groupby(items, may_join):
        if joined:
            yield tuple(run)
        else:
            yield from ((item,) for item in run)


def each(run: Callable[[T], R], items: Sequence[T]) -> Iterator[list[R]]:
    """Run all at the same time, each in a thread; gives what has come so far, in the order of the items.

    When one raises, the others are waited for, and what they gave is given first.
    """
    if len(items) == 1:
        yield [run(items[0])]
        return
    with ThreadPoolExecutor(len(items), thread_name_prefix="call") as pool:
        left = [pool.submit(run, item) for item in items]
        while left:
            wait(left[:1], return_when=FIRST_COMPLETED)
            come, left = _from_the_front(left)
            if not come:
                wait(left)
                if come := [future.result() for future in left if future.exception() is None]:
                    yield come
                left[0].result()
            yield come


def _from_the_front(futures: list[Future[R]]) -> tuple[list[R], list[Future[R]]]:
    """The results of the first that are done well, and the rest."""
    count = next(
        (index for index, one in enumerate(futures) if not one.done() or one.exception() is not None), len(futures)
    )
    return [one.result() for one in futures[:count]], futures[count:]
