"""The Data tab: put a data set together, look at it, check it. Each of the three has a module of its own."""

from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.sources import collection
from tl_engine.workspaces import corrections, forget
from tl_engine.workspaces.chosen import UPLOAD, Chosen
from tl_engine.workspaces.workspace import Workspace
from ui.parts.components import Updates
from ui.parts.data_dropdown import data_dropdown
from ui.parts.refusal import in_words
from ui.parts.wording import QUIET
from ui.photos.check_view import CheckView
from ui.photos.collect_view import NOT_SURE, CollectView
from ui.photos.look_view import LookView
from ui.train.form import TrainForm

FIRST_TITLE = "My photos"


class DataTab:
    """Lays out the tab and connects it to the form of the Train tab."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        with gr.Tab("Data", id="data") as self.tab:
            with gr.Row(equal_height=True):
                self.choice = data_dropdown(settings, label="Data set", elem_id="data-set", scale=4)
                self.new = gr.Button("New data set", elem_id="new-data", scale=1, min_width=140)
                self.use = gr.Button("Train on this", variant="primary", elem_id="train-on", scale=1, min_width=140)
            with gr.Tabs(selected="look", elem_id="data-views") as self.views:
                with gr.Tab("Collect", id="collect"):
                    self.collect = CollectView(settings, workspace)
                with gr.Tab("Look", id="look") as self.look_tab:
                    self.look = LookView(settings, workspace)
                with gr.Tab("Check", id="check"):
                    self.check = CheckView(settings, workspace)

    def connect(self, tabs: gr.Tabs, form: TrainForm) -> None:
        """Wire the views, the list of data sets and the way to training."""
        here = [self.choice, self.workspace]
        self.collect.connect(self.choice)
        self.look.connect(self.choice)
        self.check.connect(self.choice, form.advanced["class_weights"])
        # Both tabs speak of the same data set: the one entered takes over what the other has chosen.
        entered = [form.data, self.workspace]
        listed = [self.choice, *self.shown]
        # Queued, since only such a call can be called off: its answer must not undo what was chosen before it came.
        listing = self.tab.select(self.list_data, entered, listed, show_progress="hidden", api_visibility="private",
                                  concurrency_limit=None)  # fmt: skip
        self.choice.change(self.list_choices, here, form.data, **QUIET)
        self.choice.input(self.show_data, here, self.shown, cancels=[listing], **QUIET)
        self.look_tab.select(self.look.show_photos, entered, self.look.shown, **QUIET)
        self.new.click(self.create_collection, self.workspace, [*listed, self.views, self.workspace],
                       cancels=[listing], **QUIET)  # fmt: skip
        self.collect.rename.click(
            self.rename_collection, [*here, self.collect.title, self.collect.name],
            [self.choice, *self.collect.shown], **QUIET,
        )  # fmt: skip
        self.collect.delete.click(self.delete_collection, [*here, self.collect.sure], listed, **QUIET)
        self.look.fit.input(lambda fit: fit, self.look.fit, form.advanced["fit"], **QUIET)
        chosen = self.use.click(lambda: gr.Tabs(selected="train"), None, tabs, **QUIET)
        chosen.then(form.describe_data, entered, form.shown, **QUIET)  # corrections change it

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        return [*self.collect.shown, *self.look.shown, *self.check.shown]

    def show(self, chosen: Chosen | None) -> Updates:
        """All three views of a data set."""
        own = chosen.collection if chosen else None
        return {**self.collect.show(own), **self.look.show(chosen), **self.check.show(chosen)}

    def _choose(self, visitor: Workspace, choice: str | None) -> Updates:
        """The data sets of now, with that one chosen, or the default one where it is gone; and its views."""
        present = visitor.present(choice)
        return {self.choice: _listed(visitor, present), **self.show(visitor.find(present))}

    @in_words
    def show_data(self, choice: str | None, workspace: str) -> Updates:
        """The views of the data set that was chosen."""
        return self.show(Workspace.of(self.settings, workspace).find(choice))

    @in_words
    def list_data(self, choice: str | None, workspace: str) -> Updates:
        """The data sets of now, since others may have been uploaded, with the present one's views."""
        return self._choose(Workspace.of(self.settings, workspace), choice)

    @in_words
    def list_choices(self, choice: str | None, workspace: str) -> Any:
        """The list of the Train tab with this data set chosen."""
        visitor = Workspace.of(self.settings, workspace)
        return _listed(visitor, visitor.present(choice))

    @in_words
    def create_collection(self, workspace: str) -> Updates:
        """A new data set of the visitor's own, open for photos."""
        visitor = Workspace.of(self.settings, workspace)
        own = collection.create(visitor.folder, FIRST_TITLE)
        chosen = self._choose(visitor, UPLOAD + own.folder.name)
        return {**chosen, self.views: gr.Tabs(selected="collect"), self.workspace: visitor.token}

    @in_words
    def rename_collection(self, choice: str | None, workspace: str, title: str, name: str | None) -> Updates:
        """Call the data set something else."""
        own = self.collect.opened(choice, workspace)
        own.rename(title)
        return {self.choice: self.list_choices(choice, workspace), **self.collect.show(own, name)}

    @in_words
    def delete_collection(self, choice: str | None, workspace: str, sure: bool) -> Updates:
        """Delete the data set for good, with what was corrected in it."""
        own = self.collect.opened(choice, workspace)
        if not sure:
            raise EngineError(NOT_SURE)
        visitor = Workspace.of(self.settings, workspace)
        corrections.undo(visitor.data(choice))
        forget.delete_collection(own, self.settings)
        return self._choose(visitor, None)


def _listed(visitor: Workspace, choice: str) -> gr.Dropdown:
    return gr.Dropdown(choices=visitor.choices(), value=choice)
