"""The photos of a cell of the confusion, and correcting them: another label, left out, or right; then train again."""

import functools
from typing import Any

import gradio as gr

from tl_engine.base.errors import DataError, RunError
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural
from tl_engine.classroom import starting
from tl_engine.data.mends import DROP, KEEP, RELABEL, Mend
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.runs.config import SETTINGS
from tl_engine.runs.process import Spare
from tl_engine.workspaces import corrections
from tl_engine.workspaces.workspace import Workspace
from ui.gate.lanes import START
from ui.gate.persons import asker_of
from ui.parts.acting import act, answer_html, said_line
from ui.parts.components import Updates, open_dropdown
from ui.parts.photo_grid import PhotoGrid, names
from ui.parts.wording import QUIET, text
from ui.report.cells import data_of, opened
from ui.train.tab import NEW, TrainTab

DONE = {RELABEL: "relabelled", DROP: "left out", KEEP: "kept as right"}
HINT = "Press a number above to see its photos."


class PhotosView:
    """Lays out the view below the confusion; `connect` wires it to the page's run."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState, spare: Spare | None) -> None:
        self.settings = settings
        self.workspace = workspace
        self.spare = spare
        self.cell = gr.Textbox("", visible=False)
        self.title = gr.HTML(f'<p class="tl-hint">{HINT}</p>', elem_id="cell-title")
        with gr.Column(visible=False, elem_id="cell") as self.box:
            self.grid = PhotoGrid(settings, "The surest first; click those you mean", "cell-photos")
            with gr.Row():
                self.label = open_dropdown([], label="They show", elem_id="cell-label", min_width=140)
                self.relabel = gr.Button("Relabel the marked", size="sm", elem_id="cell-relabel")
                self.drop = gr.Button("Leave the marked out", size="sm", elem_id="cell-drop")
                self.keep = gr.Button("The marked are right", size="sm", elem_id="cell-keep")
        self.said = said_line("cell-said")
        self.again = gr.Button("Train again with the corrections", visible=False, elem_id="train-again")

    @property
    def shown(self) -> list[Any]:
        """What opening a cell changes."""
        return [self.cell, self.title, self.box, self.label, *self.grid.shown]

    def connect(self, matrix: gr.HTML, run: Any, train: TrainTab, tabs: gr.Tabs, choice: gr.Dropdown) -> None:
        """Open the cell that is pressed in the matrix, and correct what is marked."""
        self.train, self.tabs, self.choice = train, tabs, choice
        here = [run, self.workspace]
        opening = act(matrix.click, self.open_cell, here, self.shown, self.said)
        opening.then(None, None, js="() => window.tlShow('cell')")
        self.grid.connect(self.items, [*here, self.cell], self.said)
        for button, action in ((self.relabel, RELABEL), (self.drop, DROP), (self.keep, KEEP)):
            given = [*here, self.cell, self.grid.marked, self.label]
            act(button.click, functools.partial(self.correct_marked, action), given, [self.again, *self.grid.shown],
                self.said)  # fmt: skip
        started = act(self.again.click, self.train_again, here, [train.run, train.seen, tabs, choice], self.said,
                      **START)  # fmt: skip
        started.then(train.follow_run, [train.run, self.workspace, train.seen], train.shown, **QUIET)

    def items(self, token: str | None, workspace: str, cell: str) -> list[Any]:
        """The photos of a cell. Raises RunError for who has the run by a link only."""
        found = opened(token, self.settings)
        if not Workspace.of(self.settings, workspace).may_list(found.run):
            raise RunError("These photos are not yours: who trained on them sees them.")
        return found.items(cell, RunPhotos.of(found.run))

    def open_cell(self, token: str | None, workspace: str, event: gr.EventData) -> Updates:
        """Show the photos of the cell that was pressed."""
        sent = event._data
        cell = str(sent.get("cell", "")) if isinstance(sent, dict) else ""
        found = opened(token, self.settings)
        words = found.words(cell)
        if words is None:
            raise RunError(HINT)
        shows, taken = words
        title = f"{text(shows)}, recognised" if shows == taken else f"{text(shows)}, taken for {text(taken)}"
        return {
            self.cell: cell,
            self.title: f"<h3>{title}</h3>",
            self.box: gr.Column(visible=True),
            self.label: gr.Dropdown(choices=list(found.classes), value=taken),
            **self.grid.show(self.items(token, workspace, cell)),
        }

    def correct_marked(
        self, action: str, token: str | None, workspace: str, cell: str, marked: str, label: str
    ) -> Updates:
        """Keep what a person says of the marked photos as corrections of the data set."""
        found, files = opened(token, self.settings), names(marked)
        photos = RunPhotos.of(found.run)
        listed = {item.file for item in found.items(cell, photos)}
        files &= listed
        if not files:
            raise DataError("No photo is marked: click those you mean first.")
        if action == RELABEL and label not in found.classes:
            raise DataError("Choose which class they show first.")
        chosen = data_of(photos, Workspace.of(self.settings, workspace))
        name = label if action == RELABEL else ""
        corrections.correct(chosen, [Mend(file=file, action=action, name=name, reason="") for file in sorted(files)])
        done = f"{plural(len(files), 'photo')} {DONE[action]}."
        more = "" if action == KEEP else " Train again to see what it brings; Undo all corrections is under Check."
        return {
            **self.grid.show(self.items(token, workspace, cell)),
            self.again: gr.Button(visible=True),
            self.said: answer_html(done + more),
        }

    def train_again(self, token: str | None, workspace: str, request: gr.Request | None = None) -> Updates:
        """Train as this run did, on its data as corrected by now."""
        found = opened(token, self.settings)
        visitor = Workspace.of(self.settings, workspace)
        chosen = data_of(RunPhotos.of(found.run), visitor)
        kept = found.run.facts.options
        options = {name: kept[name] for name in SETTINGS if name in kept} | {"data": chosen.choice}
        run, _ = starting.start(options, visitor, asker_of(request), self.spare)
        return {
            self.train.run: run.name,
            self.train.seen: NEW,
            self.tabs: gr.Tabs(selected="train"),
            self.choice: gr.Dropdown(visitor.choices(), value=chosen.choice),
        }
