"""A loaded classifier keeps to the limits of the page that loaded it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tl_engine.base.errors import ImageError
from tl_engine.base.settings import Limits, Settings
from tl_engine.classifiers.predictor import load_classifier
from tl_engine.runs.find import classifier_folder, shipped


def test_a_photo_of_more_bytes_than_the_settings_allow_is_refused(settings: Settings, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    narrow = dataclasses.replace(settings, limits=Limits(image_bytes=5_000))
    name = shipped(settings)[0]
    assert load_classifier(classifier_folder(name, settings), settings).open(tmp_path / "noise.png").size == (64, 64)
    with pytest.raises(ImageError, match=r"noise\.png is larger than"):
        load_classifier(classifier_folder(name, narrow), narrow).open(tmp_path / "noise.png")
