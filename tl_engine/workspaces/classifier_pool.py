"""Classifiers for the Predict tab: which a visitor may use, each loaded once and shared by all sessions."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from tl_engine.base.settings import Settings
from tl_engine.runs.find import IMAGENET, named_classifier
from tl_engine.runs.saved_classifier import saved_at

if TYPE_CHECKING:
    from tl_engine.classifiers.batching import BatchingPredictor

KEPT = 4  # loaded classifiers; a large backbone has half a gigabyte


class Loading:
    """The place of one classifier: empty until the first who asked has loaded it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.predictor: BatchingPredictor | None = None


class ClassifierPool:
    """Loads a classifier when it is first asked for and keeps the ones used last."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._loaded: OrderedDict[tuple[Path | None, int], Loading] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> "BatchingPredictor":
        """The classifier of a run, or one that ships. Raises RunError or WeightsError."""
        folder = named_classifier(name, self.settings)
        # A run still training replaces its best classifier: the time of writing is part of its identity.
        key = (folder, saved_at(folder) if folder else 0)
        with self._lock:
            loading = self._loaded.pop(key, None) or Loading()
            self._loaded[key] = loading
            while len(self._loaded) > KEPT:
                self._loaded.popitem(last=False)
        # Only those who want this very classifier wait while it loads.
        with loading.lock:
            loading.predictor = loading.predictor or self._load(folder)
            return loading.predictor

    def _load(self, folder: Path | None) -> "BatchingPredictor":
        from tl_engine.classifiers.batching import BatchingPredictor
        from tl_engine.classifiers.predictor import load_classifier

        predictor = load_classifier(folder, self.settings)
        predictor([Image.new("RGB", (64, 64))])  # the first pass sets things up; no visitor should wait for that
        return BatchingPredictor(predictor)

    def warm(self) -> None:
        """Load the default classifier in the background, so that the first visitor does not wait for torch."""
        threading.Thread(target=lambda: self.get(IMAGENET), daemon=True).start()
