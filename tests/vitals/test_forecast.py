"""What a person who waits is told is true within 30 %, or not told."""

import json
import random
from pathlib import Path

import pytest

from tl_engine.base.events import BatchEnd, DataRead, EpochEnd, Event, RunEnded, RunStarted
from tl_engine.base.settings import Limits, Settings
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import EVENTS, Run
from tl_engine.vitals import forecast
from tl_engine.vitals.forecast import foretold, learn_from, rounded, wait_of

NOW = 2_000_000_000.0
START, READY, EPOCH = 6.0, 0.05, 0.4  # seconds: of a process, of a photo once, of a photo in an epoch


@pytest.fixture
def noise() -> random.Random:
    return random.Random(0)


def write(run: Run, events: list[Event]) -> None:
    from tl_engine.base.events import to_json

    (run.folder / EVENTS).write_text("".join(to_json(event) + "\n" for event in events))


def a_run(settings: Settings, name: str, photos: int, epochs: int, strategy: str = "fine-tuning") -> Run:
    config = TrainConfig(data="digits", strategy=strategy, epochs=epochs)  # type: ignore[arg-type]
    return queue.create(config, settings, name, photos=photos)


def epoch_event(number: int, epochs: int, seconds: float, at: float) -> EpochEnd:
    return EpochEnd(
        at=at, epoch=number, epochs=epochs, phase="all", train_loss=1, train_accuracy=0.5, val_loss=1,
        val_accuracy=0.5, learning_rate=1e-3, best=True, seconds=seconds, seconds_left=seconds * (epochs - number),
    )  # fmt: skip


def trained(run: Run, photos: int, epochs: int, noise: random.Random, start: float = START) -> float:
    """Write the log of a run as it would have been; what it took."""
    begun = NOW - 100_000
    factor = noise.uniform(0.9, 1.1)
    at = begun + start * factor
    events: list[Event] = [
        RunStarted(at=at, run_folder="x", config={}, process_id=1),
        DataRead(at=at, classes=["a"], counts={"a": {"train": photos * 4 // 5, "val": photos - photos * 4 // 5}}),
    ]
    at += photos * READY * factor
    for number in range(1, epochs + 1):
        seconds = photos * EPOCH * noise.uniform(0.9, 1.1)
        at += seconds
        events.append(epoch_event(number, epochs, seconds, at))
    whole = at - begun
    events.append(
        RunEnded(at=at, state="finished", reason="", run_folder="x", best_val_accuracy=1, best_epoch=1, seconds=whole)
    )
    write(run, events)
    return whole


def test_a_queue_is_foretold_within_thirty_percent(settings: Settings, noise: random.Random) -> None:
    for number, (photos, epochs) in enumerate([(60, 2), (300, 4), (120, 8)]):
        past = a_run(settings, f"past{number}", photos, epochs)
        trained(past, photos, epochs, noise)
        learn_from(past, settings)
        queue.open_runs.remove(settings.runs, past.name)
    # One at work, in the middle of its third epoch of five, then four that wait.
    working = a_run(settings, "working", 200, 5)
    working.record_process(1)
    done = 2 * 200 * EPOCH
    write(working, [
        RunStarted(at=NOW - done, run_folder="x", config={}, process_id=1),
        epoch_event(2, 5, 200 * EPOCH, NOW - 30),
        BatchEnd(at=NOW - 10, epoch=3, batch=3, batches=10, loss=1, seconds_left=200 * EPOCH * 2.5 + 10),
    ])  # fmt: skip
    (working.folder / "process.json").write_text(_alive())
    import os

    os.utime(working.folder / "process.json", (NOW - 200, NOW - 200))
    waiting = [(100, 8), (40, 3), (250, 2), (80, 6)]
    runs = [a_run(settings, f"waits{n}", photos, epochs) for n, (photos, epochs) in enumerate(waiting)]
    true = 200 * EPOCH * 2.5
    for run, (photos, epochs) in zip(runs, waiting, strict=True):
        told = wait_of(run, settings, NOW)
        assert told is not None
        assert abs(told - true) < 0.3 * true
        true += trained(Run(_elsewhere(settings, run)), photos, epochs, noise)


def _alive() -> str:
    import os

    import psutil

    return json.dumps({"pid": os.getpid(), "created": psutil.Process().create_time(), "after": 0})


def _elsewhere(settings: Settings, run: Run) -> Path:
    folder = settings.cache / "simulated" / run.name
    folder.mkdir(parents=True)
    return folder


def test_where_nothing_is_known_nothing_is_said(settings: Settings, noise: random.Random) -> None:
    first, second = a_run(settings, "first", 100, 3), a_run(settings, "second", 100, 3)
    assert wait_of(second, settings, NOW) is None
    other = a_run(settings, "other", 100, 3, "from-scratch")
    trained(other, 100, 3, noise)
    learn_from(other, settings)
    assert wait_of(second, settings, NOW) is None
    assert foretold(first, forecast._read(settings)) is None


def test_who_stands_in_line_waits_for_processes_too(settings: Settings, noise: random.Random) -> None:
    """The first of a lesson found a process ready, those behind it do not: its 10 s of a line of seven took 68 s. One
    that met a crash or a flood says as little: by its 12 s for each, 300 s were foretold that became 215."""
    before = [a_run(settings, f"before{number}", 40, 2) for number in range(3)]
    last = a_run(settings, "last", 40, 2)
    for number, start in enumerate((0.2, 8.0, 7.5, 30.0, 8.5)):
        past = a_run(settings, f"past{number}", 40, 2)
        queue.open_runs.remove(settings.runs, past.name)
        trained(past, 40, 2, noise, start)
        learn_from(past, settings)
        if not number:
            assert wait_of(last, settings, NOW) is None  # one is not enough to tell
    told = wait_of(last, settings, NOW)
    assert told is not None
    assert abs(told - len(before) * (8 + 40 * (READY + 2 * EPOCH))) < 0.15 * told


def test_the_minutes_of_a_page_bound_what_is_foretold(settings: Settings, noise: random.Random) -> None:
    import dataclasses

    past = a_run(settings, "past", 100, 3)
    trained(past, 100, 3, noise)
    learn_from(past, settings)
    shared = dataclasses.replace(settings, limits=Limits(minutes=2))
    long = queue.create(TrainConfig(data="digits", strategy="fine-tuning", epochs=30), shared, "long", photos=1000)
    told = foretold(long, forecast._read(settings))
    assert told is not None
    assert 120 <= told <= 130


def test_a_run_that_did_not_run_through_teaches_nothing(settings: Settings) -> None:
    run = a_run(settings, "one", 100, 3)
    learn_from(run, settings)
    write(run, [RunStarted(at=NOW, run_folder="x", config={}, process_id=1)])
    learn_from(run, settings)
    assert not (settings.cache / forecast.FILE).exists()


def test_the_last_five_of_a_kind_are_kept_and_a_damaged_file_is_made_anew(
    settings: Settings, noise: random.Random
) -> None:
    (settings.cache).mkdir(parents=True)
    (settings.cache / forecast.FILE).write_text("{")
    for number in range(8):
        run = a_run(settings, f"run{number}", 50, 2)
        trained(run, 50, 2, noise)
        learn_from(run, settings)
    (kept,) = forecast._read(settings).values()
    assert len(kept) == forecast.KEPT


@pytest.mark.parametrize(
    ("seconds", "told"), [(3, 10), (44, 40), (95, 90), (400, 390), (1000, 1020), (4000, 3900), (0, 10)]
)
def test_a_wait_is_rounded_as_people_say_it(seconds: float, told: int) -> None:
    assert rounded(seconds) == told
