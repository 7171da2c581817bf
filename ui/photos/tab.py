"""The Photos tab: bring photos, put classes together, look at them, check them, train. Each part has its own module."""

from typing import Any

import gradio as gr

from tl_engine.base.settings import Settings
from tl_engine.workspaces.chosen import Chosen
from tl_engine.workspaces.workspace import Workspace
from ui.collection.cards import Cards
from ui.collection.keep_view import KeepView
from ui.collection.undo import Undo
from ui.parts.acting import act, said_line
from ui.parts.components import Updates
from ui.parts.data_dropdown import data_dropdown
from ui.parts.refusal import in_words
from ui.parts.wording import QUIET
from ui.photos.check_view import CheckView
from ui.photos.doors import Doors
from ui.photos.look_view import LookView
from ui.photos.summary import Summary
from ui.photos.things_view import ThingsView
from ui.train.form import TrainForm

READERS = 8  # data sets being read at once


class PhotosTab:
    """Lays out the tab; its list of data sets is that of the whole page."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        with gr.Tab("Photos", id="photos") as self.tab:
            self.doors = Doors(settings, workspace)
            with gr.Row(elem_classes="tl-named"):
                self.choice = data_dropdown(settings, label="Photos to learn from", elem_id="data", scale=4)
                self.new = gr.Button("New", elem_id="new-data", scale=1, min_width=90)
            self.summary = Summary()
            self.cards = Cards(settings, workspace)
            self.look = LookView(settings, workspace)
            self.check = CheckView(settings, workspace)
            self.keep = KeepView(settings, workspace)
            self.things = ThingsView(settings, workspace)
            with gr.Row(elem_id="photos-bar"):
                self.said = said_line("photos-said")
                self.seen = gr.Textbox("", visible=False)  # the choice that is shown
                self.undo = Undo()
                self.go = gr.Button("Train", variant="primary", elem_id="photos-train", min_width=120, scale=0)

    def connect(self, form: TrainForm) -> None:
        """Wire the parts to the list of data sets."""
        here = [self.choice, self.workspace]
        self.doors.connect(self.choice, self.summary, self.said)
        self.cards.connect(self.choice, self.undo, self.said)
        self.look.connect(self.choice, form.advanced["fit"])
        self.check.connect(self.choice, form.advanced["class_weights"])
        self.keep.connect(self.choice)
        act(self.new.click, self.doors.toggle, None, [self.doors.box], self.said)
        # Reading a large folder takes a moment; of several choices in a row the last one is shown.
        self.choice.change(
            self.show_data, [*here, self.seen], self.shown, api_visibility="private", trigger_mode="always_last",
            concurrency_limit=READERS, concurrency_id="read", show_progress="minimal",
            show_progress_on=self.summary.words,
        )  # fmt: skip
        # Others may have come meanwhile. Only the list: what is chosen is the page's, and an answer may be late.
        self.tab.select(self.list_data, self.workspace, self.choice, **QUIET)

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        parts = (self.summary, self.cards, self.look, self.check, self.keep, self.undo)
        return [self.said, self.seen, *(component for part in parts for component in part.shown)]

    def show(self, chosen: Chosen | None, *, ask: bool = True) -> Updates:
        """A data set in all parts."""
        own = chosen.collection if chosen else None
        return {
            self.said: "",
            **self.summary.show(chosen, ask=ask),
            **self.cards.show(own),
            **self.look.closed(),
            **self.check.show(chosen),
            **self.keep.show(own),
            **self.undo.nothing(),
        }

    @in_words
    def show_data(self, choice: str | None, workspace: str, seen: str = "") -> Updates:
        """The data set that was chosen; nothing if it is shown already.

        A list that is sent anew counts as a change to the browser, and must not undo what was marked meanwhile.
        """
        if choice and choice == seen:
            return {self.seen: gr.skip()}
        chosen = Workspace.of(self.settings, workspace).find(choice)
        return {**self.show(chosen, ask=bool(workspace)), self.seen: choice or ""}

    @in_words
    def list_data(self, workspace: str) -> Any:
        """The data sets of now."""
        return gr.Dropdown(choices=Workspace.of(self.settings, workspace).choices())
