"""Looking: the photos by class and split, and one of them as the network will see it."""

import base64
import dataclasses
import io
from typing import Any

import gradio as gr
from PIL import Image, ImageDraw

from tl_engine.backbones.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE, get_architecture
from tl_engine.backbones.weights import find_weights
from tl_engine.base.errors import DataError
from tl_engine.base.names import printable
from tl_engine.base.settings import Settings
from tl_engine.data.dataset import ImageFolder, Record
from tl_engine.photos.square import FITS
from tl_engine.runs.config import AUGMENTATIONS
from tl_engine.sources.collection import Collection
from tl_engine.workspaces.chosen import Chosen
from tl_engine.workspaces.workspace import Workspace
from ui.parts.components import Updates, open_dropdown
from ui.parts.photo_grid import Item, PhotoGrid, names
from ui.parts.refusal import in_words
from ui.parts.wording import FIT_WORDS, QUIET, text

ALL = "all"
COPIES = 6  # augmented copies shown beside the evaluation view
SIDE = 300  # pixels of the picture that shows what is cut off


class LookView:
    """Lays out the view; `connect` wires it to the list of data sets above it."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        with gr.Row():
            self.name = open_dropdown([("All classes", ALL)], value=ALL, label="Class", elem_id="look-class")
            self.split = gr.Radio([("All", ALL), ("Training", "train"), ("Validation", "val"), ("Test", "test")],
                                  value=ALL, label="Split", elem_id="look-split")  # fmt: skip
        self.grid = PhotoGrid(settings, "Photos; click one to see it as the network does", "photos")
        with gr.Row():
            works = [(row.label, row.name) for row in ARCHITECTURES.values() if find_weights(row, settings).available]
            self.architecture = gr.Dropdown(works, value=DEFAULT_ARCHITECTURE, label="Backbone")
            self.augmentation = gr.Radio(
                [name for name in AUGMENTATIONS if name != "none"], value="tutorial", label="Augmentation"
            )
            self.fit = gr.Radio([(FIT_WORDS[fit], fit) for fit in FITS], value="crop", label="Square by", elem_id="fit",
                                info="What training does with the edges; saved in the classifier.")  # fmt: skip
        self.see = gr.Button("Show as the network sees it", elem_id="see")
        self.seen = gr.HTML("", elem_id="network-view")

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        return [self.name, *self.grid.shown]

    def connect(self, choice: gr.Dropdown) -> None:
        """Wire everything that stays within the view."""
        chosen = [choice, self.workspace, self.name, self.split]
        gr.on([self.name.input, self.split.input], self.show_photos, chosen, self.shown, **QUIET)
        self.grid.connect(self.items, chosen)
        settings = [self.architecture, self.augmentation, self.fit]
        photo = [*chosen, self.grid.marked, *settings]
        gr.on([self.see.click, self.fit.input], self.see_through_network, photo, self.seen, api_visibility="private")

    @in_words
    def show_photos(self, choice: str | None, workspace: str, name: str = ALL, split: str = ALL) -> Updates:
        """The first page of the photos of a class and split."""
        return self.show(Workspace.of(self.settings, workspace).find(choice), name, split)

    def show(self, chosen: Chosen | None, name: str = ALL, split: str = ALL) -> Updates:
        """The same, of a data set; of none there is nothing to see."""
        data = visible_data(chosen)
        classes = list(data.classes) if data else []
        current = name if name in classes else ALL
        listed = [("All classes", ALL), *((n[:40], n) for n in classes)]
        listed_photos = self.grid.show(_items(data, current, split))
        return {self.name: gr.Dropdown(choices=listed, value=current), **listed_photos}

    def items(self, choice: str | None, workspace: str, name: str, split: str) -> list[Item]:
        """The photos that the grid pages through."""
        return _items(visible_data(Workspace.of(self.settings, workspace).find(choice)), name, split)

    @in_words
    def see_through_network(
        self, choice: str | None, workspace: str, name: str, split: str, marked: str,
        architecture: str, augmentation: str, fit: str,
    ) -> str:  # fmt: skip
        """The marked photo, or the first: what is cut off, what evaluation sees, what augmentation makes of it."""
        from tl_engine.networks.preprocessing import preprocess_for

        items = self.items(choice, workspace, name, split)
        if not items:
            return '<p class="tl-hint">There is no photo here yet.</p>'
        item = next((item for item in items if item.file in names(marked)), items[0])
        row = get_architecture(architecture)
        preprocess = dataclasses.replace(preprocess_for(row, find_weights(row, self.settings).preprocess), fit=fit)
        picture = preprocess.open(item.path)
        ways = [_figure(dataclasses.replace(preprocess, fit=way).view(picture), FIT_WORDS[way]) for way in FITS]
        draw = preprocess.random_view(augmentation if augmentation in AUGMENTATIONS[1:] else "tutorial")
        copies = [_figure(draw(picture), f"Training, copy {number}") for number in range(1, COPIES + 1)]
        cut = _figure(
            _with_crop(picture, preprocess.resize, preprocess.crop), "The photo; “centre” keeps what is framed"
        )
        views = [_figure(preprocess.view(picture), "Validation and prediction"), *copies]
        return (
            f'<div class="tl-seen"><p><b>{text(item.file, 80)}</b>, {row.label} ({preprocess.crop} pixels)</p>'
            f"<section>{cut}{''.join(ways)}</section><section>{''.join(views)}</section></div>"
        )


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


def _with_crop(picture: Image.Image, resize: int, crop: int) -> Image.Image:
    """The picture with what the centre crop cuts off dimmed and what it keeps framed."""
    scale = SIDE / max(picture.size)
    small = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    side = min(small.size) * crop / resize
    left, top = (small.width - side) / 2, (small.height - side) / 2
    frame = (round(left), round(top), round(left + side) - 1, round(top + side) - 1)
    dimmed = Image.blend(small, Image.new("RGB", small.size, "white"), 0.6)
    dimmed.paste(small.crop((frame[0], frame[1], frame[2] + 1, frame[3] + 1)), frame[:2])
    ImageDraw.Draw(dimmed).rectangle(frame, outline="#0d9488", width=3)
    return dimmed


def _figure(picture: Image.Image, caption: str) -> str:
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=85)
    data = base64.b64encode(content.getvalue()).decode()
    words = text(caption, 80)
    image = f'<img alt="{words}" src="data:image/jpeg;base64,{data}">'
    return f"<figure>{image}<figcaption>{words}</figcaption></figure>"
