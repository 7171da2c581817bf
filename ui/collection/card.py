"""One class of a data set that is put together by hand: its name, its photos, and the ways in."""

from pathlib import Path
from typing import Any

import gradio as gr

from tl_engine.base.names import clean_class_name
from tl_engine.base.settings import Settings
from tl_engine.sources import collection
from tl_engine.sources.collection import Collection
from ui.collection.words import count_words
from ui.parts.components import Updates, photos_button
from ui.parts.photo_grid import Item, PhotoGrid


class Card:
    """The components of one card; the cards' owner wires them."""

    def __init__(self, settings: Settings, number: int) -> None:
        self.settings = settings
        with gr.Column(visible=False, min_width=280, elem_classes="tl-card", elem_id=f"card-{number}") as self.box:
            self.title = gr.Textbox(
                label=f"Name of class {number}", max_length=collection.CLASS_LENGTH, elem_id=f"title-{number}"
            )
            self.count = gr.HTML("", elem_id=f"count-{number}")
            with gr.Row(elem_classes="tl-buttons"):
                self.add = photos_button("Add photos", variant="primary", elem_id=f"add-{number}", min_width=100)
                self.film = gr.Button("Camera", elem_id=f"film-{number}", min_width=80)
            with gr.Column(visible=False) as self.full:
                self.grid = PhotoGrid(settings, "Tap photos to mark them", f"own-photos-{number}", columns=4)
                self.drop = gr.Button("Remove the marked photos", size="sm", elem_id=f"remove-{number}")
            self.delete = gr.Button("Delete this class", size="sm", elem_id=f"delete-class-{number}")
        self.name = gr.Textbox("", visible=False)  # the class's folder, while its title is being typed

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        return [self.box, self.title, self.count, self.full, self.name, *self.grid.shown]

    def show(self, own: Collection, name: str | None, page: float = 1, marked: str = "[]") -> Updates:
        """That class of a data set; no card for none."""
        if name is None:
            return {self.box: gr.Column(visible=False), self.name: ""}
        items = class_items(own, name)
        return {
            self.box: gr.Column(visible=True),
            self.title: name,
            self.count: count_words(len(items)),
            self.full: gr.Column(visible=bool(items)),
            self.name: name,
            **self.grid.show(items, page, marked),
        }


def class_items(own: Collection, name: str) -> list[Item]:
    """The photos of a class as its grid shows them, the newest first; none of a class that is gone."""
    photos: list[Path] = own.photos(name) if name in own.classes() else []
    return [Item(path, path.name, f"photo {number}") for number, path in enumerate(photos, start=1)]


def class_now(own: Collection, name: str, title: str) -> str:
    """The class that a card means: it may have been renamed, by what was typed, since the page was sent its name."""
    known = own.classes()
    typed = clean_class_name(title)
    return name if name in known or typed not in known else typed
