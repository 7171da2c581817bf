"""Looking: the photos by class and split, and one of them as the network will see it."""

from typing import Any

import gradio as gr

from tl_engine.backbones.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE
from tl_engine.backbones.weights import find_weights
from tl_engine.base.errors import DataError, EngineError
from tl_engine.base.names import printable
from tl_engine.base.settings import Settings
from tl_engine.data.dataset import ImageFolder, Record
from tl_engine.photos.square import FITS
from tl_engine.runs.config import AUGMENTATIONS
from tl_engine.sources.collection import Collection
from tl_engine.workspaces.chosen import Chosen
from tl_engine.workspaces.workspace import Workspace
from ui.parts.acting import act, answer_html, said_line
from ui.parts.components import Updates, open_dropdown
from ui.parts.photo_grid import Item, PhotoGrid, names
from ui.parts.wording import FIT_WORDS, QUIET
from ui.photos.network_view import Way, network_html

ALL = "all"
NO_PHOTO = "There is no photo here yet."


class LookView:
    """Lays out the view, closed until somebody looks; `connect` wires it to the list of data sets."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        with gr.Accordion("Look at all, as the network does", open=False, elem_id="look") as self.box:
            with gr.Row():
                self.name = open_dropdown([("All classes", ALL)], value=ALL, label="Class", elem_id="look-class")
                self.split = gr.Radio([("All", ALL), ("Training", "train"), ("Validation", "val"), ("Test", "test")],
                                      value=ALL, label="Split", elem_id="look-split")  # fmt: skip
            self.grid = PhotoGrid(settings, "Tap a photo to see it as the network does", "look-photos", markable=False)
            with gr.Row():
                works = [
                    (row.label, row.name) for row in ARCHITECTURES.values() if find_weights(row, settings).available
                ]
                self.architecture = gr.Dropdown(works, value=DEFAULT_ARCHITECTURE, label="Backbone")
                self.augmentation = gr.Radio(
                    [name for name in AUGMENTATIONS if name != "none"], value="tutorial", label="Augmentation"
                )
                self.fit = gr.Radio(
                    [(FIT_WORDS[fit], fit) for fit in FITS],
                    value="crop",
                    label="Square by",
                    elem_id="fit",
                    info="What training does with the edges; saved in the classifier.",
                )
            self.see = gr.Button("Show as the network sees it", elem_id="see")
            self.said = said_line("look-said")
            self.seen = gr.HTML("", elem_id="network-view")

    @property
    def shown(self) -> list[Any]:
        """What opening and closing change."""
        return [self.box, self.seen, self.said, *self._listed]

    @property
    def _listed(self) -> list[Any]:
        return [self.name, *self.grid.shown]

    def connect(self, choice: gr.Dropdown, fit: Any) -> None:
        """Wire everything that stays within the view, and `fit`, the setting of training that it can change."""
        chosen = [choice, self.workspace, self.name, self.split]
        reading = {"show_progress": "minimal", "show_progress_on": self.said}
        opened = [self.box.expand, self.name.input, self.split.input]
        act(opened, self.show_photos, chosen, self._listed, self.said, **reading)
        self.grid.connect(self.items, chosen, self.said)
        settings = [self.architecture, self.augmentation, self.fit]
        photo = [*chosen, self.grid.marked, *settings]
        act([self.see.click, self.fit.input, self.architecture.input, self.augmentation.input],
            self.see_through_network, photo, [self.seen], self.said, **reading)  # fmt: skip
        self.fit.input(lambda fit: fit, self.fit, fit, **QUIET)

    def closed(self) -> Updates:
        """Put away: another data set is chosen, whose photos are listed when somebody looks."""
        return {
            self.box: gr.Accordion(open=False),
            self.name: gr.Dropdown(choices=[("All classes", ALL)], value=ALL),
            self.seen: "",
            self.said: "",
            **self.grid.show([]),
        }

    def show_photos(self, choice: str | None, workspace: str, name: str = ALL, split: str = ALL) -> Updates:
        """The first page of the photos of a class and split; of no data set there is nothing to see."""
        data = visible_data(Workspace.of(self.settings, workspace).find(choice))
        classes = list(data.classes) if data else []
        current = name if name in classes else ALL
        listed = [("All classes", ALL), *((n[:40], n) for n in classes)]
        items = _items(data, current, split)
        said = {} if items else {self.said: answer_html(NO_PHOTO)}
        return {self.name: gr.Dropdown(choices=listed, value=current), **self.grid.show(items), **said}

    def items(self, choice: str | None, workspace: str, name: str, split: str) -> list[Item]:
        """The photos that the grid pages through."""
        return _items(visible_data(Workspace.of(self.settings, workspace).find(choice)), name, split)

    def see_through_network(
        self, choice: str | None, workspace: str, name: str, split: str, marked: str, *way: str
    ) -> Updates:  # fmt: skip
        """The marked photo, or the first, as a network sees it; `way` is what `Way` is made of."""
        items = self.items(choice, workspace, name, split)
        if not items:
            raise EngineError(NO_PHOTO)
        item = next((item for item in items if item.file in names(marked)), items[0])
        return {self.seen: network_html(item, Way(*way), self.settings)}


def visible_data(chosen: Chosen | None) -> ImageFolder | None:
    """The data set as corrected, one still being collected too; None where there is nothing to see yet."""
    if chosen is None:
        return None
    try:
        return chosen.described()
    except DataError:  # nothing to learn from yet, which is no fault of somebody who is still collecting
        return collected(chosen.collection) if chosen.collection else None


def collected(own: Collection) -> ImageFolder:
    """A collection as a data set, whether or not one can learn from it."""
    classes = own.classes()
    records = tuple(Record(path, label, "train") for label, name in enumerate(classes) for path in own.photos(name))
    return ImageFolder(root=own.folder, classes=tuple(classes), records=records)


def _items(data: ImageFolder | None, name: str, split: str) -> list[Item]:
    if data is None:
        return []

    def wanted(record: Record) -> bool:
        return (name == ALL or data.classes[record.label] == name) and split in (ALL, record.split)

    return [
        Item(r.path, printable(r.path.relative_to(data.root).as_posix()), f"{data.classes[r.label]}, {r.split}")
        for r in data.records
        if wanted(r)
    ]
