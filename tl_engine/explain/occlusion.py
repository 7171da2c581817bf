"""What an answer needs: the picture again with a grey square in each place, and how far the class falls there.

Slower than a heat map and free of gradients: https://arxiv.org/abs/1311.2901, section 4.2.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tl_engine.explain.gradcam import HeatMap

STEPS = 7  # squares along a side
SHARE = 0.22  # of a side that a square covers
GREY = 124


def occlusion(
    probabilities: Callable[[NDArray[np.uint8]], NDArray[np.float32]], pixels: NDArray[np.uint8], label: int
) -> HeatMap:
    """The map of a picture's bytes (H, W, 3), by what `probabilities` (N, H, W, 3) -> (N, C) says of 49 copies."""
    side = len(pixels)
    square = round(side * SHARE)
    starts = np.linspace(0, side - square, STEPS).round().astype(int)
    copies = np.repeat(pixels[None], STEPS * STEPS + 1, axis=0)
    for index, (row, column) in enumerate((row, column) for row in starts for column in starts):
        copies[index, row : row + square, column : column + square] = GREY
    said = probabilities(copies)[:, label]
    falls = np.maximum(said[-1] - said[:-1], 0).reshape(STEPS, STEPS).astype(np.float32)
    return HeatMap(falls / falls.max() if falls.max() > 0 else falls)
