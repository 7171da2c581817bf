"""How a training may end, and the words for it: asked to stop, or something nobody foresaw."""

import traceback
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar

from tl_engine.base.errors import EngineError, is_memory_full, without_paths
from tl_engine.base.events import Event, Note
from tl_engine.base.files import is_disk_full
from tl_engine.runs.saved_classifier import STOPPED

T = TypeVar("T")
WORKER_SECONDS = 45  # that a process may take to read a batch before it counts as hung
SLICE_OVER = "The time of this slice is up; it goes on in the next one."
MEMORY = "The memory is full, even with one photo at a time: choose a smaller architecture, or close other programs."
DISK = "The disk is full: make room; what was saved before stays."
PHOTOS_GONE = "The folder of photos is gone, moved or deleted while it learnt from them: train anew on others. "
WORKER_DEAD = "A process that read photos died, perhaps since the memory was full: train again."
WORKER_HUNG = f"A process that read photos did not answer for {WORKER_SECONDS} s: look at the disk, and train again."


class StopAsked(Exception):  # noqa: N818 - not an error
    """Somebody asked the training to end, or its time is up; what it saved stays. Its text says why."""

    def __init__(self, reason: str = STOPPED) -> None:
        super().__init__(reason)


def failure(error: Exception, photos: Path) -> str:
    """The reason of a run that ended by an error, fit for a stranger's eyes; `photos` is where they were."""
    gone = "" if photos.is_dir() else PHOTOS_GONE
    if isinstance(error, EngineError):
        return gone + str(error)
    if is_memory_full(error):
        return MEMORY
    traceback.print_exc()  # to its stderr
    return gone or unexpected(error)


def unexpected(error: Exception) -> str:
    """The reason where the error is one that nobody foresaw."""
    if is_disk_full(error):
        return DISK
    if "DataLoader" in str(error):
        return WORKER_HUNG if "timed out" in str(error) else WORKER_DEAD
    return f"Unexpected {type(error).__name__}: {_in_words(error)}"


def with_news(work: Generator[Event, None, T], news: Callable[[], str]) -> Generator[Event, None, T]:
    """The events of `work`, and as notes between them what `news` has to say."""
    try:
        while True:
            try:
                event = next(work)
            except StopIteration as done:
                result: T = done.value
                return result
            if told := news():
                yield Note(message=told)
            yield event
    finally:
        work.close()


def afterwards(what: str, step: Iterator[Event]) -> Iterator[Event]:
    """What follows the last epoch. The classifier is saved: what goes wrong now is told, and decides nothing."""
    try:
        yield from step
    except StopAsked:
        yield Note(message=f"{what} was left out, since a stop was asked for; the training itself is complete.")
    except EngineError as error:
        yield Note(message=f"{what} was not possible; the classifier is saved. {error}")
    except Exception as error:
        traceback.print_exc()
        yield Note(message=f"{what} was not possible ({_in_words(error)}); the classifier is saved.")


def _in_words(error: Exception) -> str:
    """The first line of an error, without this machine's paths: a page shows it to strangers."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return without_paths(str(error).split("\n", 1)[0])
