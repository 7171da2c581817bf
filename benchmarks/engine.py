"""Our own trainings, started as a person would start them and timed by the events they tell."""

import functools
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.bench import Bench, MeasurementError, run_program
from tl_engine.base.events import BatchEnd, DataRead, EpochEnd, Event, Progress, RunEnded, RunStarted, from_json

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Told:
    """The events of one finished training and the wall-clock seconds of its command."""

    command_seconds: float
    events: list[Event]

    def all_of(self, kind: type[E]) -> list[E]:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def one(self, kind: type[E]) -> E:
        """The last event of a kind. Raises MeasurementError when there is none."""
        if found := self.all_of(kind):
            return found[-1]
        raise MeasurementError(f"the training told no {kind.__name__}")

    @property
    def engine_seconds(self) -> float:
        """From the first word of the training to its last: no process start, no imports before it."""
        return stamp(self.one(RunEnded)) - stamp(self.one(RunStarted))

    @property
    def best_accuracy(self) -> float:
        """On the validation photos."""
        return self.one(RunEnded).best_val_accuracy or 0.0

    @property
    def training_images(self) -> int:
        """How many photos were learned from."""
        return sum(counts.get("train", 0) for counts in self.one(DataRead).counts.values())


def stamp(event: Event) -> float:
    """When the event was told, seconds since 1970."""
    if event.at is None:
        raise MeasurementError(f"{event.kind} carries no time")
    return event.at


def told(printed: str, command_seconds: float) -> Told:
    """What `train --json` printed. Raises MeasurementError unless the training finished."""
    events = [event for event in map(from_json, printed.splitlines()) if event]
    run = Told(command_seconds, events)
    if (ended := run.one(RunEnded)).state != "finished":
        raise MeasurementError(f"the training {ended.state}: {ended.reason}")
    return run


@functools.cache
def has_option(option: str, *program: str) -> bool:
    """Whether a program of ours knows an option yet."""
    return option in run_program(*program, "--help")[1]


def command(bench: Bench, cache: Path, *options: str, data: Path | None = None) -> list[str]:
    """The arguments of one training of the benchmark's data and backbone."""
    folders = ["--data", str(data or bench.data), "--runs", str(bench.folder("runs"))]
    if has_option("--cache-dir", "-m", "tl_engine", "train"):
        folders += ["--cache-dir", str(cache)]
    backbone = ["--architecture", bench.architecture, "--weights-dir", str(bench.weights_dir)]
    return ["-m", "tl_engine", "train", "--json", *folders, *backbone, *options]


def train(bench: Bench, cache: Path, *options: str) -> Told:
    """Run one training to its end. Raises MeasurementError."""
    seconds, printed = run_program(*command(bench, cache, *options))
    return told(printed, seconds)


def fine_tuning_rate(run: Told, batch_size: int) -> float:
    """Images learned from per second after the first epoch, validation and saving left out.

    From the end of one epoch to the last batch told in the next one. Where an epoch is too short to tell a batch,
    the whole epoch with its validation counts instead, which flatters nobody.
    """
    images, seconds = 0, 0.0
    ends = run.all_of(EpochEnd)
    for before, after in itertools.pairwise(ends):
        batches = [event for event in run.all_of(BatchEnd) if event.epoch == after.epoch]
        last: Event = batches[-1] if batches else after
        images += min(batches[-1].batch * batch_size, run.training_images) if batches else run.training_images
        seconds += stamp(last) - stamp(before)
    return images / seconds


def seconds_per_photo(run: Told) -> float:
    """The pace of what is done photo by photo before the head learns (checking, embedding), starting costs left out.

    Each kind of work ("checking photos", "embedding ...") by its own events; a photo goes through each kind once.
    """
    spans: dict[str, tuple[float, int]] = {}
    events = run.all_of(Progress)
    for before, after in itertools.pairwise(events):
        if before.stage == after.stage:
            kind = after.stage.split()[0]
            seconds, photos = spans.get(kind, (0.0, 0))
            spans[kind] = (seconds + stamp(after) - stamp(before), photos + after.done - before.done)
    if not any(photos for _, photos in spans.values()):  # too quick to tell: small data
        return run.engine_seconds / run.training_images
    return sum(seconds / photos for seconds, photos in spans.values() if photos)
