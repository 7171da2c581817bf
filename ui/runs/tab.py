"""The Runs tab: all runs a visitor may see; open one, lay curves over each other, rename, delete."""

from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.names import TITLE_LENGTH
from tl_engine.base.settings import Settings
from tl_engine.base.words import clock
from tl_engine.runs import titles
from tl_engine.runs.run import Run
from tl_engine.workspaces import forget
from tl_engine.workspaces.workspace import Workspace, open_run
from ui.parts.acting import act, answer_html, said_line
from ui.parts.components import Updates, open_radio
from ui.parts.confirm import Confirm
from ui.parts.refusal import in_words
from ui.parts.wording import QUIET, STATE_WORDS
from ui.predict.classifiers import choices
from ui.train.curves import run_curves
from ui.train.plots import accuracy_plot, loss_plot
from ui.train.run_view import EventReader, view

MOST_LISTED = 60  # runs, the newest; a longer list helps nobody
MOST_BESIDE = 6  # curves laid over; more are a tangle
NONE_YET = "No training yet: bring photos and press Train."
PICK = "Pick a training in the list first."


class RunsTab:
    """Lays out the tab; `connect` wires it to the page's current run."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState, reader: EventReader) -> None:
        self.settings = settings
        self.workspace = workspace
        self.reader = reader
        with gr.Tab("Runs", id="runs") as self.tab:
            self.none = gr.HTML(f'<p class="tl-hint">{NONE_YET}</p>', padding=False)
            self.list = open_radio(label="Trainings, the newest first", elem_id="runs-list", visible=False)
            with gr.Row(elem_classes="tl-buttons"):
                self.open = gr.Button("Open", variant="primary", elem_id="open-run", min_width=80)
                self.try_it = gr.Button("Try it", elem_id="try-run", min_width=80)
            with gr.Row(elem_classes="tl-named"):
                self.title = gr.Textbox(label="New name", max_length=TITLE_LENGTH, elem_id="run-title", scale=3)
                self.rename = gr.Button("Rename", size="sm", elem_id="rename-run", scale=1, min_width=90)
            self.delete = Confirm("Delete this training", "delete-run")
            self.said = said_line("runs-said")
            with gr.Accordion("Lay curves over each other", open=False, elem_id="lay-over"):
                self.beside = gr.CheckboxGroup([], label="Validation curves of", elem_id="others")
                self.beside.preprocess = lambda payload: payload if isinstance(payload, list) else []  # type: ignore[method-assign]
                with gr.Row(visible=False) as self.plots:
                    self.accuracy = gr.HTML(accuracy_plot([]), elem_id="accuracy-beside", min_width=280)
                    self.loss = gr.HTML(loss_plot([]), elem_id="loss-beside", min_width=280)

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        return [self.none, self.list, self.beside, self.plots]

    def show(self, visitor: Workspace, token: str | None) -> Updates:
        """The list of now, with the page's run chosen."""
        runs = self._listed(visitor, token)
        named = titles.names(runs)
        listed = [(_row(run, named[run.name], visitor), run.name) for run in runs]
        return {
            self.none: gr.HTML(visible=not runs),
            self.list: gr.Radio(choices=listed, value=token if token in named else None, visible=bool(runs)),
            self.beside: gr.CheckboxGroup(choices=[(named[run.name], run.name) for run in runs], value=[]),
            self.plots: gr.Row(visible=False),
        }

    def _listed(self, visitor: Workspace, token: str | None) -> list[Run]:
        runs = visitor.runs()[:MOST_LISTED]
        try:
            linked = open_run(token, self.settings) if token else None
        except EngineError:
            linked = None
        return [linked, *runs] if linked and linked not in runs else runs

    def connect(self, tabs: gr.Tabs, run: Any, classifier: gr.Dropdown) -> None:
        """Wire the list; `run` and `classifier` are the page's current ones."""
        self.tabs, self.run, self.classifier = tabs, run, classifier
        here = [self.workspace, self.list]
        self.tab.select(self.list_runs, [self.workspace, run], self.shown, **QUIET)
        act(self.open.click, self.open_run, [self.list], [tabs, run], self.said)
        act(self.try_it.click, self.try_run, here, [tabs, run, classifier], self.said)
        act([self.rename.click, self.title.submit], self.rename_run, [*here, self.title],
            [*self.shown, self.title], self.said)  # fmt: skip
        self.delete.connect(self.about_to_delete, [self.list], self.said)
        act(self.delete.yes.click, self.delete_run, [*here, run], [*self.shown, run, *self.delete.shown], self.said)
        act(self.beside.change, self.lay_over, [self.workspace, self.beside, run],
            [self.plots, self.accuracy, self.loss], self.said)  # fmt: skip

    @in_words
    def list_runs(self, workspace: str, token: str) -> Updates:
        """The runs of now."""
        return self.show(Workspace.of(self.settings, workspace), token)

    def open_run(self, name: str) -> Updates:
        """Make it the page's run and show its result."""
        return {self.tabs: gr.Tabs(selected="train"), self.run: self._picked(name).name}

    def try_run(self, workspace: str, name: str) -> Updates:
        """Make its classifier the page's, and go where it is tried."""
        run = self._picked(name)
        listed = choices(Workspace.of(self.settings, workspace), run.name)
        if run.name not in [value for _, value in listed]:
            raise EngineError("No epoch of this training had ended, so it has no classifier.")
        chosen = gr.Dropdown(choices=listed, value=run.name)
        return {self.tabs: gr.Tabs(selected="predict"), self.run: run.name, self.classifier: chosen}

    def rename_run(self, workspace: str, name: str, title: str) -> Updates:
        """Call a training of one's own something else."""
        visitor, run = Workspace.of(self.settings, workspace), self._picked(name)
        if not visitor.owns(run):
            raise EngineError("This training is not yours: only who started it renames it.")
        titles.rename(run, title)
        return {
            **self.show(visitor, name),
            self.title: "",
            self.said: answer_html(f"It is called {titles.title_of(run)} now."),
        }

    def about_to_delete(self, name: str) -> str:
        """The question before a training goes."""
        run = self._picked(name)
        return f"Delete {titles.title_of(run)} of {clock(run.facts.created)} with its classifier for good?"

    def delete_run(self, workspace: str, name: str, current: str) -> Updates:
        """Delete a training of one's own."""
        visitor = Workspace.of(self.settings, workspace)
        title = titles.title_of(self._picked(name))
        forget.delete_run(visitor, name)
        token = "" if current == name else current
        said = answer_html(f"{title} is deleted.")
        return {**self.show(visitor, token), self.run: token, **self.delete.closed(), self.said: said}

    def lay_over(self, workspace: str, names: list[Any], token: str) -> Updates:
        """The validation curves of the runs that are ticked."""
        visitor = Workspace.of(self.settings, workspace)
        listed = self._listed(visitor, token)
        named = titles.names(listed)
        chosen = [run for run in listed if run.name in names][:MOST_BESIDE]
        views = [(named[run.name], view(run, self.settings, self.reader)) for run in chosen]
        return {
            self.plots: gr.Row(visible=bool(views)),
            self.accuracy: accuracy_plot(run_curves(None, views, "accuracy")),
            self.loss: loss_plot(run_curves(None, views, "loss")),
        }

    def _picked(self, name: str) -> Run:
        if not name:
            raise EngineError(PICK)
        return open_run(name, self.settings)


def _row(run: Run, name: str, visitor: Workspace) -> str:
    """A run in the list: what it is called, how it went, when, whose."""
    result = titles.result_words(run)
    outcome = STATE_WORDS[run.state()].lower() + (f", {result}" if result else "")
    whose = "" if visitor.owns(run) else ", the host's" if run.facts.workspace is None else ", from a link"
    return f"{name}: {outcome}, {clock(run.facts.created)}{whose}"
