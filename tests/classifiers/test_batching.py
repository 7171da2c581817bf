"""Predictions that arrive together run together, and each gets its own answer."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tl_engine.classifiers.answers import Seen
from tl_engine.classifiers.batching import BatchingPredictor


class Slow:
    """A predictor whose answer is the picture's grey value; it waits in the model until told to go on."""

    class preprocess:  # noqa: N801
        @staticmethod
        def view(image: Image.Image) -> Image.Image:
            return image

    def __init__(self, fail_at: int | None = None) -> None:
        self.sizes: list[int] = []
        self.go_on = threading.Event()
        self.fail_at = fail_at

    classes = ("grey",)

    def look(self, pixels: NDArray[np.uint8]) -> Seen:
        self.sizes.append(len(pixels))
        assert self.go_on.wait(10)
        if len(self.sizes) == self.fail_at:
            raise RuntimeError("out of memory")
        row = pixels[:, 0, :1].astype(np.float32)
        return Seen(row, row, row)


def ask(shared: Any, grey: int) -> float:
    return float(shared.probabilities(Image.new("L", (4, 4), grey))["grey"])


def test_a_lone_picture_does_not_wait() -> None:
    model = Slow()
    model.go_on.set()
    assert ask(BatchingPredictor(model), 7) == 7  # type: ignore[arg-type]
    assert model.sizes == [1]


def test_those_that_come_while_one_runs_go_together() -> None:
    model = Slow()
    shared = BatchingPredictor(model)  # type: ignore[arg-type]
    with ThreadPoolExecutor(30) as pool:
        answers = [pool.submit(ask, shared, grey) for grey in range(30)]
        while not model.sizes or len(shared._waiting) + sum(model.sizes) < 30:
            assert not any(answer.done() for answer in answers)
        model.go_on.set()
        assert [answer.result() for answer in answers] == list(range(30))
    assert len(model.sizes) <= 3
    assert sum(model.sizes) == 30


def test_an_error_reaches_everybody_in_the_batch_and_nobody_else() -> None:
    model = Slow(fail_at=1)
    model.go_on.set()
    shared = BatchingPredictor(model)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="out of memory"):
        ask(shared, 1)
    assert ask(shared, 2) == 2
