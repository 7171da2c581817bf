"""Progress of work that is not itself a generator: a stage's clock, and a call that reports while it runs."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tl_engine.base.events import Event, Progress

OnProgress = Callable[[int, int], None]  # done and in all, in bytes or files
T = TypeVar("T")
TELL_EVERY = 0.3  # seconds between two events of one stage


class Stage:
    """Counts what is done and says when an event is due."""

    def __init__(self, name: str, total: int) -> None:
        self.name = name
        self.total = total
        self.started = self.told = time.monotonic()

    def due(self, done: int) -> Progress | None:
        """The event to tell now, if it is time for one or the stage is complete."""
        now = time.monotonic()
        if done < self.total and now - self.told < TELL_EVERY:
            return None
        self.told = now
        left = (now - self.started) / done * (self.total - done) if done else None
        return Progress(stage=self.name, done=done, total=self.total, seconds_left=left)


def telling(stage: str, tell: Callable[[Event], object]) -> OnProgress:
    """What to hand to work that counts (done, total): it tells `stage` as events, not more often than anybody reads."""
    clocks: list[Stage] = []

    def told(done: int, total: int) -> None:
        if not clocks or clocks[0].total != total:  # the total may become known only on the way
            clocks[:] = [Stage(stage, total)]
        if event := clocks[0].due(done):
            tell(event)

    return told


def reporting(stage: str, work: Callable[[OnProgress], T]) -> Generator[Progress, None, T]:
    """Run `work(on_progress)` in a thread, yield what it reports, return what it returns, raise what it raises."""
    reports: queue.Queue[tuple[int, int] | None] = queue.Queue()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work(lambda done, total: reports.put((done, total))))
        except BaseException as error:
            errors.append(error)
        finally:
            reports.put(None)

    threading.Thread(target=run, daemon=True).start()
    clock: Stage | None = None
    while (report := reports.get()) is not None:
        done, total = report
        clock = clock or Stage(stage, total)
        left = (time.monotonic() - clock.started) / done * (total - done) if done and total else None
        yield Progress(stage=stage, done=done, total=total, seconds_left=left)
    if errors:
        raise errors[0]
    return results[0]


def estimated(stage: str, seconds: float, work: Callable[[], T]) -> Generator[Progress, None, T]:
    """Run work that cannot say how far it is, in a thread; told is how much of its usual `seconds` is over."""
    started = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        while True:
            over = time.monotonic() - started
            share = min(over / seconds, 0.95)
            left = max(1.0, seconds - over)
            yield Progress(stage=stage, done=round(share * 100), total=100, seconds_left=left)
            with contextlib.suppress(TimeoutError):
                return future.result(TELL_EVERY)


def watched(work: Generator[Event, None, T], tell: Callable[[Event], object]) -> T:
    """Run work that tells its progress to its end: what it returns; every event goes to `tell`."""
    while True:
        try:
            event = next(work)
        except StopIteration as done:
            result: T = done.value
            return result
        tell(event)
