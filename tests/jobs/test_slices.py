"""Trainings in slices: each goes on from the one before, to the numbers of one in one piece; and every ending."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.conftest import MakeImages
from tl_engine.api import train
from tl_engine.base.events import EpochEnd, Event, Note, RunEnded, RunStarted
from tl_engine.base.settings import Settings
from tl_engine.jobs import slices
from tl_engine.jobs.slices import LentGpu, Slice, asked_seconds, needed, work
from tl_engine.networks import runtime
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import OPEN_STATES, Run

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = {"architecture": "timm:test_resnet", "strategy": "from-scratch", "batch_size": 4, "seed": 3}


@pytest.fixture(autouse=True)
def lent_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set for a process with a GPU goes away with the test; reports are another test's."""
    monkeypatch.setenv(runtime.LENT, "1")
    monkeypatch.setattr(slices, "run_command", lambda *_: {})


def config(folder: Path, **more: object) -> TrainConfig:
    return TrainConfig.from_options({"data": str(folder), **QUICK, **more})


def ended(run: Run, seconds: float = 60) -> list[Event]:
    """Its events, once it has ended and its thread too."""
    end = time.monotonic() + seconds
    while run.state() in OPEN_STATES or any(run.name[:6] in t.name for t in threading.enumerate()):
        assert time.monotonic() < end, run.events()[0][-3:]
        time.sleep(0.05)
    return run.events()[0]


def epochs(events: list[Event]) -> list[tuple[int, float, float]]:
    return [(e.epoch, e.train_loss, e.val_loss) for e in events if isinstance(e, EpochEnd)]


def after(number: int) -> slices.Lend:
    """Lends for so many epochs at a time."""

    def lend(part: Slice) -> Iterator[Event]:
        from tl_engine.training.trainer import Training
        from tl_engine.training.trainer import train as trained

        seen = 0
        late = time.monotonic() + 3600
        training = Training(config=part.config, data=part.data, folder=part.folder, settings=part.settings,
                            deadline=late, resume=part.resume, started=part.started, ahead=part.ahead)  # fmt: skip
        for event in trained(training):
            yield event
            seen += isinstance(event, EpochEnd)
            if seen == number:
                object.__setattr__(training, "deadline", time.monotonic())

    return lend


@pytest.mark.slow
def test_slices_come_to_the_numbers_of_one_piece(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images(each=8, side=32)
    whole = list(train(config(folder, epochs=4), name="whole", settings=settings))
    run = queue.start(config(folder, epochs=4), settings, "sliced", spare=LentGpu(settings, after(1)))
    events = ended(run)
    assert run.state() == "finished"
    assert epochs(events) == epochs(whole)
    assert [type(e) for e in events].count(RunEnded) == 1
    assert [e.resumed_from for e in events if isinstance(e, RunStarted)] == [None, 1, 2, 3, 4][: events_of(events)]
    one, other = (load_file(Run(settings.runs / n).best / "model.safetensors") for n in ("whole", "sliced"))
    assert all(one[name].equal(other[name]) for name in one)
    assert not (settings.cache / "decoded" / "sliced").exists()


def events_of(events: list[Event]) -> int:
    return sum(isinstance(e, RunStarted) for e in events)


def test_what_is_needed_is_told_before_and_asked_for_with_something_to_spare(
    make_images: MakeImages, settings: Settings
) -> None:
    asked: list[int] = []

    def lend(part: Slice) -> Iterator[Event]:
        asked.append(part.seconds)
        yield from work(part)

    events = ended(queue.start(config(make_images(), epochs=1), settings, "one", spare=LentGpu(settings, lend)))
    told = next(e.message for e in events if isinstance(e, Note) and "GPU" in e.message)
    assert str(asked[0]) in told
    need = needed(config(Path("x"), epochs=1), 12)
    assert need < asked[0] == asked_seconds(need) <= slices.MOST_SECONDS


def test_more_epochs_need_more_and_those_that_are_done_none() -> None:
    long, short = (needed(config(Path("x"), epochs=n), 500) for n in (20, 2))
    assert long > short > slices.STARTING
    assert needed(config(Path("x"), epochs=20), 500, done=18) == pytest.approx(short)
    assert needed(TrainConfig(data="x"), 500, done=50) == slices.STARTING
    assert asked_seconds(1e6) == slices.MOST_SECONDS


@pytest.mark.slow
def test_photos_are_decoded_before_any_gpu_is_asked_for(
    make_images: MakeImages, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slice itself decodes none; a damaged one is still named."""
    folder = make_images(each=6, side=32)
    (folder / "red" / "bad.png").write_bytes(b"\x89PNG no more")
    from tl_engine.networks.preprocessing import Preprocess

    opened: list[str] = []
    whole, lent = Preprocess.open, threading.Event()

    def counted(self: Preprocess, source: Path, *more: object) -> object:
        if lent.is_set():
            opened.append(Path(source).name)
        return whole(self, source, *more)  # type: ignore[arg-type]

    def lend(part: Slice) -> Iterator[Event]:
        lent.set()
        yield from work(part)

    monkeypatch.setattr(Preprocess, "open", counted)
    for name, more in (("all", {}), ("head", {"architecture": "efficientnet_lite0", "strategy": "feature-extraction"})):
        lent.clear()
        run = queue.start(config(folder, epochs=2, **more), settings, name, spare=LentGpu(settings, lend))
        events = ended(run)
        assert run.state() == "finished", events[-1]
        assert set(opened) <= {"bad.png"}
        assert any("bad.png" in str(e) for e in events)


def test_no_gpu_to_be_had_goes_on_on_the_cpu_and_says_so(
    make_images: MakeImages, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_part: Slice) -> Iterator[Event]:
        raise RuntimeError("You have exceeded your GPU quota (60s requested vs. 3s left)")
        yield

    handed: list[str] = []
    monkeypatch.setattr(queue, "advance", lambda *given: handed.extend(["cpu"] * (len(given) == 1)))
    run = queue.create(config(make_images(), epochs=1), settings, "one")
    run.record_process(1)
    slices.SlicedRun(run, LentGpu(settings, refuse), resume=False).go()
    notes = [e.message for e in run.events()[0] if isinstance(e, Note)]
    assert any("exceeded your GPU quota" in note and "CPU" in note for note in notes)
    assert run.state() == "queued"
    assert run.goes_on()
    assert handed
    assert not run.ended()


@pytest.mark.slow
def test_a_call_cut_off_in_the_middle_goes_on_on_the_cpu(make_images: MakeImages, settings: Settings) -> None:
    def cut(part: Slice) -> Iterator[Event]:
        for event in work(part):
            yield event
            if isinstance(event, EpochEnd):
                raise RuntimeError("GPU task aborted")

    folder = make_images(each=8, side=32)
    run = queue.start(config(folder, epochs=3), settings, "cut", spare=LentGpu(settings, cut))
    events = ended(run, 120)
    assert run.state() == "finished"
    whole = list(train(config(folder, epochs=3), name="whole", settings=settings))
    assert [e[0] for e in epochs(events)] == [1, 2, 3]
    for one, other in zip(epochs(events), epochs(whole), strict=True):  # another process, with other threads
        assert one == pytest.approx(other, rel=0.05)


def test_a_stop_ends_it_between_batches_and_no_process_is_ended(make_images: MakeImages, settings: Settings) -> None:
    def slow(part: Slice) -> Iterator[Event]:
        for event in work(part):
            yield event
            time.sleep(0.05)

    run = queue.start(config(make_images(), epochs=500), settings, "one", spare=LentGpu(settings, slow))
    while not epochs(run.events()[0]):
        time.sleep(0.05)
    queue.stop(run, settings)
    events = ended(run)
    assert run.state() == "stopped"
    assert isinstance(events[-1], RunEnded)
    assert (run.best / "model.safetensors").is_file()


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(1), MemoryError()])
def test_whatever_happens_the_log_tells_the_end(
    make_images: MakeImages, settings: Settings, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(slices, "load_data", fail)
    run = queue.create(config(make_images(), epochs=1), settings, "one")
    run.record_process(1)
    sliced = slices.SlicedRun(run, LentGpu(settings, work), resume=False)
    if isinstance(error, Exception):
        sliced.go()
    else:
        with pytest.raises(SystemExit):
            sliced.go()
    assert run.state() == "failed"
    assert type(error).__name__ in str(run.events()[0][-1])


def test_the_visitor_who_asked_is_known_to_the_call(make_images: MakeImages, settings: Settings) -> None:
    import contextvars

    visitor: contextvars.ContextVar[str] = contextvars.ContextVar("visitor", default="nobody")
    seen: list[str] = []

    def lend(part: Slice) -> Iterator[Event]:
        seen.append(visitor.get())
        yield from work(part)

    lent = LentGpu(settings, lend)
    visitor.set("anna")
    first = queue.start(config(make_images(), epochs=1), settings, "anna-1", spare=lent)
    visitor.set("ben")
    second = queue.start(config(make_images("other"), epochs=1), settings, "ben-1", spare=lent)
    visitor.set("the caretaker")
    ended(first)
    ended(second)
    assert seen == ["anna", "ben"]


@pytest.mark.parametrize(("lent", "device"), [(False, "cpu"), (True, "cuda")])
def test_without_a_lent_gpu_the_device_is_the_cpu(monkeypatch: pytest.MonkeyPatch, lent: bool, device: str) -> None:
    """There torch says in every process that there is a GPU."""
    import torch

    monkeypatch.setenv(runtime.ZERO_GPU, "true")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    if not lent:
        monkeypatch.delenv(runtime.LENT)
    assert runtime.best_device().type == device
