"""What makes a square of a photo: its centre, all of it padded, or all of it stretched; obeyed everywhere."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.test_trainer import ended, make_training
from tl_engine.backbones.architectures import ARCHITECTURES
from tl_engine.base.errors import ConfigError, WeightsError
from tl_engine.base.settings import Settings
from tl_engine.classifiers.predictor import Predictor
from tl_engine.data.dataset import Record
from tl_engine.networks.preprocessing import Preprocess, preprocess_for
from tl_engine.photos.square import FITS
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.saved_classifier import read_meta
from tl_engine.training.batches import Photos, PhotoStore
from tl_engine.training.trainer import train

RED, GREY, BLUE = (220, 20, 20), (120, 120, 120), (20, 20, 220)
NUMBERS = Preprocess(resize=64, crop=64)
CAFFE = Preprocess(resize=64, crop=64, channels="bgr", scale=255.0, mean=(104, 117, 123), std=(1, 1, 1))


def wide(left: tuple[int, int, int] = RED, right: tuple[int, int, int] = BLUE, size: int = 64) -> Image.Image:
    """Three times as wide as high: grey, but for its two ends, which no centre square shows."""
    picture = Image.new("RGB", (3 * size, size), GREY)
    picture.paste(left, (0, 0, size // 2, size))
    picture.paste(right, (3 * size - size // 2, 0, 3 * size, size))
    return picture


def fitted(fit: str, numbers: Preprocess = NUMBERS) -> Preprocess:
    return dataclasses.replace(numbers, fit=fit)


def close(pixels: np.ndarray, colour: tuple[float, ...]) -> bool:
    return bool(np.abs(pixels.astype(float) - colour).max() < 12)


# --- the three ways --------------------------------------------------------------------------------------------------


def test_a_crop_shows_the_centre_only() -> None:
    view = np.asarray(fitted("crop").view(wide()))
    assert view.shape == (64, 64, 3)
    assert close(view, GREY)


def test_stretching_fills_the_square_with_all_of_it() -> None:
    view = np.asarray(fitted("stretch").view(wide()))
    assert view.shape == (64, 64, 3)
    assert close(view[:, :8], RED)
    assert close(view[:, 14:50], GREY)
    assert close(view[:, -8:], BLUE)


def test_padding_keeps_the_shape_and_surrounds_it_with_the_mean_colour() -> None:
    view = np.asarray(fitted("pad").view(wide()))
    assert view.shape == (64, 64, 3)
    middle = view[23:41]
    assert close(middle[:, :8], RED)
    assert close(middle[:, 14:50], GREY)
    assert close(middle[:, -8:], BLUE)
    mean = tuple(255 * number for number in NUMBERS.mean)
    assert close(view[:20], mean)
    assert close(view[-20:], mean)
    assert not close(view[21:24], mean)


def test_a_tall_photo_is_padded_at_its_sides() -> None:
    view = np.asarray(fitted("pad").view(wide().rotate(-90, expand=True)))
    assert close(view[:8, 23:41], RED)
    assert close(view[-8:, 23:41], BLUE)
    assert close(view[:, :20], tuple(255 * number for number in NUMBERS.mean))


@pytest.mark.parametrize("numbers", [NUMBERS, CAFFE], ids=["torch", "caffe"])
def test_padding_is_nothing_to_the_network(numbers: Preprocess) -> None:
    tensor = fitted("pad", numbers)(wide())
    white = 1.0 / min(numbers.std) * numbers.scale
    assert tensor.shape == (3, 64, 64)
    assert tensor[:, :20].abs().max() < 0.005 * white  # within half a step of 255
    assert tensor[:, 30, :8].abs().max() > 0.2 * white


@pytest.mark.parametrize("fit", FITS)
def test_a_square_photo_is_the_same_whatever_the_fit_when_nothing_is_cut_off(fit: str) -> None:
    square = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8))
    assert fitted(fit).view(square).tobytes() == square.tobytes()


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [(500, 10), (10, 500), (224, 223), (9, 8)], ids=str)
def test_photos_of_every_shape_become_squares(size: tuple[int, int], fit: str) -> None:
    picture = Image.new("RGB", size, RED)
    assert fitted(fit).view(picture).size == (64, 64)
    assert fitted(fit)(picture).shape == (3, 64, 64)


@pytest.mark.parametrize("fit", ["pad", "stretch"])
@pytest.mark.parametrize("augmentation", ["tutorial", "strong"])
def test_random_views_of_a_whole_photo_show_more_than_its_centre(augmentation: str, fit: str) -> None:
    """The centre square is all grey, so whatever is coloured was beyond it."""
    draw = fitted(fit, dataclasses.replace(NUMBERS, resize=72)).random_view(augmentation)
    torch.manual_seed(0)
    views = [np.asarray(draw(wide())).astype(int) for _ in range(8)]
    assert all(view.shape == (64, 64, 3) for view in views)
    if augmentation == "tutorial":  # the strong one may turn a picture grey
        coloured = [np.abs(view[..., 0] - view[..., 2]).max() > 100 for view in views]
        assert sum(coloured) >= 6


# --- chosen once -----------------------------------------------------------------------------------------------------


def test_a_fit_is_a_setting_with_three_values_and_crop_is_the_default() -> None:
    assert TrainConfig(data="digits").fit == "crop"
    assert TrainConfig.from_options({"data": "digits", "fit": "pad"}).fit == "pad"
    with pytest.raises(ConfigError, match="fit must be one of crop, pad, stretch, got 'squeeze'"):
        TrainConfig.from_options({"data": "digits", "fit": "squeeze"})
    with pytest.raises(WeightsError, match="fit one of crop, pad, stretch"):
        fitted("squeeze")


@pytest.mark.parametrize("fit", FITS)
def test_a_fit_travels_with_the_numbers_and_old_numbers_mean_crop(fit: str) -> None:
    numbers = fitted(fit).to_dict()
    assert Preprocess.from_dict(json.loads(json.dumps(numbers))) == fitted(fit)
    old = {key: value for key, value in numbers.items() if key != "fit"}
    assert Preprocess.from_dict(old).fit == "crop"


def test_the_numbers_of_the_weights_crop() -> None:
    assert {preprocess_for(row).fit for row in ARCHITECTURES.values()} == {"crop"}


# --- obeyed everywhere -----------------------------------------------------------------------------------------------


@pytest.fixture
def ends(tmp_path: Path) -> Path:
    """Two classes that differ at the photos' ends only; every centre is the same grey."""
    for split, number in (("train", 4), ("val", 2)):
        for label, colours in {"red ends": (RED, RED), "blue ends": (BLUE, BLUE)}.items():
            for index in range(number):
                path = tmp_path / "ends" / split / label / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                wide(*colours, size=40 + index).save(path)
    return tmp_path / "ends"


Trained = Callable[[str], tuple[float, Path]]


@pytest.fixture
def trained(ends: Path, settings: Settings) -> Trained:
    """A function that trains with a fit: the best validation accuracy and the classifier's folder."""

    def run(fit: str) -> tuple[float, Path]:
        place = dataclasses.replace(settings, runs=settings.runs / fit)  # one cache for all of them
        training = make_training(ends, place, fit=fit, epochs=8)
        last = ended(list(train(training)))
        assert last.best_val_accuracy is not None
        return last.best_val_accuracy, training.folder / "best"

    return run


@pytest.mark.slow
def test_training_and_prediction_see_what_the_fit_shows(trained: Trained, ends: Path, settings: Settings) -> None:
    accuracies = {fit: trained(fit)[0] for fit in FITS}
    # Where all centres are alike, nothing but chance is left; rows of another fit in the cache would have told more.
    assert accuracies == {"crop": 0.5, "pad": 1.0, "stretch": 1.0}
    for fit in ("pad", "stretch"):
        folder = settings.runs / fit / "run" / "best"
        meta = read_meta(folder)
        assert (meta.preprocessing["fit"], meta.config["fit"]) == (fit, fit)
        predictor = Predictor.load(folder, settings)
        assert predictor.preprocess.fit == fit
        for label in ("red ends", "blue ends"):
            picture = predictor.open(ends / "val" / label / "1.png")
            assert next(iter(predictor.probabilities(picture))) == label


@pytest.mark.parametrize("fit", FITS)
def test_pictures_for_training_every_layer_are_those_that_predict(fit: str, ends: Path) -> None:
    numbers = fitted(fit)
    path = ends / "val" / "red ends" / "0.png"
    photos = Photos([Record(path, 0, "val")], PhotoStore(numbers, "tutorial"))
    torch.testing.assert_close(photos[0][0], numbers(numbers.open(path)))
