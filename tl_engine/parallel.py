"""Work in threads, results in order, a bounded number in flight: Pillow decodes outside the GIL, so threads help."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[T], R], items: Iterable[T], ahead: int = 128) -> Iterator[R]:
    """`work(item)` for each item, at most `ahead` of them begun before their turn, so that memory stays bounded."""
    waiting: deque[Future[R]] = deque()
    source = iter(items)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            waiting.extend(pool.submit(work, item) for item in islice(source, ahead))
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(work, item) for item in islice(source, 1))
        finally:
            for future in waiting:
                future.cancel()


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last one shorter (itertools has it from Python 3.12)."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
