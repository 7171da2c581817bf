"""Work that tells its progress: a stage's clock, a call that reports from a thread, and a generator run to its end."""

from collections.abc import Generator

import pytest

from tl_engine.base.errors import DataError
from tl_engine.base.events import Event, Note, Progress
from tl_engine.base.progress import OnProgress, Stage, reporting, telling, watched
from tl_engine.commands.printing import ReadableLog


def test_watched_work_returns_what_it_returns_and_tells_every_event_in_order() -> None:
    def work() -> Generator[Event, None, str]:
        yield Note(message="first")
        yield Note(message="second")
        return "done"

    told: list[Event] = []
    assert watched(work(), told.append) == "done"
    assert told == [Note(message="first"), Note(message="second")]


def test_watched_work_that_tells_nothing_returns_all_the_same() -> None:
    def work() -> Generator[Event, None, None]:
        yield from ()

    told: list[Event] = []
    watched(work(), told.append)
    assert told == []


def test_what_watched_work_raises_comes_out_after_what_it_told() -> None:
    def work() -> Generator[Event, None, str]:
        yield Note(message="first")
        raise DataError("broken")

    told: list[Event] = []
    with pytest.raises(DataError, match="broken"):
        watched(work(), told.append)
    assert told == [Note(message="first")]


def test_a_listener_that_fails_ends_the_work() -> None:
    ended: list[str] = []

    def work() -> Generator[Event, None, None]:
        try:
            yield Note(message="first")
            yield Note(message="never told")
        finally:
            ended.append("ended")

    def tell(event: Event) -> None:
        raise DataError(f"nobody listens to {event.kind}")

    with pytest.raises(DataError, match="nobody listens to note"):
        watched(work(), tell)
    assert ended == ["ended"]


def test_a_call_in_a_thread_is_watched_like_any_work() -> None:
    def work(told: OnProgress) -> int:
        told(1, 2)
        told(2, 2)
        return 42

    events: list[Event] = []
    assert watched(reporting("unpacking", work), events.append) == 42
    assert [(e.stage, e.done, e.total) for e in events if isinstance(e, Progress)] == [
        ("unpacking", 1, 2),
        ("unpacking", 2, 2),
    ]

    def fail(told: OnProgress) -> int:
        told(1, 2)
        raise DataError("broken")

    with pytest.raises(DataError, match="broken"):
        watched(reporting("unpacking", fail), events.append)


def test_a_stage_is_told_now_and_then_and_always_at_its_end() -> None:
    clock = Stage("looking", 3)
    assert clock.due(1) is None  # the first event waits its turn
    last = clock.due(3)
    assert last is not None
    assert (last.stage, last.done, last.total, last.seconds_left) == ("looking", 3, 3, 0)


def test_a_bar_is_gone_once_its_stage_is_complete() -> None:
    """Else what is printed next begins behind it."""
    log = ReadableLog()
    log.show(Progress(stage="looking", done=1, total=2))
    assert log.bar is not None
    log.show(Progress(stage="looking", done=2, total=2))
    assert log.bar is None


def test_work_that_counts_is_told_as_a_stage_not_at_every_step() -> None:
    events: list[Progress] = []
    told = telling("unpacking", events.append)  # type: ignore[arg-type]
    for done in range(1, 1001):
        told(done, 1000)
    assert len(events) < 50
    assert (events[-1].stage, events[-1].done, events[-1].total) == ("unpacking", 1000, 1000)
