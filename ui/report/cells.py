"""The photos of one cell of the confusion: those that show one class and were taken for another, the surest first."""

import contextlib
from dataclasses import dataclass

import numpy as np

from tl_engine.base.errors import EngineError, RunError
from tl_engine.base.settings import Settings
from tl_engine.base.words import percent
from tl_engine.evaluation.figures import photo, probabilities_of, temperature_is_own
from tl_engine.evaluation.judged import Judged, read_judged
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.runs.run import Run
from tl_engine.runs.saved_classifier import read_meta
from tl_engine.workspaces.chosen import Chosen
from tl_engine.workspaces.workspace import Workspace, open_run
from ui.parts.photo_grid import GREY, Item


@dataclass(frozen=True, slots=True)
class Opened:
    """A run with what judged it."""

    run: Run
    judged: Judged
    classes: tuple[str, ...]
    temperature: float
    own: bool  # whether the temperature was learnt from these photos

    def items(self, cell: str, photos: RunPhotos) -> list[Item]:
        """The photos of a cell such as "0,1"; none for what names no cell."""
        row, column = _numbers(cell)
        chosen = np.flatnonzero((self.judged.labels == row) & (self.judged.predicted == column))
        shares = probabilities_of(self.judged, self.temperature, own=self.own)
        told = (photo(self.judged, shares, self.classes, int(index)) for index in chosen)
        ranked = sorted(told, key=lambda entry: -entry["probability"])
        return [
            Item(photos.path(entry["file"]) or photos.small(entry["file"]) or GREY, entry["file"],
                 f"{percent(entry['probability'])} {entry['predicted']}")
            for entry in ranked
        ]  # fmt: skip

    def words(self, cell: str) -> tuple[str, str] | None:
        """What the photos of a cell show, and what they were taken for."""
        row, column = _numbers(cell)
        known = range(len(self.classes))
        return (self.classes[row], self.classes[column]) if row in known and column in known else None


def opened(token: str | None, settings: Settings) -> Opened:
    """The run of a token with what judged it. Raises RunError."""
    run = open_run(token or "", settings)
    found = read_judged(run.report)
    if not found:
        raise RunError("This training left no judged photos behind: train again to see them.")
    judged, meta = next(iter(found.values())), read_meta(run.best)
    return Opened(run, judged, meta.classes, meta.temperature, temperature_is_own(judged, list(found)))


def data_of(photos: RunPhotos, visitor: Workspace) -> Chosen:
    """The data set of a run, as this visitor may correct it. Raises RunError where it is not theirs to see, or gone."""
    # A zip may hold one folder that holds the classes: the photos then lie a little deeper than the data set.
    places = (photos.root, *photos.root.parents[:2]) if photos.root else ()
    for _, choice in visitor.choices():
        chosen = visitor.find(choice)
        with contextlib.suppress(EngineError):  # damaged corrections of another set
            if chosen and not chosen.absent and chosen.located().root in places:
                return chosen
    raise RunError("The photos of this training are not among yours here: nothing can be corrected.")


def _numbers(cell: str) -> tuple[int, int]:
    try:
        row, column = (int(part) for part in cell.split(","))
        return row, column
    except (ValueError, AttributeError):
        return -1, -1
