"""The Data tab: put a data set together, look at it, check it. Each of the three has a module of its own."""

from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.sources import collection
from tl_engine.workspaces import corrections, data_choices, forget
from tl_engine.workspaces.workspace import owner_of
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
        self.tab.select(self.listed, [form.data, self.workspace], [self.choice, *self.shown], **QUIET)
        self.choice.change(self.mirrored, here, form.data, **QUIET)
        self.choice.input(self.show, here, self.shown, **QUIET)
        self.look_tab.select(self.look.show, [form.data, self.workspace], self.look.shown, **QUIET)
        self.new.click(self.made, self.workspace, [self.choice, self.views, *self.shown, self.workspace], **QUIET)
        self.collect.rename.click(
            self.renamed, [*here, self.collect.title, self.collect.name], [self.choice, *self.collect.shown], **QUIET
        )
        self.collect.delete.click(self.deleted, [*here, self.collect.sure], [self.choice, *self.shown], **QUIET)
        self.look.fit.input(lambda fit: fit, self.look.fit, form.advanced["fit"], **QUIET)
        chosen = self.use.click(lambda: gr.Tabs(selected="train"), None, tabs, **QUIET)
        chosen.then(form.describe, [form.data, self.workspace], form.shown, **QUIET)  # corrections change it

    @property
    def shown(self) -> list[Any]:
        """What `show` gives values for."""
        return [*self.collect.shown, *self.look.shown, *self.check.shown]

    def show(self, choice: str | None, workspace: str) -> list[Any]:
        """All three views of a data set."""
        views = (self.collect, self.look, self.check)
        return [value for view in views for value in view.show(choice, workspace)]

    @in_words
    def listed(self, choice: str | None, workspace: str) -> list[Any]:
        """The data sets of now, since others may have been uploaded, with the present one's views."""
        present = self._present(workspace, choice)
        return [self._choices(workspace, present), *self.show(present, workspace)]

    def _present(self, workspace: str, choice: str | None) -> str:
        """The data set, or the default where it is gone."""
        listed = data_choices.choices(self.settings, owner_of(workspace))
        here = choice if choice in [value for _, value in listed] else None
        return here or data_choices.default_choice(self.settings)

    def _choices(self, workspace: str, choice: str | None) -> Any:
        listed = data_choices.choices(self.settings, owner_of(workspace))
        return gr.Dropdown(choices=listed, value=self._present(workspace, choice))

    @in_words
    def made(self, workspace: str) -> list[Any]:
        """A new data set of the visitor's own, open for photos."""
        owner = owner_of(workspace)
        own = collection.create(self.settings.uploads / owner, FIRST_TITLE)
        choice = data_choices.UPLOAD + own.folder.name
        return [self._choices(owner, choice), gr.Tabs(selected="collect"), *self.show(choice, owner), owner]

    @in_words
    def renamed(self, choice: str | None, workspace: str, title: str, name: str | None) -> list[Any]:
        """Call the data set something else."""
        self.collect.opened(choice, workspace).rename(title)
        return [self._choices(workspace, choice), *self.collect.show(choice, workspace, name)]

    @in_words
    def deleted(self, choice: str | None, workspace: str, sure: bool) -> list[Any]:
        """Delete the data set for good, with what was corrected in it."""
        own = self.collect.opened(choice, workspace)
        if not sure:
            raise EngineError(NOT_SURE)
        corrections.undo(choice or "", self.settings, workspace)
        forget.delete_collection(own, self.settings)
        default = data_choices.default_choice(self.settings)
        return [self._choices(workspace, default), *self.show(default, workspace)]

    @in_words
    def mirrored(self, choice: str | None, workspace: str) -> Any:
        """The Train tab's list with this data set chosen."""
        return self._choices(workspace, choice)
