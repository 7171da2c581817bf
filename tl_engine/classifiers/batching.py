"""Single predictions that arrive together run together: one forward pass for all that wait, no wait for a lone one."""

import threading
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tl_engine.classifiers.predictor import BATCH, Predictor

Row = NDArray[np.float32]


class BatchingPredictor:
    """A predictor shared by threads. Each prepares its own picture; whoever gets the model next takes all along."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._waiting: list[tuple[NDArray[np.uint8], Future[Row]]] = []
        self._list = threading.Lock()
        self._model = threading.Lock()

    def probabilities(self, image: Image.Image) -> dict[str, float]:
        """{class: probability} of one opened picture, the likeliest first."""
        mine: Future[Row] = Future()
        pixels = np.array(self.predictor.preprocess.view(image))
        with self._list:
            self._waiting.append((pixels, mine))
        with self._model:
            if not mine.done():  # else another thread took this picture along
                self._run()
        return self.predictor.named(mine.result())

    def _run(self) -> None:
        with self._list:
            batch, self._waiting = self._waiting, []
        for start in range(0, len(batch), BATCH):
            part = batch[start : start + BATCH]
            try:
                rows = self.predictor.of_views(np.stack([pixels for pixels, _ in part]))
            except Exception as error:  # whoever waits must hear of it, whatever it is
                for _, future in part:
                    future.set_exception(error)
                continue
            for (_, future), row in zip(part, rows, strict=True):
                future.set_result(row)
