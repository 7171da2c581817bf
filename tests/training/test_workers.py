"""Processes and threads that read photos and die or hang end a run in a sentence, soon."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import MakeImages
from tests.training.test_trainer import ended, make_training
from tl_engine.base.settings import Settings
from tl_engine.data.dataset import Record
from tl_engine.data.scan import scan
from tl_engine.training import batches
from tl_engine.training.batches import Photos, PhotoStore, photo_batches
from tl_engine.training.endings import WORKER_DEAD, WORKER_HUNG, WORKER_SECONDS, failure
from tl_engine.training.trainer import train


class Store:
    """In place of the photos: what a process that reads them does."""

    def __init__(self, how: str) -> None:
        self.how = how

    def tensor(self, _record: Record) -> torch.Tensor:
        if self.how == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "hangs":
            time.sleep(60)
        return torch.zeros(3, 8, 8)


@pytest.mark.slow
@pytest.mark.parametrize(("how", "words"), [("dies", WORKER_DEAD), ("hangs", WORKER_HUNG)])
def test_a_worker_that_dies_or_hangs_is_one_sentence_and_the_next_ones_work(
    how: str, words: str, make_images: MakeImages, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 0 < WORKER_SECONDS < 60
    monkeypatch.setattr(batches, "WORKER_SECONDS", 3)
    records = scan(make_images(), settings.limits).records
    store: Any = Store(how)
    with pytest.raises(RuntimeError) as raised:
        list(photo_batches(Photos(records, store), 4, workers=1))
    assert failure(raised.value, tmp_path) == words
    store = Store("reads")
    assert sum(len(labels) for _, labels in photo_batches(Photos(records, store), 4, workers=1)) == len(records)


def test_a_disk_that_does_not_answer_ends_a_run_in_a_sentence(
    make_images: MakeImages, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended_already = threading.Event()

    def found(_store: PhotoStore, _record: Record) -> np.ndarray[Any, Any]:
        ended_already.wait(60)
        return np.zeros((8, 8, 3), np.uint8)

    monkeypatch.setattr(PhotoStore, "_found", found)
    monkeypatch.setattr(batches.in_order, "__defaults__", (128, 0.5))
    folder = make_images()
    events = list(train(make_training(folder, settings, strategy="from-scratch", architecture="small_vgg")))
    ended_already.set()
    assert ended(events).state == "failed"
    assert "could not be read within" in ended(events).reason


def test_photos_that_are_gone_meanwhile_are_said_to_be(make_images: MakeImages, settings: Settings) -> None:
    import shutil

    folder = make_images()
    training = make_training(folder, settings, strategy="from-scratch", architecture="small_vgg")
    shutil.rmtree(folder)
    events = list(train(training))
    assert ended(events).state == "failed"
    assert ended(events).reason.startswith("The folder of photos is gone, moved or deleted")
    assert str(folder) not in ended(events).reason
