"""What a training tells: frozen facts in the past, one json line each. Terminal, page and files read the same."""

import dataclasses
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tl_engine.base.words import score

LOGGED_EPOCHS = 200  # about as many lines of epochs does a log have; beside them, every epoch that was saved


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base of all events; `kind` is the class name in snake case. `at` is seconds since 1970, set when logged."""

    kind: ClassVar[str] = "event"
    at: float | None = None

    def __init_subclass__(cls) -> None:
        cls.kind = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """The training process is at work."""

    run_folder: str
    config: dict[str, Any]
    process_id: int
    resumed_from: int | None = None  # the epoch after which it goes on, 0 if none had ended; None: it is new


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRead(Event):
    """Every file was looked at: what takes part, by class and split."""

    classes: list[str]
    counts: dict[str, dict[str, int]]  # class -> split -> images
    judge: str = "val"  # who judges: the photos of "val", or in "folds" all that teach

    def photos(self, split: str) -> int:
        """How many are in a split; of "judged", how many the accuracy of an epoch is about."""
        if split == "judged":
            split = "train" if self.judge == "folds" else "val"
        return sum(splits.get(split, 0) for splits in self.counts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSkipped(Event):
    """One file takes no part, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Event):
    """A line for the log that explains a choice."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Event):
    """A stage that takes a while: `done` of `total`, with the seconds it will still take (None: unknown)."""

    stage: str
    done: int
    total: int
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelBuilt(Event):
    """Which tensors learn, as the tutorial prints "Params to learn"."""

    architecture: str
    weights: str  # where they came from
    learning_tensors: int
    tensors: int
    learning_parameters: int
    parameters: int
    names: list[str]  # of the learning tensors, the first ones


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEnd(Event):
    """One of some training batches; not every batch is told."""

    epoch: int
    batch: int
    batches: int
    loss: float
    seconds_left: float | None = None  # of the whole training


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEnd(Event):
    """One pass over the training images. Accuracies are fractions; what was the best so far is already saved."""

    epoch: int
    epochs: int
    phase: str  # which part of the network learned: head or all
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    best: bool
    seconds: float
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalTest(Event):
    """The best epoch, measured once on the test folder."""

    test_loss: float
    test_accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """The last event, until a run goes on. `state` is finished, stopped or failed; `seconds` are those of all parts."""

    state: str
    reason: str
    run_folder: str
    best_val_accuracy: float | None
    best_epoch: int | None
    seconds: float


def worked(events: Iterable[Event]) -> float:
    """The seconds that a run was worked on by all of its processes; one that died counts to its last word."""
    total, begun, last = 0.0, None, 0.0
    for event in events:
        if isinstance(event, RunStarted):
            total, begun = total + (last - begun if begun else 0.0), event.at
        elif isinstance(event, RunEnded):
            total, begun = event.seconds, None
        last = event.at or last
    return total + (last - begun if begun else 0.0)


KINDS: dict[str, type[Event]] = {cls.kind: cls for cls in Event.__subclasses__()}


def to_json(event: Event) -> str:
    """One line of ASCII. Numbers that json does not have (NaN, infinity) become null.

    ASCII, since a file's name may hold U+2028, which ends a line for readers, or bytes that are no UTF-8 at all.
    """
    values = {"kind": event.kind} | dataclasses.asdict(event)
    return json.dumps(_finite(values), allow_nan=False)


def from_json(line: str) -> Event | None:
    """The event of a line, or None for a line cut short or of a kind unknown to this version."""
    try:
        values = json.loads(line)
        cls = KINDS[values.pop("kind")]
        names = {f.name for f in dataclasses.fields(cls)}
        return cls(**{k: v for k, v in values.items() if k in names})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_finite(inner) for inner in value]
    return value


def describe(event: Event, photos: Mapping[str, int] | None = None) -> str:
    """One plain line for a log; empty for events that only move a progress bar, and for most of very many epochs.

    Accuracies are counts where `photos` says of a split that it has few.
    """
    told = _described(event, photos or {})
    return " ".join(told.splitlines())  # a file's name or a library's message may break lines


def _described(event: Event, photos: Mapping[str, int]) -> str:
    match event:
        case RunStarted():
            more = f", goes on after epoch {event.resumed_from}" if event.resumed_from else ""
            return f"{event.config['architecture']}, {event.config['strategy']}, {event.config['epochs']} epochs{more}"
        case DataRead():
            splits = Counter[str]()
            for counts in event.counts.values():
                splits.update(counts)
            sizes = ", ".join(f"{number} {split}" for split, number in splits.items())
            return f"{sum(splits.values())} photos of {len(event.classes)} classes: {sizes}"
        case FileSkipped():
            return f"skipped {event.file}: {event.reason}"
        case Note():
            return event.message
        case ModelBuilt():
            return (
                f"weights: {event.weights}; learning: {event.learning_tensors} of {event.tensors} tensors, "
                f"{_count(event.learning_parameters)} of {_count(event.parameters)} parameters "
                f"({', '.join(event.names)})"
            )
        case EpochEnd() if event.best or event.epoch == event.epochs or event.epoch % _log_every(event.epochs) == 0:
            return (
                f"epoch {event.epoch}/{event.epochs}  "
                f"train {score(event.train_accuracy, photos.get('train', 0))} loss {_number(event.train_loss)}  "
                f"val {score(event.val_accuracy, photos.get('val', 0))} loss {_number(event.val_loss)}"
                f"{'  best, saved' if event.best else ''}"
            )
        case FinalTest():
            return f"test loss {_number(event.test_loss)} {score(event.test_accuracy, photos.get('test', 0))}"
        case RunEnded():
            best = "no epoch ended"
            if event.best_val_accuracy is not None:
                best = f"best: {score(event.best_val_accuracy, photos.get('val', 0))} in epoch {event.best_epoch}"
            return f"{event.state} after {event.seconds:.1f} s: {event.reason} ({best})"
    return ""


def _log_every(epochs: int) -> int:
    """A head on kept features trains thousands of epochs; nobody reads as many lines."""
    return math.ceil(epochs / LOGGED_EPOCHS)


def _count(number: int) -> str:
    return f"{number / 1e6:.1f} M" if number >= 1_000_000 else f"{number:,}"


def _number(value: float | None) -> str:
    return "not a number" if value is None else f"{value:.4f}"
