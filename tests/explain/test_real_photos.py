"""Measured on real photos and real weights: strangers are told, and the evidence lies where the thing is."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from tl_engine.base.settings import Settings
from tl_engine.classifiers.predictor import Predictor
from tl_engine.data.scan import scan
from tl_engine.explain.explained import explain
from tl_engine.runs.config import TrainConfig
from tl_engine.training.trainer import Training, train

PHOTOS = Path(__file__).resolve().parents[3] / "shared" / "data"
SETS = ("hymenoptera", "cats_vs_dogs")
HALF = 112  # pixels

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (PHOTOS / SETS[0]).is_dir(), reason="the real photos are not beside the project"),
]


def trained(folder: Path, settings: Settings) -> Predictor:
    """A classifier of the photos in that folder, with the default settings."""
    training = Training(
        config=TrainConfig(data=str(folder)),
        data=scan(folder, settings.limits),
        folder=settings.runs / folder.name,
        settings=settings,
    )
    list(train(training))
    return Predictor.load(training.run.best, settings)


def likeness(predictor: Predictor, name: str) -> list[float]:
    """Of each validation photo of a set to the classifier's own photos."""
    assert predictor.reference is not None
    found = []
    for path in sorted((PHOTOS / name / "val").glob("*/*")):
        seen = predictor.look(np.array(predictor.preprocess.view(predictor.open(path)))[None])
        found.append(float(predictor.reference.nearest(seen.features)[0].mean()))
    return found


@pytest.mark.parametrize(("own", "strange"), [SETS, SETS[::-1]])
def test_strangers_are_told_from_its_own_kind(own: str, strange: str, settings: Settings) -> None:
    predictor = trained(PHOTOS / own, settings)
    assert predictor.reference is not None
    its, others = likeness(predictor, own), likeness(predictor, strange)
    wanted = [1] * len(its) + [0] * len(others)
    assert roc_auc_score(wanted, its + others) >= 0.98
    limit = predictor.reference.least_likeness()
    assert np.mean(np.array(its) >= limit) >= 0.93
    assert np.mean(np.array(others) >= limit) <= 0.05


def test_the_peak_lies_where_the_thing_is(settings: Settings, tmp_path: Path) -> None:
    for name in SETS:
        for folder in (PHOTOS / name / "train").iterdir():
            (tmp_path / "four" / folder.name).mkdir(parents=True)
            for photo in sorted(folder.iterdir())[:60]:
                shutil.copy(photo, tmp_path / "four" / folder.name)
    predictor = trained(tmp_path / "four", settings)
    bees = sorted((PHOTOS / "hymenoptera" / "val" / "bees").iterdir())[:12]
    cats = sorted((PHOTOS / "cats_vs_dogs" / "val" / "cats").iterdir())[:12]
    right = 0
    for bee, cat in zip(bees, cats, strict=True):
        both = Image.new("RGB", (2 * HALF, 2 * HALF))
        for left, path in ((0, bee), (HALF, cat)):
            picture = predictor.open(path).resize((HALF, 2 * HALF))
            both.paste(picture, (left, 0))
        of_cat, of_bee = (explain(predictor, both, name).peak for name in ("cats", "bees"))
        right += of_cat is not None and of_cat[0] > 0.5
        right += of_bee is not None and of_bee[0] < 0.5
    assert right >= 0.9 * 2 * len(bees)
