"""The loop on two colours: what it tells, what it saves, and how it ends."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.conftest import MakeImages
from tl_engine.base.events import EpochEnd, Event, FileSkipped, FinalTest, ModelBuilt, Note, RunEnded, RunStarted
from tl_engine.base.progress import watched
from tl_engine.base.settings import Settings
from tl_engine.classifiers.predictor import Predictor
from tl_engine.data.scan import scan
from tl_engine.networks.backbone import prepare_backbone
from tl_engine.networks.models import backbone_hash
from tl_engine.runs.config import TrainConfig
from tl_engine.training.batches import FeatureBatches
from tl_engine.training.epochs import Best, Score
from tl_engine.training.phases import phases
from tl_engine.training.trainer import Training, train


def make_training(folder: Path, settings: Settings, stop_after: int | None = None, **options: Any) -> Training:
    config = TrainConfig.from_options({"data": str(folder), "epochs": 3, "batch_size": 4, **options})
    looks = iter(range(10**9))
    return Training(
        config=config,
        data=scan(folder, settings.limits),
        folder=settings.runs / "run",
        settings=settings,
        stop_asked=lambda: stop_after is not None and next(looks) >= stop_after,
    )


def ended(events: list[Event]) -> RunEnded:
    last = events[-1]
    assert isinstance(last, RunEnded)
    return last


def epochs(events: list[Event]) -> list[EpochEnd]:
    return [event for event in events if isinstance(event, EpochEnd)]


def test_feature_extraction_learns_and_saves_only_the_head(make_images: MakeImages, settings: Settings) -> None:
    training = make_training(make_images(), settings, epochs=8)
    events = list(train(training))
    assert isinstance(events[0], RunStarted)
    assert ended(events).state == "finished"
    assert ended(events).best_val_accuracy == 1.0
    assert [event.epoch for event in epochs(events)] == list(range(1, 9))
    assert set(load_file(training.folder / "best" / "model.safetensors")) == {"classifier.weight", "classifier.bias"}
    built = next(event for event in events if isinstance(event, ModelBuilt))
    assert (built.learning_tensors, built.learning_parameters) == (2, 2562)
    meta = json.loads((training.folder / "best" / "meta.json").read_text())
    assert meta["classes"] == ["blue", "red"]
    assert str(settings.runs.parent) not in json.dumps(meta)  # a download must not tell the host's paths


def test_what_was_trained_is_what_predicts(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    training = make_training(folder, settings, epochs=8)
    list(train(training))
    predictor = Predictor.load(training.folder / "best", settings)
    for label in ("red", "blue"):
        assert next(iter(predictor.probabilities(predictor.open(folder / label / "0.png")))) == label


@pytest.mark.slow
def test_a_frozen_backbone_keeps_every_number(make_images: MakeImages, settings: Settings) -> None:
    training = make_training(make_images(), settings)
    list(train(training))
    saved = json.loads((training.folder / "best" / "meta.json").read_text())["backbone"]["hash"]
    untouched = watched(prepare_backbone("efficientnet_lite0", settings), lambda _event: None)
    assert backbone_hash(untouched.model, untouched.architecture) == saved
    assert Predictor.load(training.folder / "best", settings).meta  # it compares the two as well


@pytest.mark.slow
def test_head_then_all_trains_the_head_then_every_tensor(make_images: MakeImages, settings: Settings) -> None:
    training = make_training(make_images(each=4), settings, strategy="head-then-all", head_epochs=2, learning_rate=1e-3)
    events = list(train(training))
    assert ended(events).state == "finished"
    assert [event.phase for event in epochs(events)] == ["head", "head", "all"]
    built = [event for event in events if isinstance(event, ModelBuilt)]
    assert built[0].learning_tensors == 2
    assert built[1].learning_tensors == built[1].tensors


@pytest.mark.slow
def test_from_scratch_saves_everything_and_predicts_without_weights(
    make_images: MakeImages, settings: Settings
) -> None:
    training = make_training(
        make_images(each=8, side=64), settings, architecture="small_vgg", strategy="from-scratch", learning_rate=3e-4
    )
    events = list(train(training))
    assert ended(events).state == "finished"
    predictor = Predictor.load(training.folder / "best", settings)
    assert predictor.classes == ("blue", "red")


@pytest.mark.slow
def test_the_same_seed_gives_the_same_curve(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    curves = []
    for name in ("one", "two"):
        training = dataclasses.replace(make_training(folder, settings), folder=settings.runs / name)
        curves.append([(e.train_loss, e.val_loss) for e in epochs(list(train(training)))])
    assert curves[0] == curves[1]


@pytest.mark.slow
def test_augmented_views_of_a_frozen_backbone_are_embedded_once(make_images: MakeImages, settings: Settings) -> None:
    training = make_training(make_images(each=4), settings, augmentation="strong", views=2)
    stages = {e.stage for e in train(training) if hasattr(e, "stage")}
    assert {"embedding augmented view 1 of 2", "embedding augmented view 2 of 2"} <= stages


def test_a_truncated_photo_is_named_and_skipped(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    good = folder / "red" / "big.jpg"
    Image.effect_noise((200, 200), 80).convert("RGB").save(good)
    good.write_bytes(good.read_bytes()[:-2000])
    events = list(train(make_training(folder, settings, epochs=1)))
    skipped = [event for event in events if isinstance(event, FileSkipped)]
    assert [event.file for event in skipped] == ["red/big.jpg"]
    assert "cut short" in skipped[0].reason
    assert ended(events).state == "finished"


def test_a_class_whose_photos_are_all_damaged_fails_with_a_sentence(
    make_images: MakeImages, settings: Settings
) -> None:
    folder = make_images(classes=("blue",))
    (folder / "red").mkdir()
    for name in ("a.jpg", "b.jpg"):
        Image.effect_noise((200, 200), 80).convert("RGB").save(folder / "red" / name)
    training = make_training(folder, settings)
    for path in (folder / "red").iterdir():
        path.write_bytes(path.read_bytes()[:-2000])
    events = list(train(training))
    assert ended(events).state == "failed"
    assert "'red'" in ended(events).reason


def test_a_test_folder_is_measured_once_at_the_end(make_images: MakeImages, settings: Settings, tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        make_images(f"splits/{split}")
    events = list(train(make_training(tmp_path / "splits", settings, epochs=8)))
    measured = [event for event in events if isinstance(event, FinalTest)]
    assert len(measured) == 1
    assert measured[0].test_accuracy == 1.0


def test_stop_keeps_the_best_so_far(make_images: MakeImages, settings: Settings) -> None:
    training = make_training(make_images(), settings, epochs=5000)
    events: list[Event] = []
    stream: Iterator[Event] = train(training)
    for event in stream:
        events.append(event)
        if len(epochs(events)) == 2:
            break
    stopping = dataclasses.replace(training, stop_asked=lambda: len(epochs(events)) >= 2, folder=settings.runs / "two")
    events = []
    for event in train(stopping):
        events.append(event)
    assert ended(events).state == "stopped"
    assert ended(events).best_epoch in (1, 2, 3)
    assert Predictor.load(stopping.folder / "best", settings).classes == ("blue", "red")


def test_stop_before_the_first_epoch_leaves_no_classifier(make_images: MakeImages, settings: Settings) -> None:
    training = make_training(make_images(), settings, stop_after=1)
    events = list(train(training))
    assert ended(events).state == "stopped"
    assert ended(events).best_epoch is None
    assert not (training.folder / "best").exists()


def test_divergence_is_said_and_nothing_of_it_is_saved(make_images: MakeImages, settings: Settings) -> None:
    training = make_training(make_images(), settings, learning_rate=1e6, optimizer="sgd", schedule="constant")
    last = ended(list(train(training)))
    assert last.state == "failed"
    assert "choose learning-rate 0.003" in last.reason  # what the strategy starts from
    assert not (training.folder / "best").exists()  # no epoch was worth saving


def splits(make_images: MakeImages, tmp_path: Path) -> Path:
    for split in ("train", "val", "test"):
        make_images(f"splits/{split}")
    return tmp_path / "splits"


def events_with_test_photos_spoilt(training: Training, spoil: Callable[[Path], object]) -> list[Event]:
    """All events of a training whose test photos change after the first epoch."""
    events: list[Event] = []
    for event in train(training):
        if isinstance(event, EpochEnd) and event.epoch == 1:
            for record in training.data.of("test"):
                spoil(record.path)
        events.append(event)
    return events


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"gone bad")], ids=["gone", "damaged"])
def test_test_photos_that_are_lost_at_the_end_are_a_note(
    make_images: MakeImages, settings: Settings, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    training = make_training(splits(make_images, tmp_path), settings, strategy="head-then-all", epochs=2)
    events = events_with_test_photos_spoilt(training, spoil)
    assert ended(events).state == "finished"
    assert ended(events).best_epoch is not None
    assert any(isinstance(event, Note) and "test photos was not possible" in event.message for event in events)
    assert Predictor.load(training.folder / "best", settings).classes == ("blue", "red")


def test_a_saved_classifier_lost_at_the_end_is_a_note(
    make_images: MakeImages, settings: Settings, tmp_path: Path
) -> None:
    training = make_training(splits(make_images, tmp_path), settings, epochs=1)
    events = events_with_test_photos_spoilt(training, lambda _: shutil.rmtree(training.folder / "best", True))
    assert ended(events).state == "finished"
    assert any(isinstance(event, Note) and "not possible" in event.message for event in events)


@pytest.mark.slow
def test_a_stop_while_testing_leaves_a_finished_training(
    make_images: MakeImages, settings: Settings, tmp_path: Path
) -> None:
    told: list[Event] = []
    training = make_training(splits(make_images, tmp_path), settings, strategy="fine-tuning", epochs=1)
    for event in train(dataclasses.replace(training, stop_asked=lambda: bool(epochs(told)))):
        told.append(event)
    assert ended(told).state == "finished"
    assert any(isinstance(event, Note) and "a stop was asked for" in event.message for event in told)


def test_early_stopping_says_why(make_images: MakeImages, settings: Settings) -> None:
    events = list(train(make_training(make_images(), settings, epochs=200, early_stopping=2, learning_rate=1e-9)))
    assert len(epochs(events)) < 200
    assert "stopped early" in ended(events).reason
    assert ended(events).state == "finished"


@pytest.mark.slow
def test_batch_of_one_left_over_is_dropped_when_every_layer_learns(make_images: MakeImages, settings: Settings) -> None:
    # 2 x 5 pictures, 2 x 1 held out: 8 to train on would fill two batches, 9 leave one picture over.
    folder = make_images(each=5)
    Image.new("RGB", (16, 16), "red").save(folder / "red" / "extra.png")
    events = list(train(make_training(folder, settings, strategy="fine-tuning", epochs=1, val_fraction=0.2)))
    assert ended(events).state == "finished"


def test_ties_in_accuracy_go_to_the_lower_loss() -> None:
    best = Best(epoch=1, score=Score(loss=0.5, accuracy=0.9))
    assert best.improved_by(Score(loss=0.4, accuracy=0.9))
    assert not best.improved_by(Score(loss=0.6, accuracy=0.9))
    assert not best.improved_by(Score(loss=0.1, accuracy=0.8))
    assert best.improved_by(Score(loss=0.9, accuracy=0.91))


@pytest.mark.parametrize("strategy", ["feature-extraction", "fine-tuning", "head-then-all", "from-scratch"])
def test_phases_cover_all_epochs_without_a_gap(strategy: str) -> None:
    config = TrainConfig.from_options({"data": "digits", "strategy": strategy, "epochs": 7})
    told = [epoch for p in phases(config) for epoch in range(p.first_epoch, p.last_epoch + 1)]
    assert told == list(range(1, 8))


def test_feature_batches_draw_each_picture_once_per_epoch() -> None:
    features = torch.arange(20.0).reshape(2, 10, 1)  # view 0 holds 0-9, view 1 holds 10-19
    batches = FeatureBatches(features, torch.arange(10), 4, order=torch.Generator().manual_seed(1))
    drawn = [(float(x), int(y)) for inputs, labels in batches for x, y in zip(inputs, labels, strict=True)]
    assert sorted(y for _, y in drawn) == list(range(10))
    assert all(x % 10 == y for x, y in drawn)
    assert len(batches) == 3


@pytest.mark.slow
def test_the_test_folder_is_measured_on_what_was_saved(
    make_images: MakeImages, settings: Settings, tmp_path: Path
) -> None:
    """A best head belongs on the backbone it was trained on, not on the one that fine-tuning left behind."""
    for split in ("train", "val", "test"):
        make_images(f"splits/{split}", each=8)
    options = {"strategy": "head-then-all", "epochs": 9, "head_epochs": 8, "learning_rate": 0.3, "optimizer": "sgd"}
    training = make_training(tmp_path / "splits", settings, **options)
    events = list(train(training))
    assert ended(events).best_epoch in range(1, 9)
    measured = next(event for event in events if isinstance(event, FinalTest))
    predictor = Predictor.load(training.folder / "best", settings)
    right = [
        predictor.classes[predictor([predictor.open(r.path)])[0].argmax()] == training.data.classes[r.label]
        for r in training.data.of("test")
    ]
    assert measured.test_accuracy == sum(right) / len(right)
