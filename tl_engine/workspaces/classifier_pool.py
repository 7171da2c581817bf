"""Classifiers for the Predict tab: which a visitor may use, each loaded once and shared by all sessions."""

import contextlib
import json
import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from tl_engine.base.errors import HubError
from tl_engine.base.files import write_json
from tl_engine.base.settings import Settings
from tl_engine.hub.classifiers import (
    HubClassifier,
    Tell,
    is_on_hub,
    keep_only,
    page_classifier,
    take_for_visitor,
)
from tl_engine.runs.find import IMAGENET
from tl_engine.runs.saved_classifier import saved_at
from tl_engine.workspaces.workspace import Workspace

if TYPE_CHECKING:
    from tl_engine.classifiers.batching import BatchingPredictor

KEPT = 4  # loaded classifiers; a large backbone has half a gigabyte
TAKEN = ".hub.json"  # in a workspace: which classifiers the visitor took from the hub
TAKING = threading.Lock()  # one takes or lets go at a time: each sees how much room the others left


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
        """The classifier of a run, one that ships, or one from the hub that is here. Raises EngineError."""
        folder = page_classifier(name, self.settings)
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

    def here(self, name: str) -> bool:
        """Whether it needs no network: all do but those on the hub that nobody has taken yet."""
        if not is_on_hub(name):
            return True
        try:
            return page_classifier(name, self.settings) is not None
        except HubError:
            return False

    def take(self, visitor: Workspace, name: str, tell: Tell) -> None:
        """Fetch a classifier from the hub for a visitor who does not have it yet; any other name is left alone.

        Of those that they took before the oldest goes, where that would be too many. Raises HubError.
        """
        if not is_on_hub(name):
            return
        HubClassifier.parse(name)
        with TAKING:
            if name in taken(visitor):
                with contextlib.suppress(HubError):  # its files may have been deleted
                    page_classifier(name, self.settings)
                    return
            take_for_visitor(name, self.settings, tell)
            names = [name, *(other for other in taken(visitor) if other != name)]
            kept, gone = names[: self.settings.limits.hub_classifiers], names[self.settings.limits.hub_classifiers :]
            write_json(visitor.folder / TAKEN, {"names": kept})
            _forget(gone, self.settings)

    def _load(self, folder: Path | None) -> "BatchingPredictor":
        from tl_engine.classifiers.batching import BatchingPredictor
        from tl_engine.classifiers.predictor import load_classifier

        predictor = load_classifier(folder, self.settings)
        predictor([Image.new("RGB", (64, 64))])  # the first pass sets things up; no visitor should wait for that
        return BatchingPredictor(predictor)

    def warm(self) -> None:
        """Load the default classifier in the background, so that the first visitor does not wait for torch."""
        threading.Thread(target=lambda: self.get(IMAGENET), daemon=True).start()


def taken(visitor: Workspace) -> list[str]:
    """The names of the classifiers that a visitor took from the hub, the newest first."""
    return _names(visitor.folder / TAKEN)


def forget_unlisted(names: Iterable[str], settings: Settings) -> None:
    """Remove the files of those of these classifiers from the hub that no visitor has in their list."""
    with TAKING:
        _forget(names, settings)


def _forget(names: Iterable[str], settings: Settings) -> None:
    if not (wanted := list(names)):
        return
    others = [one for folder in settings.uploads.glob("*") for one in _names(folder / TAKEN)]
    for name in wanted:
        with contextlib.suppress(HubError):  # no name that this program wrote
            keep_only(HubClassifier.parse(name).repo, others, settings)


def _names(file: Path) -> list[str]:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return [str(name) for name in json.loads(file.read_text(encoding="utf-8"))["names"]]
    return []
