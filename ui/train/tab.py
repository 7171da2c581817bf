"""The Train tab: press, follow, read the result; how it learns. The page reads run folders and trains nothing."""

import functools
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.classroom import starting
from tl_engine.runs import queue
from tl_engine.runs.find import classifier_of
from tl_engine.runs.process import Spare
from tl_engine.runs.run import OPEN_STATES, Run
from tl_engine.visits import turns
from tl_engine.workspaces import data_choices, start
from tl_engine.workspaces.workspace import Workspace, open_run, stoppable
from ui.gate.lanes import HALT, START
from ui.gate.persons import asker_of
from ui.parts.acting import act, answer_html, answering, said_line
from ui.parts.components import Updates
from ui.parts.refusal import in_words
from ui.parts.wording import QUIET, text
from ui.predict.classifiers import choices
from ui.sharing.take_away import TakeAway
from ui.train.curves import run_curves
from ui.train.form import TrainForm
from ui.train.lab import LabView
from ui.train.plot_files import file_stem
from ui.train.plots import accuracy_plot, loss_plot
from ui.train.run_view import DrawnOnce, EventReader, RunView, log_html, view
from ui.train.status import status_html

FIRST_POLL, POLL = 0.3, 1.0  # seconds, before and after the first event
NEW = "new:queued"  # seen of a run that was just started
GONE = '<div class="tl-status tl-problem" role="status"><p>This training is not here any more: train anew.</p></div>'
GOING = "Your training is still going on: this is it. Stop it to start another."


class TrainTab:
    """Lays out the tab; `connect` wires it to the page's data set and run."""

    def __init__(
        self, settings: Settings, workspace: gr.BrowserState, reader: EventReader, spare: Spare | None = None
    ) -> None:
        self.settings = settings
        self.workspace = workspace
        self.reader = reader
        self.spare = spare
        self.drawn: DrawnOnce[Updates] = DrawnOnce()
        with gr.Tab("Train", id="train") as self.tab:
            with gr.Row(elem_classes="tl-named"):
                self.about = gr.HTML("", elem_id="train-data")
                self.change = gr.Button("Other photos", size="sm", elem_id="other-photos", min_width=110, scale=0)
            with gr.Row(elem_classes="tl-buttons"):
                self.go = gr.Button("Train", variant="primary", elem_id="go", scale=3)
                self.halt = gr.Button("Stop", variant="stop", elem_id="halt", visible=False, scale=1)
                self.resume = gr.Button("Go on", elem_id="go-on", visible=False, scale=1, min_width=90)
            self.said = said_line("train-said")
            self._result()
            self.taken = TakeAway(settings, workspace)
            with gr.Accordion("How it learns", open=False, elem_id="how") as self.how:
                self.form = TrainForm(settings)
            self.lab = LabView(settings, workspace, spare)
            with gr.Accordion("Log", open=False, elem_id="log-box"):
                self.log = gr.HTML(log_html(None), elem_id="log")
            self.run = gr.Textbox("", visible=False)  # the page's current run
            self.timer = gr.Timer(POLL, active=False)
            self.seen = gr.Textbox(visible=False)  # the version of what is shown

    def _result(self) -> None:
        self.status = gr.HTML(status_html(None), elem_id="status")
        with gr.Row(visible=False, elem_id="result", elem_classes="tl-buttons") as self.result:
            self.use = gr.Button("Try it", variant="primary", elem_id="use", min_width=90)
            self.share = gr.Button("Share", elem_id="share-result", min_width=90)
            self.report = gr.Button("Report", elem_id="report-result", min_width=90)
            self.download = gr.DownloadButton("Download the classifier", elem_id="download", min_width=190)
        with gr.Row(elem_id="plots", visible=False) as self.plots:
            self.accuracy = gr.HTML(accuracy_plot([]), elem_id="accuracy", min_width=280)
            self.loss = gr.HTML(loss_plot([]), elem_id="loss", min_width=280)

    def connect(self, tabs: gr.Tabs, choice: gr.Dropdown, classifier: gr.Dropdown) -> None:
        """Wire buttons and timer; a classifier that was seen to be made becomes the page's."""
        self.tabs, self.choice, self.classifier = tabs, choice, classifier
        self.wire_start(self.go, self.said)
        chosen = [self.run, self.workspace]
        halted = act(self.halt.click, self.stop_run, chosen, [], self.said, **HALT)
        halted.then(self.show_run, chosen, self.shown, **QUIET)
        gone_on = act(self.resume.click, self.resume_run, chosen, [], self.said, **START)
        gone_on.then(self.show_run, chosen, self.shown, **QUIET)
        self.timer.tick(self.follow_run, [*chosen, self.seen], self.shown, **QUIET)
        self.run.change(self.show_run, chosen, self.shown, **QUIET)
        about = [choice, self.workspace]
        gr.on(
            [self.tab.select, choice.change], self.describe_data, about, self.about, trigger_mode="always_last", **QUIET
        )
        self.lab.connect(self.tab, choice, self.form.architecture)
        self.taken.connect(self.run)
        act(self.change.click, lambda: {tabs: gr.Tabs(selected="photos")}, None, [tabs], self.said)

    def wire_start(self, button: gr.Button, said: gr.HTML, *, example: bool = False) -> None:
        """Have a button train on the page's data set, or on the example, and show the result."""
        inputs: set[Any] = {*self.form.options.values(), self.form.preset, self.workspace, self.choice}
        started = button.click(
            answering(self.start_example if example else self.start_training, said), inputs,
            [self.run, self.seen, self.workspace, self.tabs, self.choice, *{self.said, said}],
            api_visibility="private", show_progress="minimal", show_progress_on=said, **START,
        )  # fmt: skip
        shown = started.then(self.follow_run, [self.run, self.workspace, self.seen], self.shown, **QUIET)
        shown.then(None, self.run, js="(run) => { if (run) window.tlShow('status'); }")

    @property
    def shown(self) -> list[Any]:
        """What following a run updates."""
        return [self.status, self.plots, self.accuracy, self.loss, self.log, self.result, self.download, self.halt,
                self.resume, self.timer, self.seen, self.classifier, self.taken.box, self.taken.file,
                self.taken.said]  # fmt: skip

    def start_training(self, values: Updates, request: gr.Request | None = None) -> Updates:
        """Start a training with the settings of the form."""
        return self._started(values, values[self.choice], request)

    def start_example(self, values: Updates, request: gr.Request | None = None) -> Updates:
        """The same on the example, whatever is chosen."""
        return self._started(values, data_choices.default_choice(self.settings), request)

    def _started(self, values: Updates, choice: str, request: gr.Request | None) -> Updates:
        options = {name: values[control] for name, control in self.form.options.items()} | {"data": choice}
        visitor = Workspace.of(self.settings, values[self.workspace])
        run, new = starting.start(options, visitor, asker_of(request), self.spare)
        return {
            self.run: run.name,
            self.seen: NEW,
            self.workspace: visitor.token,
            self.tabs: gr.Tabs(selected="train"),
            self.choice: gr.Dropdown(visitor.choices(), value=choice),
            self.said: "" if new else answer_html(GOING),
        }

    def stop_run(self, token: str | None, workspace: str) -> Updates:
        """Stop the run that is shown, if it is this visitor's."""
        if not token:
            raise EngineError("No training is shown: there is nothing to stop.")
        queue.stop(stoppable(token, self.settings, workspace), self.settings, self.spare)
        return {}

    def resume_run(self, token: str | None, workspace: str, request: gr.Request | None = None) -> Updates:
        """Go on with the run that is shown, if it is this visitor's."""
        if not token:
            raise EngineError("No training is shown: there is nothing to go on with.")
        turns.go_on(token, Workspace.of(self.settings, workspace), asker_of(request), self.spare)
        return {}

    @in_words
    def describe_data(self, choice: str | None, workspace: str) -> str:
        """The page's data set in one line."""
        chosen = Workspace.of(self.settings, workspace).find(choice)
        return f"<p>Learns from <b>{text(chosen.title if chosen else 'nothing yet', 60)}</b></p>"

    def show_run(self, token: str | None, workspace: str) -> Updates:
        """All of a run, whatever the page has shown before."""
        return self.follow_run(token, workspace, "")

    @in_words
    def follow_run(self, token: str | None, workspace: str, seen: str) -> Updates:
        """What changed since the version the page has; nothing at all if nothing did."""
        run = self.opened(token) if token else None
        shown = view(run, self.settings, self.reader) if run else None
        version = shown.version if shown else f"gone:{token}" if token else "none"
        if version == seen:
            return {self.seen: gr.skip()}
        visitor = Workspace.of(self.settings, workspace)
        made = self._made(shown, visitor, seen) if shown else {}
        draw = functools.partial(self._drawn, shown)
        drawn = self.drawn.of(version, draw) if seen else draw()  # who opens the page is told the time of now
        buttons = {} if shown and _same_buttons(shown, seen) else self._buttons(shown, visitor)
        gone = {self.status: GONE} if token and not shown else {}
        return {**drawn, **buttons, **made, **gone, self.seen: version}

    def _made(self, shown: RunView, visitor: Workspace, seen: str) -> Updates:
        """A run that was open at the last look and has a classifier now: it is what Predict goes on with."""
        before = seen.split(":")[1:2]
        if shown.live or before not in [[state] for state in OPEN_STATES] or classifier_of(shown.run) is None:
            return {}
        return {self.classifier: gr.Dropdown(choices=choices(visitor, shown.run.name), value=shown.run.name)}

    def _drawn(self, shown: RunView | None) -> Updates:
        """The run in words and curves; files of the plots would double an answer that comes every second."""
        stem = file_stem(shown) if shown and not shown.live else ""
        return {
            self.status: status_html(shown),
            self.plots: gr.Row(visible=bool(shown and shown.epochs)),
            self.accuracy: accuracy_plot(run_curves(shown, [], "accuracy"), stem),
            self.loss: loss_plot(run_curves(shown, [], "loss"), stem),
            self.log: log_html(shown),
        }

    def _buttons(self, shown: RunView | None, visitor: Workspace) -> Updates:
        """What can be done with the run, and when to look again."""
        live = shown is not None and shown.live
        archive = start.packed(shown.run) if shown and not live else None
        first = shown is not None and not shown.events
        return {
            **self.taken.show(shown.run if shown and archive else None),
            self.result: gr.Row(visible=archive is not None),
            self.download: gr.DownloadButton(value=str(archive) if archive else None),
            self.halt: gr.Button(visible=bool(shown and live and visitor.owns(shown.run))),
            self.resume: gr.Button(visible=bool(shown and shown.resumable and visitor.owns(shown.run))),
            self.timer: gr.Timer(FIRST_POLL if first else POLL, active=live),
        }

    def opened(self, token: str) -> Run | None:
        """The run of that name, if it is there."""
        try:
            return open_run(token, self.settings)
        except EngineError:
            return None


def _same_buttons(shown: RunView, seen: str) -> bool:
    """Whether a page that saw that version has the right buttons still: the same run went on with what it does."""
    run, state, events = [*seen.split(":"), "", "", ""][:3]
    return shown.live and (run, state) == (shown.run.name, shown.state) and events not in ("", "0")
