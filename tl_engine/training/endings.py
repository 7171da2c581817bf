"""How a training may end, and the words for it: asked to stop, or something nobody foresaw."""

import traceback
from collections.abc import Iterator

from tl_engine.base.errors import EngineError, without_paths
from tl_engine.base.events import Event, Note
from tl_engine.base.files import is_disk_full
from tl_engine.runs.saved_classifier import STOPPED

SLICE_OVER = "The time of this slice is up; it goes on in the next one."


class StopAsked(Exception):  # noqa: N818 - not an error
    """Somebody asked the training to end, or its time is up; what it saved stays. Its text says why."""

    def __init__(self, reason: str = STOPPED) -> None:
        super().__init__(reason)


def unexpected(error: Exception) -> str:
    """The reason of a run that ended by an error nobody foresaw, fit for a stranger's eyes."""
    if is_disk_full(error):
        return "The disk is full: make room; what was saved before stays."
    return f"Unexpected {type(error).__name__}: {_in_words(error)}"


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
