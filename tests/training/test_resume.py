"""A training that goes on equals one that was never interrupted, bit for bit, wherever it was left."""

import dataclasses
import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.conftest import MakeImages
from tests.training.test_trainer import ended, epochs, make_training
from tl_engine.backbones.architectures import ARCHITECTURES
from tl_engine.base.events import BatchEnd, Event, Note, RunStarted
from tl_engine.base.settings import PROJECT, Settings
from tl_engine.classifiers.state_file import read_state, write_state
from tl_engine.networks.models import blank_model
from tl_engine.runs.run import Run
from tl_engine.training import resume
from tl_engine.training.endings import SLICE_OVER, STOPPED
from tl_engine.training.trainer import Training, train

pytestmark = pytest.mark.usefixtures("one_thread")
STATE = Path("checkpoint") / "state.safetensors"
Stop = Callable[[list[Event]], bool]
# Small pictures, so that an epoch of every layer takes a part of a second.
SCRATCH = {
    "architecture": "timm:test_efficientnet",
    "strategy": "from-scratch",
    "learning_rate": 1e-3,
    "augmentation": "tutorial",
}
HEAD = {"strategy": "feature-extraction", "optimizer": "adamw", "augmentation": "tutorial", "views": 2}
SOLVED = {"strategy": "feature-extraction"}


def logged(training: Training, stop: Stop = lambda _events: False, most: int = 10**9) -> list[Event]:
    """The events of a training, logged as the terminal does; it is asked to stop when `stop` says so."""
    told: list[Event] = []
    asked = dataclasses.replace(training, stop_asked=lambda: stop(told))
    training.folder.mkdir(parents=True, exist_ok=True)
    for event in train(asked):
        told.append(training.run.log(event))
        if len(epochs(told)) >= most:  # as a process that is killed: nothing more happens
            return told
    return told


def after_epoch(number: int) -> Stop:
    return lambda events: len(epochs(events)) >= number


def at_epoch(number: int) -> Stop:
    """Asked after that epoch, whichever part it is in."""
    return lambda events: any(e.epoch >= number for e in epochs(events))


def at_look(number: int) -> Stop:
    """Asked at that look between two batches."""
    looks = iter(range(1, 10**9))
    return lambda _events: next(looks) >= number


def at_batch(epoch: int, batch: int) -> Stop:
    """Asked after that batch, where every batch is told."""
    return lambda events: any(isinstance(e, BatchEnd) and (e.epoch, e.batch) >= (epoch, batch) for e in events)


def go_on(training: Training, stop: Stop = lambda _events: False, most: int = 10**9) -> list[Event]:
    return logged(dataclasses.replace(training, resume=True), stop, most)


def curve(run: Run) -> list[tuple[Any, ...]]:
    """What the log says of each epoch, but for how long it took."""
    return [
        (e.epoch, e.phase, e.train_loss, e.train_accuracy, e.val_loss, e.val_accuracy, e.learning_rate)
        for e in epochs(run.events()[0])
    ]


def same_result(first: Run, second: Run) -> None:
    """Both curves and both classifiers are equal, bit for bit."""
    assert curve(first) == curve(second)
    one, two = (load_file(run.best / "model.safetensors") for run in (first, second))
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []
    meta = [json.loads((run.best / "meta.json").read_text()) for run in (first, second)]
    for name in ("figures", "temperature", "learned", "classes", "preprocessing"):
        assert meta[0][name] == meta[1][name]
    for judge in ("val", "folds", "test"):
        files = [run.report / f"{judge}.npz" for run in (first, second)]
        assert files[0].exists() == files[1].exists()
        if files[0].exists():
            kept = [np.load(file) for file in files]
            assert np.array_equal(kept[0]["logits"], kept[1]["logits"])
    last = [run.ended() for run in (first, second)]
    assert last[0] is not None
    assert last[1] is not None
    assert (last[0].state, last[0].reason, last[0].best_epoch) == (last[1].state, last[1].reason, last[1].best_epoch)
    assert not (second.folder / "checkpoint").exists()


def pair(folder: Path, settings: Settings, **options: Any) -> tuple[Training, Training]:
    """Two trainings that are alike, in folders of their own."""
    whole = make_training(folder, settings, **{"epochs": 5, **options})
    return whole, dataclasses.replace(whole, folder=settings.runs / "parts")


@pytest.fixture
def every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tl_engine.training.epochs.BATCH_EVENT_SECONDS", 0.0)


@pytest.fixture
def every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after each epoch of a head, not only once a second."""
    monkeypatch.setattr(resume, "HEAD_EVERY", 0.0)


def test_every_layer_goes_on_after_each_epoch_as_if_nothing_had_been(
    make_images: MakeImages, settings: Settings
) -> None:
    whole, parts = pair(make_images(each=8, side=64), settings, **SCRATCH, batch_size=5)
    logged(whole)
    assert ended(logged(parts, after_epoch(1))).state == "stopped"
    for epoch in (2, 3, 4):
        events = go_on(parts, after_epoch(1))
        assert isinstance(events[0], RunStarted)
        assert events[0].resumed_from == epoch - 1
        assert [e.epoch for e in epochs(events)] == [epoch]
    assert [e.epoch for e in epochs(go_on(parts))] == [5]
    same_result(whole.run, parts.run)


@pytest.mark.slow
@pytest.mark.usefixtures("every_batch")
def test_an_epoch_that_was_cut_short_begins_anew(make_images: MakeImages, settings: Settings) -> None:
    whole, parts = pair(make_images(each=8, side=64), settings, **SCRATCH, batch_size=4)
    logged(whole)
    assert len(epochs(logged(parts, at_batch(3, 2)))) == 2
    go_on(parts)
    same_result(whole.run, parts.run)


@pytest.mark.slow
@pytest.mark.parametrize("options", [HEAD, SOLVED], ids=["stepped", "solved"])
@pytest.mark.parametrize("every", [0.0, 3600.0], ids=["from a checkpoint", "computed again"])
def test_a_head_goes_on_after_each_epoch(
    options: dict[str, Any],
    every: float,
    make_images: MakeImages,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resume, "HEAD_EVERY", every)
    whole, parts = pair(make_images(), settings, epochs=6, **options)
    logged(whole)
    logged(parts, after_epoch(2))
    assert (parts.folder / STATE).exists() == (every == 0)
    go_on(parts, after_epoch(1))
    go_on(parts)
    same_result(whole.run, parts.run)


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_head_then_all_goes_on_in_either_phase(epoch: int, make_images: MakeImages, settings: Settings) -> None:
    options = {"strategy": "head-then-all", "head_epochs": 2, "epochs": 4, "learning_rate": 1e-3}
    whole, parts = pair(splits(make_images, settings.runs.parent), settings, **options)
    logged(whole)
    logged(parts, after_epoch(epoch))
    go_on(parts)
    same_result(whole.run, parts.run)


def splits(make_images: MakeImages, place: Path) -> Path:
    for split in ("train", "val", "test"):
        make_images(f"splits/{split}", each=4)
    return place / "splits"


@pytest.mark.slow
def test_early_stopping_counts_over_the_parts(make_images: MakeImages, settings: Settings) -> None:
    options = SCRATCH | {"learning_rate": 1e-7, "early_stopping": 3, "epochs": 30}
    whole, parts = pair(make_images(each=4, side=64), settings, **options)
    logged(whole)
    last = len(curve(whole.run))
    assert last < 30
    logged(parts, most=last)  # killed after the epoch that ends it, before it could say so
    go_on(parts)
    assert parts.run.ended().reason == whole.run.ended().reason  # type: ignore[union-attr]
    same_result(whole.run, parts.run)


@pytest.mark.slow
def test_weights_of_classes_smoothing_and_momentum_go_on_too(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images(each=8, side=64)
    for index in range(4):
        (folder / "red" / f"{index}.png").unlink()
    options = {"class_weights": True, "label_smoothing": 0.1, "optimizer": "sgd", "schedule": "step"}
    whole, parts = pair(folder, settings, **SCRATCH, **options, epochs=4)
    logged(whole)
    logged(parts, after_epoch(2))
    go_on(parts)
    same_result(whole.run, parts.run)


@pytest.mark.slow
def test_an_epoch_that_was_saved_and_not_told_is_told_first(make_images: MakeImages, settings: Settings) -> None:
    whole, parts = pair(make_images(each=4, side=64), settings, **SCRATCH, epochs=3)
    logged(whole)
    logged(parts, most=2)
    log = parts.folder / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(line for line in lines if b'"epoch_end"' not in line or b'"epoch": 2' not in line))
    assert [e.epoch for e in epochs(go_on(parts))] == [2, 3]
    same_result(whole.run, parts.run)


@pytest.mark.slow
def test_without_a_checkpoint_epochs_are_computed_again_and_not_told_again(
    make_images: MakeImages, settings: Settings
) -> None:
    """As after a full disk, or for a run of an older version. A stop meanwhile takes nothing back."""
    whole, parts = pair(make_images(each=4, side=64), settings, **SCRATCH, epochs=4)
    logged(whole)
    logged(parts, after_epoch(3))
    (parts.folder / STATE).unlink()
    best = (parts.folder / "best" / "model.safetensors").read_bytes()
    figures = parts.run.ended()
    again = ended(go_on(parts, at_look(3)))
    assert (again.state, again.best_epoch) == ("stopped", figures.best_epoch)  # type: ignore[union-attr]
    assert (parts.folder / "best" / "model.safetensors").read_bytes() == best
    go_on(parts)
    same_result(whole.run, parts.run)


@pytest.mark.slow
def test_a_run_that_ended_before_its_first_epoch_begins_anew(make_images: MakeImages, settings: Settings) -> None:
    whole, parts = pair(make_images(), settings, **SOLVED)
    logged(whole)
    logged(parts, at_look(1))
    make_images("more", classes=("green",))  # nobody has learnt from the photos yet: they may change
    started = go_on(parts)[0]
    assert isinstance(started, RunStarted)
    assert started.resumed_from == 0
    same_result(whole.run, parts.run)


def test_the_seconds_are_those_of_all_parts(make_images: MakeImages, settings: Settings) -> None:
    _, parts = pair(make_images(each=4, side=64), settings, **SCRATCH, epochs=3)
    first = ended(logged(dataclasses.replace(parts, started=time.time() - 100), after_epoch(1)))
    assert first.seconds > 100
    last = ended(go_on(dataclasses.replace(parts, started=time.time())))
    assert first.seconds < last.seconds < first.seconds + 60


@pytest.mark.slow
def test_its_time_is_up_within_a_batch_and_it_goes_on_the_same(make_images: MakeImages, settings: Settings) -> None:
    whole, parts = pair(make_images(each=16, side=64), settings, **SCRATCH, epochs=4, batch_size=2)
    logged(whole)
    first = dataclasses.replace(parts, deadline=time.monotonic() + 0.5)
    events = logged(first)
    assert time.monotonic() - (first.deadline or 0) < 1
    assert (ended(events).state, ended(events).reason) == ("stopped", SLICE_OVER)
    seconds = 0.5
    while ended(events).state != "finished":
        events = go_on(dataclasses.replace(parts, deadline=time.monotonic() + seconds))
        seconds *= 1.3  # on a busy machine getting ready alone may take longer
    same_result(whole.run, parts.run)


def test_a_stop_says_that_it_was_asked_for(make_images: MakeImages, settings: Settings) -> None:
    _, parts = pair(make_images(), settings, **SOLVED)
    assert ended(logged(parts, after_epoch(1))).reason == STOPPED


def stopped_run(make_images: MakeImages, settings: Settings, **options: Any) -> Training:
    _, parts = pair(make_images(each=4, side=64), settings, **(SCRATCH | {"epochs": 3} | options))
    logged(parts, after_epoch(1))
    return parts


def refusal(training: Training) -> str:
    """Why it did not go on; what it had saved is as it was."""
    kept = {p: p.read_bytes() for name in ("best", "checkpoint") for p in (training.folder / name).rglob("*")}
    last = ended(go_on(training))
    assert last.state == "failed"
    assert last.best_epoch == 1
    assert {p: p.read_bytes() for name in ("best", "checkpoint") for p in (training.folder / name).rglob("*")} == kept
    assert str(training.folder.parent) not in last.reason
    return last.reason


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "flip"])
def test_a_damaged_checkpoint_is_one_sentence_and_loses_nothing(
    damage: str, make_images: MakeImages, settings: Settings
) -> None:
    training = stopped_run(make_images, settings)
    content = bytearray((training.folder / STATE).read_bytes())
    content[-9] ^= 0xFF
    flipped = bytes(content)
    wrong = {"cut": flipped[:-100], "empty": b"", "text": b"<html>" * 99, "flip": flipped}[damage]
    (training.folder / STATE).write_bytes(wrong)
    assert refusal(training) == (
        "The checkpoint of parts is damaged: train anew, or delete its folder checkpoint/ and go on, which computes "
        "all epochs again."
    )
    (training.folder / STATE).unlink()
    assert ended(go_on(training)).state == "finished"


def test_another_runs_checkpoint_is_refused(make_images: MakeImages, settings: Settings) -> None:
    training = stopped_run(make_images, settings)
    other = dataclasses.replace(training, config=dataclasses.replace(training.config, seed=7))
    assert "belongs to another run" in refusal(other)


def test_a_checkpoint_of_another_version_is_refused(make_images: MakeImages, settings: Settings) -> None:
    training = stopped_run(make_images, settings)
    _, state = read_state(training.folder / STATE)
    write_state(training.folder / STATE, state, "99")
    assert "another version of this program" in refusal(training)


def test_a_checkpoint_of_another_network_is_refused(make_images: MakeImages, settings: Settings) -> None:
    training = stopped_run(make_images, settings)
    version, state = read_state(training.folder / STATE)
    state["learning"]["model"].popitem()
    write_state(training.folder / STATE, state, version)
    assert "does not fit its network" in refusal(training)


@pytest.mark.parametrize("change", ["bytes", "gone", "new"])
def test_photos_that_changed_are_named(change: str, make_images: MakeImages, settings: Settings) -> None:
    training = stopped_run(make_images, settings)
    photo = training.data.records[0].path
    if change == "gone":
        records = training.data.records[1:]
    else:
        Image.new("RGB", (64, 64), "purple").save(photo if change == "bytes" else photo.with_name("zz.png"))
        extra = dataclasses.replace(training.data.records[0], path=photo.with_name("zz.png"))
        records = (*training.data.records, *([extra] if change == "new" else []))
    changed = dataclasses.replace(training, data=dataclasses.replace(training.data, records=records))
    said = refusal(changed)
    assert re.match(r"\d photos? changed since this run began, the first: blue/", said)  # one more moves others too
    assert said.endswith("put them back as they were, or train anew; what was saved stays.")


def test_other_weights_are_refused(make_images: MakeImages, settings: Settings) -> None:
    host_weights(settings, "squeezenet1_1")
    training = stopped_run(make_images, settings, architecture="squeezenet1_1", strategy="fine-tuning")
    host_weights(settings, "squeezenet1_1", seed=1)
    assert "The weights of squeezenet1_1 are not those" in refusal(training)


def host_weights(settings: Settings, name: str, seed: int = 0) -> None:
    """Random numbers in place of pretrained ones: no network is reached."""
    settings.backbones.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    torch.save(blank_model(ARCHITECTURES[name]).state_dict(), settings.backbones / f"{name}.pth")


def test_a_checkpoint_that_cannot_be_written_is_a_note_and_the_training_goes_on(
    make_images: MakeImages, settings: Settings
) -> None:
    _, parts = pair(make_images(each=4, side=64), settings, **SCRATCH, epochs=3)
    parts.folder.mkdir(parents=True)
    (parts.folder / "checkpoint").write_text("a file where the folder should be")
    events = logged(parts)
    notes = [e.message for e in events if isinstance(e, Note) and "checkpoint" in e.message]
    assert len(notes) == 1
    assert ended(events).state == "finished"


def test_a_disk_that_is_full_at_a_checkpoint_is_a_note_and_the_best_is_kept(
    make_images: MakeImages, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tl_engine.training.resume.write_state", full)
    _, parts = pair(make_images(each=4, side=64), settings, **SCRATCH, epochs=3)
    events = logged(parts)
    assert len([e for e in events if isinstance(e, Note) and "checkpoint" in e.message]) == 1
    assert ended(events).state == "finished"
    assert (parts.folder / "best" / "model.safetensors").is_file()


def test_what_a_killed_process_left_half_written_goes_with_the_next_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    write_state(folder / "state.safetensors", {"a": torch.ones(2)}, "1")
    (folder / ".0123.part").write_bytes(b"half")
    write_state(folder / "state.safetensors", {"a": torch.zeros(2)}, "1")
    assert [path.name for path in folder.iterdir()] == ["state.safetensors"]


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    shared = torch.arange(6.0).reshape(1, 2, 3, 1).to(memory_format=torch.channels_last)
    state = {
        "numbers": [1, 0.1, True, None, "text"], "by number": {0: {"a": torch.tensor(3, dtype=torch.int64)}},
        "tensors": [shared, shared[0]], "bytes": torch.get_rng_state(), "none": torch.empty(0),
    }  # fmt: skip
    write_state(tmp_path / "state" / "s.safetensors", state, "1")
    version, found = read_state(tmp_path / "state" / "s.safetensors")
    assert version == "1"
    assert found["numbers"] == state["numbers"]
    assert found["by number"][0]["a"] == 3
    assert torch.equal(found["tensors"][0], shared)
    assert torch.equal(found["bytes"], state["bytes"])


NETWORKS = ["efficientnet_lite0", "squeezenet1_1"]
WAYS: dict[str, dict[str, Any]] = {
    "stepped": HEAD,
    "fine-tuning": {"strategy": "fine-tuning", "augmentation": "strong"},
    "from-scratch": {"strategy": "from-scratch", "architecture": "small_vgg"},
    "head-then-all": {"strategy": "head-then-all", "head_epochs": 3, "augmentation": "tutorial"},
}


@pytest.mark.slow
@pytest.mark.usefixtures("every_batch", "every_epoch")
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_learn_goes_on_at_every_epoch(
    network: str, way: str, make_images: MakeImages, settings: Settings
) -> None:
    """In six parts, stopped after an epoch and inside the next; where one network is stopped after it, the other is
    inside. What one part gets wrong no later one makes good."""
    host_weights(settings, "squeezenet1_1")
    if network != NETWORKS[0] and "architecture" in WAYS[way]:
        pytest.skip("the same network again")
    whole, parts = pair(make_images(each=6, side=32), settings, epochs=6, **{"architecture": network, **WAYS[way]})
    logged(whole)
    for epoch in range(1, 6):
        inside = (epoch + NETWORKS.index(network)) % 2
        stop = at_batch(epoch, 2) if inside else at_epoch(epoch)
        assert ended((go_on if epoch > 1 else logged)(parts, stop)).state == "stopped"
    go_on(parts)
    same_result(whole.run, parts.run)


@pytest.mark.slow
@pytest.mark.usefixtures("every_epoch")
@pytest.mark.parametrize("network", NETWORKS)
def test_a_solved_head_goes_on_after_every_step(network: str, make_images: MakeImages, settings: Settings) -> None:
    """Each in a run of its own: a step is told with the next one, so a stop comes one later."""
    host_weights(settings, "squeezenet1_1")
    whole = make_training(make_images(each=6, side=32), settings, epochs=6, architecture=network, **SOLVED)
    logged(whole)
    for epoch in range(1, 6):
        parts = dataclasses.replace(whole, folder=settings.runs / f"{epoch}")
        assert ended(logged(parts, after_epoch(epoch))).state == "stopped"
        go_on(parts)
        same_result(whole.run, parts.run)


KILLED = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
from tests.training.test_resume import logged, go_on
from tests.training.test_trainer import make_training
from tests.conftest import own_settings
import dataclasses, json
place = Path(sys.argv[1]); options = json.loads(sys.argv[2])
training = dataclasses.replace(make_training(place / "colours", own_settings(place), **options),
                               folder=place / "runs" / "parts")
print("begun", flush=True)
(go_on if sys.argv[3] == "on" else logged)(training)
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["scratch", "stepped"])
def test_killed_at_any_moment_it_goes_on_to_the_same_result(
    way: str, make_images: MakeImages, settings: Settings, tmp_path: Path
) -> None:
    more = {"scratch": SCRATCH | {"epochs": 25}, "stepped": HEAD | {"epochs": 400}}[way]
    folder = make_images(each=8, side=64)
    whole, parts = pair(folder, settings, **more)
    logged(whole)
    draw = np.random.default_rng(0)
    kills = 0
    state = parts.folder / STATE
    for attempt in range(5):
        command = [sys.executable, "-c", KILLED, str(tmp_path), json.dumps(more), "on" if attempt else "new"]
        process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(float(draw.uniform(0.7, 2.0)))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        process.stdout.close()
        if state.exists():
            read_state(state)  # whole, whenever it was killed
        if parts.run.ended():
            break
    assert kills >= 2
    if not parts.run.ended():
        go_on(parts)
    same_result(whole.run, parts.run)
