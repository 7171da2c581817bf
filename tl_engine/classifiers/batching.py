"""Single predictions that arrive together run together: one forward pass for all that wait, no wait for a lone one."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tl_engine.base.parallel import Precedence
from tl_engine.classifiers.answers import Answer, Seen, by_class
from tl_engine.classifiers.predictor import BATCH, Predictor
from tl_engine.classifiers.reference import KEPT
from tl_engine.photos.photo_file import Source

T = TypeVar("T")
ONE_PHOTO = Precedence()  # of all classifiers of this process: they share its cores
PATIENCE = 0.5  # seconds that a photo of many lets single photos through, so that a table ends in any crowd


class BatchingPredictor:
    """A predictor shared by threads. Each prepares its own picture; whoever gets the model next takes all along."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._waiting: list[tuple[NDArray[np.uint8], Future[Seen]]] = []
        self._list = threading.Lock()
        self._model = threading.Lock()

    def probabilities(self, image: Image.Image) -> dict[str, float]:
        """{class: probability} of one opened picture, the likeliest first."""
        return by_class(self._seen(self._view(image)).probabilities[0], self.predictor.classes)

    def ask(self, source: Source, kept: float = KEPT) -> tuple[Answer, Image.Image]:
        """All that is to be said of a photo that somebody waits for, and what the network saw. Raises ImageError."""
        with ONE_PHOTO.first():
            return self._asked(source, kept)

    def ask_of_many(self, source: Source, kept: float = KEPT) -> Answer:
        """The same of one photo of many: single photos, whoever sends them, come first. Raises ImageError."""
        ONE_PHOTO.give_way(PATIENCE)
        return self._asked(source, kept)[0]

    def alone(self, work: Callable[[Predictor], T]) -> T:
        """Do something with the predictor while nobody else uses its network, as what hangs hooks on it must."""
        with self._model:
            return work(self.predictor)

    def _asked(self, source: Source, kept: float) -> tuple[Answer, Image.Image]:
        view = self._view(self.predictor.open(source))
        return self.predictor.answered(self._seen(view), kept), view

    def _view(self, image: Image.Image) -> Image.Image:
        return self.predictor.preprocess.view(image)

    def _seen(self, view: Image.Image) -> Seen:
        mine: Future[Seen] = Future()
        with self._list:
            self._waiting.append((np.array(view), mine))
        with self._model:
            if not mine.done():  # else another thread took this picture along
                self._run()
        return mine.result()

    def _run(self) -> None:
        with self._list:
            batch, self._waiting = self._waiting, []
        for start in range(0, len(batch), BATCH):
            part = batch[start : start + BATCH]
            try:
                seen = self.predictor.look(np.stack([pixels for pixels, _ in part]))
            except Exception as error:  # whoever waits must hear of it, whatever it is
                for _, future in part:
                    future.set_exception(error)
                continue
            for index, (_, future) in enumerate(part):
                future.set_result(seen.row(index))
