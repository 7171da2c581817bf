"""Collecting: a data set of the visitor's own, class by class, from files and camera. Every photo is kept at once."""

from pathlib import Path
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError, ImageError
from tl_engine.base.settings import MEGABYTE, Settings
from tl_engine.sources import collection
from tl_engine.sources.collection import Collection
from tl_engine.workspaces import forget
from tl_engine.workspaces.scratch import PACKED, new_folder
from tl_engine.workspaces.workspace import Workspace
from ui.parts.components import Updates, open_radio
from ui.parts.photo_grid import Item, PhotoGrid, names
from ui.parts.refusal import in_words
from ui.parts.wording import QUIET, text
from ui.photos.collect_words import NO_CLASS, class_list, count_words, hint, named_class, taken_words

NO_COLLECTION = "This data set is not one of those you put together here: press “New data set”, or choose one of yours."
NOT_SURE = "Tick “I am sure” first: what is deleted cannot be had back."
BURST: dict[str, Any] = {
    "stream_every": 0.2,
    "time_limit": 120,
}  # seconds, of a photo and of a whole burst
SETTLING = 2.0  # seconds between two looks at what a burst has brought
CAMERAS = 30  # visitors whose cameras run at once


class CollectView:
    """Lays out the view; `connect` wires it to the list of data sets above it."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        self.hint = gr.HTML(hint(NO_COLLECTION), elem_id="collect-hint")
        with gr.Column(visible=False) as self.panel:
            with gr.Row():
                self.new_class = gr.Textbox(
                    label="New class",
                    placeholder="cats",
                    max_length=collection.CLASS_LENGTH,
                    elem_id="new-class",
                    scale=3,
                )
                self.add_button = gr.Button("Add class", elem_id="add-class", scale=1, min_width=100)
            self.name = open_radio(label="Photos go to the class", elem_id="class")
            with gr.Row():
                with gr.Column(min_width=300):
                    self._ways_in()
                with gr.Column(min_width=300):
                    self.grid = PhotoGrid(settings, "Photos of this class; click to mark", "own-photos", columns=4)
                    self.drop_button = gr.Button("Remove the marked photos", size="sm", elem_id="remove")
            with gr.Accordion("Name, download, delete", open=False, elem_id="keep"):
                self._keeping()

    def _ways_in(self) -> None:
        limits = self.settings.limits
        self.files = gr.File(
            file_count="multiple",
            label=f"Drop photos here: at most {limits.image_bytes // MEGABYTE} MB each, {limits.images:,} in all",
            height=140,
            elem_id="own-files",
        )
        with gr.Column(elem_id="camera-box"):
            self.camera = gr.Image(
                sources=["webcam"],
                streaming=True,
                type="filepath",
                label="Camera: press record for a burst of five photos a second, stop to end it",
                height=260,
                elem_id="camera",
                buttons=[],
            )
        with gr.Column(elem_id="snapshot-box"):
            gr.HTML(hint("This browser gives pages without https no camera: your device's own camera takes its place."))
            self.snapshot = gr.UploadButton("Take a photo", file_count="multiple", elem_id="snapshot")
        self.said = gr.HTML("", elem_id="collected")
        self.timer = gr.Timer(SETTLING, active=False)

    def _keeping(self) -> None:
        with gr.Row():
            self.title = gr.Textbox(label="Name of the data set", max_length=collection.TITLE_LENGTH, elem_id="title")
            self.rename = gr.Button("Rename", size="sm")
        with gr.Row():
            self.class_name = gr.Textbox(
                label="Name of the class", max_length=collection.CLASS_LENGTH, elem_id="rename-class"
            )
            self.rename_button = gr.Button("Rename the class", size="sm")
            self.delete_button = gr.Button("Delete the class", size="sm", variant="stop")
        with gr.Row():
            self.pack_button = gr.Button("Make a zip of class folders", size="sm", elem_id="pack")
            self.download = gr.DownloadButton("Download the zip", size="sm", visible=False, elem_id="zip")
        with gr.Row():
            self.sure = gr.Checkbox(False, label="I am sure: what I delete cannot be had back", elem_id="sure")
            self.delete = gr.Button("Delete the data set for good", size="sm", variant="stop", elem_id="delete-own")

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        keeping = [self.title, self.class_name, self.download, self.sure]
        return [self.hint, self.panel, self.name, *keeping, *self.grid.shown]

    def connect(self, choice: gr.Dropdown) -> None:
        """Wire everything that stays within the view."""
        here = [choice, self.workspace]
        with_class = [*here, self.name]
        private: dict[str, Any] = {"api_visibility": "private"}
        gr.on([self.add_button.click, self.new_class.submit], self.add_class, [*here, self.new_class],
              [self.new_class, *self.shown], **QUIET)  # fmt: skip
        self.name.input(self.show_class, with_class, self.shown, **QUIET)
        takes = [self.said, self.files, *self.shown]
        for way_in in (self.files, self.snapshot):
            way_in.upload(self.take_files, [*with_class, way_in], takes, **private)
        self.camera.stream(
            self.take_frame, [*with_class, self.camera], [self.said, self.timer], show_progress="hidden",
            concurrency_limit=CAMERAS, concurrency_id="camera", **BURST, **private,
        )  # fmt: skip
        followed = [self.said, self.timer, self.name, *self.grid.shown]
        self.timer.tick(self.follow_burst, [*with_class, self.said, *self.grid.state], followed, **QUIET)
        self.grid.connect(lambda *values: self.items(self.opened(*values[:2]), values[2]), with_class)
        self.drop_button.click(self.drop_marked, [*with_class, self.grid.marked], self.shown, **QUIET)
        self.rename_button.click(self.rename_class, [*with_class, self.class_name], self.shown, **QUIET)
        self.delete_button.click(self.delete_class, [*with_class, self.sure], self.shown, **QUIET)
        self.pack_button.click(self.pack_zip, here, self.download, **private)

    def opened(self, choice: str | None, workspace: str) -> Collection:
        """The visitor's data set. Raises EngineError."""
        chosen = Workspace.of(self.settings, workspace).find(choice)
        if chosen is None or chosen.collection is None:
            raise EngineError(NO_COLLECTION)
        return chosen.collection

    @in_words
    def show_class(self, choice: str | None, workspace: str, name: str | None) -> Updates:
        """The data set with that class open."""
        chosen = Workspace.of(self.settings, workspace).find(choice)
        return self.show(chosen.collection if chosen else None, name)

    def show(self, own: Collection | None, name: str | None = None) -> Updates:
        """The data set with one class open, the first if none is named; one that is gone leaves none open.

        A burst must not flow into another class because its own was deleted.
        """
        counts = own.counts() if own else {}
        current = next(iter(counts), None) if name is None else name if name in counts else None
        return {
            self.hint: gr.HTML(hint(NO_CLASS if own else NO_COLLECTION), visible=not counts),
            self.panel: gr.Column(visible=own is not None),
            self.name: class_list(own, current) if own else gr.Radio(choices=[], value=None),
            self.title: own.title if own else "",
            self.class_name: current or "",
            self.download: gr.DownloadButton(visible=False),
            self.sure: False,
            **self.grid.show(self.items(own, current) if own else []),
        }

    def items(self, own: Collection, name: str | None) -> list[Item]:
        """The photos of a class as the grid shows them."""
        photos = own.photos(name) if name in own.classes() and name else []
        return [Item(path, path.name, f"photo {number}") for number, path in enumerate(photos, start=1)]

    @in_words
    def add_class(self, choice: str | None, workspace: str, name: str) -> Updates:
        """A new class, open at once."""
        own = self.opened(choice, workspace)
        made = own.add_class(name, self.settings.limits)
        return {self.new_class: "", **self.show(own, made)}

    @in_words
    def take_files(
        self, choice: str | None, workspace: str, name: str | None, files: list[str] | str | None
    ) -> Updates:
        """Keep uploaded photos; what is no photo is named and the others stay."""
        own = self.opened(choice, workspace)
        kept, refusals = 0, []
        for file in [files] if isinstance(files, str) else files or []:
            try:
                own.add(named_class(name), Path(file), self.settings.limits)
                kept += 1
            except ImageError as error:
                refusals.append(str(error))
            except EngineError as error:  # no room, or the class is gone: what came before stays
                refusals.append(str(error))
                break
        return {self.said: taken_words(kept, refusals), self.files: None, **self.show(own, name or "")}

    @in_words
    def take_frame(self, choice: str | None, workspace: str, name: str | None, frame: str | None) -> Updates:
        """Keep one photo of a burst; what is wrong is said in its place, since five toasts a second help nobody."""
        own = self.opened(choice, workspace)
        if not frame:
            return {self.said: gr.skip()}
        try:
            own.add(named_class(name), Path(frame), self.settings.limits, shown="the camera's photo")
            said = count_words(own, name)
        except EngineError as error:
            said = f'<p role="alert">{text(error, 300)} Stop the camera.</p>'
        return {self.said: said, self.timer: gr.Timer(active=True)}

    @in_words
    def follow_burst(
        self, choice: str | None, workspace: str, name: str | None, said: str, page: float, marked: str
    ) -> Updates:
        """While a burst goes on and shortly after, since its last photos arrive when it has been stopped."""
        own = self.opened(choice, workspace)
        now = count_words(own, name)
        grid = self.grid.show(self.items(own, name), page, marked)
        return {self.said: now, self.timer: gr.Timer(active=now != said), self.name: class_list(own, name), **grid}

    @in_words
    def drop_marked(self, choice: str | None, workspace: str, name: str | None, marked: str) -> Updates:
        """Delete the marked photos."""
        own = self.opened(choice, workspace)
        forget.delete_photos(own, named_class(name), sorted(names(marked)), self.settings)
        return self.show(own, name or "")

    @in_words
    def rename_class(self, choice: str | None, workspace: str, name: str | None, new: str) -> Updates:
        """Call a class something else."""
        own = self.opened(choice, workspace)
        return self.show(own, forget.rename_class(own, named_class(name), new, self.settings))

    @in_words
    def delete_class(self, choice: str | None, workspace: str, name: str | None, sure: bool) -> Updates:
        """Delete a class with its photos."""
        own = self.opened(choice, workspace)
        if not sure:
            raise EngineError(NOT_SURE)
        forget.delete_class(own, named_class(name), self.settings)
        return self.show(own, "")

    @in_words
    def pack_zip(self, choice: str | None, workspace: str) -> Any:
        """The data set as a zip, ready to be downloaded."""
        own = self.opened(choice, workspace)
        plain = "".join(c if c.isalnum() and c.isascii() else "-" for c in own.title).strip("-") or "photos"
        archive = new_folder(PACKED, own.folder.name) / f"{plain}.zip"
        own.pack(archive)
        return gr.DownloadButton(value=str(archive), visible=True)
