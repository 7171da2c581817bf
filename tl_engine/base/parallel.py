"""Work in threads, results in order, a bounded number in flight: Pillow decodes outside the GIL, so threads help."""

import contextlib
import ctypes
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

from tl_engine.base.errors import DataError

T = TypeVar("T")
R = TypeVar("R")
ARENA_MAX, MMAP_THRESHOLD = -8, -3  # of glibc's mallopt
ARENAS = 2  # heaps; by default each of forty threads keeps its own, with whatever it once needed
MAPPED = 1 << 20  # bytes from which a block has pages of its own, which go back at once; else glibc raises this itself


PATIENCE = 55.0  # seconds for one item: a disk that does not answer must not keep anybody for ever
_GIVEN_UP: list[Future[Any]] = []  # items that took longer than that


def hung() -> bool:
    """Whether a thread of this process has not come back: the interpreter would wait for it at its end."""
    return not all(future.done() for future in _GIVEN_UP)


def in_order(work: Callable[[T], R], items: Iterable[T], ahead: int = 128, patience: float = PATIENCE) -> Iterator[R]:
    """`work(item)` for each item, at most `ahead` of them begun before their turn, so that memory stays bounded.

    Raises DataError for one that takes longer than `patience`, in seconds.
    """
    waiting: deque[Future[R]] = deque()
    source, pool, stuck = iter(items), ThreadPoolExecutor(os.cpu_count()), False
    try:
        waiting.extend(pool.submit(work, item) for item in islice(source, ahead))
        while waiting:
            future = waiting.popleft()
            stuck = not (future.done() or wait((future,), patience).done)
            if stuck:
                _GIVEN_UP.append(future)
                raise DataError(f"A file could not be read within {patience:.0f} s: look at the disk, and try again.")
            yield future.result()
            waiting.extend(pool.submit(work, item) for item in islice(source, 1))
    finally:
        pool.shutdown(wait=not stuck, cancel_futures=True)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last one shorter (itertools has it from Python 3.12)."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch


class Budget:
    """A sum that many threads spend from and give back to, in whatever unit; who asks for much is not overtaken."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)  # threads that held a part are not in the child

    def _forget(self) -> None:
        self._spent = 0
        self._turn = threading.Lock()
        self._given_back = threading.Condition()

    @contextmanager
    def part(self, amount: int) -> Iterator[None]:
        """Wait until that much is free, and hold it; more than there is counts as all of it."""
        amount = min(amount, self._most)
        with self._turn, self._given_back:
            self._given_back.wait_for(lambda: self._spent + amount <= self._most)
            self._spent += amount
        try:
            yield
        finally:
            with self._given_back:
                self._spent -= amount
                self._given_back.notify_all()


class Precedence:
    """Short work goes first: long work asks between its pieces whether any is under way, and lets it through.

    It waits for a moment only, so that where there is always short work the long work goes on too, more slowly.
    """

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._under_way = 0
        self._over = threading.Condition()

    @contextmanager
    def first(self) -> Iterator[None]:
        """Short work, from its beginning to its end."""
        with self._over:
            self._under_way += 1
        try:
            yield
        finally:
            with self._over:
                self._under_way -= 1
                self._over.notify_all()

    def give_way(self, seconds: float) -> None:
        """Wait until no short work is under way, but no longer than so many seconds."""
        with self._over:
            self._over.wait_for(lambda: not self._under_way, seconds)


def few_heaps() -> None:
    """Have this process's threads share heaps, and large blocks go back to the system; before there are threads.

    Elsewhere than on glibc nothing happens. Not compared yet with leaving it out.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(ARENA_MAX, ARENAS)
        libc.mallopt(MMAP_THRESHOLD, MAPPED)


def give_back_memory() -> None:
    """Have what the heaps hold and nobody uses go back to the system, where that can be asked for."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
