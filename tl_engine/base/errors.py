"""What a person can mend. Each message is one sentence: the value, what is allowed, and the remedy."""

import json
import re
from collections.abc import Mapping
from typing import Self

QUESTION = "question"  # the kind of such a line, among events


def without_paths(text: str) -> str:
    """The text with absolute paths cut to their last name: what a page may show."""
    return re.sub(r"(?<![\w.])(?:/[^\s/:'\"]+)+/([^\s/:'\"]*)", r"\1", text)


def not_opened(name: str, error: OSError) -> str:
    """The sentence for a file or folder that the system does not open."""
    if isinstance(error, PermissionError):
        return f"{name} may not be read by this program: allow it to."
    return f"{name} cannot be read ({error.strerror or 'input/output error'}): copy it again."


MEMORY_WORDS = ("out of memory", "can't allocate memory", "alloc_failed", "cannot allocate memory")


def is_memory_full(error: BaseException) -> bool:
    """Whether the memory of computer or GPU is full. torch, which is not imported here, says so in types and texts."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError | OSError) and any(words in str(error).lower() for words in MEMORY_WORDS)


class EngineError(Exception):
    """Anything the engine refuses; its text is shown to people as it is."""


class ConfigError(EngineError):
    """A setting out of its range, or settings that contradict each other."""


class DataError(EngineError):
    """A data set that cannot be trained on, or an archive that cannot be taken."""


class Question(DataError):  # noqa: N818 - not an error, though nothing goes on without an answer
    """Data that can be read in more than one way: whoever asked for it must choose, nobody guesses.

    The text is a whole sentence that names the option; a page shows `readings` as a choice instead.
    """

    def __init__(self, text: str, option: str, readings: Mapping[str, str]) -> None:
        super().__init__(text)
        self.option = option  # a field of Reading, such as "layout"
        self.readings = dict(readings)  # value of that option -> what it would make of the data, in words

    def to_json(self) -> str:
        """One line of ASCII, for the process that asked."""
        return json.dumps({"kind": QUESTION, "text": str(self), "option": self.option, "readings": self.readings})

    @classmethod
    def from_json(cls, line: str) -> Self | None:
        """The question of such a line, its text without paths; None for any other line."""
        try:
            told = json.loads(line)
            if told["kind"] != QUESTION:
                return None
            return cls(without_paths(told["text"]), told["option"], told["readings"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


class ImageError(EngineError):
    """One picture that cannot be read; the others go on without it."""


class WeightsError(EngineError):
    """Backbone weights that cannot be had, or do not fit.

    `for_visitors` is the sentence without what only a host can do, where there is such a thing.
    """

    def __init__(self, text: str, for_visitors: str = "") -> None:
        super().__init__(text)
        self.for_visitors = for_visitors


class RunError(EngineError):
    """A run or classifier folder that is not there, taken, or not what it should be."""


class TrainingError(EngineError):
    """A training that cannot go on; what it saved before stays good."""


class HubError(EngineError):
    """What the Hugging Face hub refuses, cannot be asked, or has there that cannot be used here."""
