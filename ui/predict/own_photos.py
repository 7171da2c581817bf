"""Photos of a classifier's own data to try it with: its judged ones, for whoever may see that data."""

import shutil
import time
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.evaluation.judged import read_judged
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.workspaces.scratch import new_folder
from tl_engine.workspaces.workspace import Workspace, open_run
from ui.parts.acting import act
from ui.parts.components import Updates
from ui.parts.photo_grid import handed_out

MOST = 6


class OwnPhotos:
    """A row of photos; a press on one asks the classifier about it."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        self.gallery = gr.Gallery(
            label="Or try one of its own photos",
            columns=MOST,
            height="auto",
            visible=False,
            object_fit="cover",
            allow_preview=False,
            interactive=False,
            buttons=[],
            elem_id="try-own",
            elem_classes="tl-grid",
        )

    def show(self, visitor: Workspace, name: str) -> Updates:
        """The photos of a classifier, if it is a run that the visitor may list."""
        pictures = [handed_out(path, self.settings) for path in own_photos(visitor, name, self.settings)]
        return {self.gallery: gr.Gallery(value=pictures or None, visible=bool(pictures))}

    def connect(self, photo: Any, classifier: gr.Dropdown, said: gr.HTML) -> None:
        """Put the photo that is pressed where photos to ask about go."""
        self.photo = photo
        act(self.gallery.select, self.take_photo, [self.workspace, classifier], [photo], said)

    def take_photo(self, workspace: str, name: str, event: gr.SelectData) -> Updates:
        """A copy of the photo, where Gradio may serve it from; it goes with the photo."""
        found = own_photos(Workspace.of(self.settings, workspace), name, self.settings)
        index = event.index if isinstance(event.index, int) else 0
        if not 0 <= index < len(found):
            raise EngineError("This photo is not here any more: choose another.")
        copy = new_folder("photos", time.strftime("%Y-%m-%d")) / f"{index}-{found[index].name}"
        shutil.copyfile(found[index], copy)
        return {self.photo: str(copy)}


def own_photos(visitor: Workspace, name: str, settings: Settings) -> list[Path]:
    """A few judged photos that are still there, of each class in turn."""
    try:
        run = open_run(name, settings)
    except EngineError:
        return []
    judged = next(iter(read_judged(run.report).values()), None)
    if judged is None or not visitor.may_list(run):
        return []
    photos = RunPhotos.of(run)
    turns = np.zeros(len(judged.labels), np.int64)
    for label in np.unique(judged.labels):
        own = np.flatnonzero(judged.labels == label)
        turns[own] = np.arange(len(own))
    ranked = np.lexsort((judged.labels, turns))[: MOST * 4]
    there = (photos.path(judged.files[row]) for row in ranked)
    return [path for path in there if path is not None][:MOST]
