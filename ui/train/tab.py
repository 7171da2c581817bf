"""The Train tab: the form on the left, the run on the right. The page only reads run folders; it trains nothing."""

from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.runs import queue
from tl_engine.runs.process import Spare
from tl_engine.runs.run import Run
from tl_engine.workspaces import start
from tl_engine.workspaces.workspace import Workspace, open_run, stoppable
from ui.parts.components import Updates, open_dropdown
from ui.parts.refusal import in_words
from ui.parts.run_label import label
from ui.parts.wording import QUIET
from ui.predict.tab import PredictTab
from ui.predict.tab import choices as classifier_choices
from ui.train.curves import run_curves
from ui.train.form import TrainForm
from ui.train.plot_files import file_stem
from ui.train.plots import accuracy_plot, loss_plot
from ui.train.run_view import EventReader, RunView, log_html, status_html, view
from ui.train.setting_controls import Component

MOST_BESIDE = 6  # runs laid over; more are a tangle
FIRST_POLL, POLL = 0.3, 1.0  # seconds, before and after the first event


class TrainTab:
    """Lays out the tab and connects it."""

    def __init__(
        self, settings: Settings, workspace: gr.BrowserState, reader: EventReader, spare: Spare | None = None
    ) -> None:
        self.settings = settings
        self.workspace = workspace
        self.reader = reader
        self.spare = spare
        with gr.Tab("Train", id="train") as self.tab, gr.Row():
            with gr.Column(scale=2, min_width=320):
                self.form = TrainForm(settings, workspace)
                with gr.Row():
                    self.go = gr.Button("Train", variant="primary", elem_id="go", scale=3)
                    self.halt = gr.Button("Stop", variant="stop", elem_id="halt", interactive=False, scale=1)
            with gr.Column(scale=3, min_width=320):
                self._run_side()
            self.timer = gr.Timer(POLL, active=False)
            self.seen = gr.Textbox(visible=False)  # the version of what is shown

    def _run_side(self) -> None:
        self.run = open_dropdown(
            [],
            value=None,
            label="Run",
            info="Yours and the host's, newest first.",
            elem_id="run",
        )
        self.status = gr.HTML(status_html(None), elem_id="status")
        with gr.Row(visible=False, elem_id="result") as self.result:
            self.use = gr.Button("Try it in Predict", variant="primary", elem_id="use")
            self.download = gr.DownloadButton("Download the classifier", elem_id="download")
        with gr.Row(elem_id="plots"):
            self.accuracy = gr.HTML(accuracy_plot([]), elem_id="accuracy", min_width=280)
            self.loss = gr.HTML(loss_plot([]), elem_id="loss", min_width=280)
        self.others = open_dropdown(
            [],
            value=[],
            multiselect=True,
            label="Lay over the validation curves of earlier runs",
            elem_id="others",
        )
        with gr.Accordion("Log", open=True):
            self.log = gr.HTML(log_html(None), elem_id="log")
        self.link = gr.Textbox(
            label="Link to this run", info="Whoever has it sees this run, on any device.", buttons=["copy"],
            interactive=False, visible=False, elem_id="link",
        )  # fmt: skip

    def connect(self, tabs: gr.Tabs, predict: PredictTab) -> None:
        """Wire buttons, timer and lists."""
        shown = self.shown
        chosen: list[Component] = [self.run, self.others, self.workspace]
        inputs: set[Any] = {*self.form.options.values(), self.form.preset, self.workspace}
        started = self.go.click(self.start_training, inputs, [self.run, self.seen, self.workspace],
                                api_visibility="private", concurrency_limit=4, concurrency_id="start")  # fmt: skip
        started.success(self.show_run, chosen, shown, **QUIET)
        self.halt.click(self.stop_run, [self.run, self.workspace], None, queue=False, api_visibility="private").then(
            self.show_run, chosen, shown, **QUIET
        )
        self.timer.tick(self.follow_run, [*chosen, self.seen], shown, **QUIET)
        gr.on([self.run.input, self.others.change], self.show_run, chosen, shown, **QUIET)
        self.run.change(self.link_run, self.run, self.link, **QUIET)

        @in_words
        def open_in_predict(token: str | None, workspace: str) -> Updates:
            """Go to Predict with this run's classifier chosen."""
            listed = classifier_choices(Workspace.of(self.settings, workspace), token or "")
            return {tabs: gr.Tabs(selected="predict"), predict.classifier: gr.Dropdown(choices=listed, value=token)}

        self.use.click(open_in_predict, [self.run, self.workspace], [tabs, predict.classifier], **QUIET)

    @property
    def shown(self) -> list[Any]:
        """What following a run updates."""
        return [self.status, self.accuracy, self.loss, self.log, self.result, self.download, self.halt, self.timer,
                self.seen, self.others, self.run]  # fmt: skip

    @in_words
    def start_training(self, values: Updates) -> Updates:
        """Start a training with the settings of the form."""
        options = {name: values[control] for name, control in self.form.options.items()}
        visitor = Workspace.of(self.settings, values[self.workspace])
        run, new = start.start(options, visitor, self.spare)
        if not new:
            gr.Info("Your training is still going on: this is it. Stop it to start another.")
        listed = gr.Dropdown(choices=self.run_choices(visitor), value=run.name)
        return {self.run: listed, self.seen: "", self.workspace: visitor.token}

    @in_words
    def stop_run(self, token: str | None, workspace: str) -> None:
        """Stop the run that is shown, if it is this visitor's."""
        if token:
            queue.stop(stoppable(token, self.settings, workspace), self.settings, self.spare)

    def show_run(self, token: str | None, others: list[str], workspace: str) -> Updates:
        """All of a run, whatever the page has shown before."""
        return self.follow_run(token, others, workspace, "")

    @in_words
    def follow_run(self, token: str | None, others: list[str], workspace: str, seen: str) -> Updates:
        """What changed since the version the page has; nothing at all if nothing did."""
        run = self._opened(token) if token else None
        shown = view(run, self.settings, self.reader) if run else None
        version = shown.version if shown else "none"
        if version == seen:
            return {self.seen: gr.skip()}
        visitor = Workspace.of(self.settings, workspace)
        beside = self._views([name for name in others or [] if name != token])
        ended = shown is not None and not shown.live
        lists = self._lists(visitor, token) if not seen or ended else {}
        return {**self._drawn(shown, beside), **self._buttons(shown, visitor), **lists, self.seen: version}

    def _drawn(self, shown: RunView | None, beside: list[RunView]) -> Updates:
        """The run in words and curves; files of the plots would double an answer that comes every second."""
        stem = file_stem(shown) if shown and not shown.live else ""
        return {
            self.status: status_html(shown),
            self.accuracy: accuracy_plot(run_curves(shown, beside, "accuracy"), stem),
            self.loss: loss_plot(run_curves(shown, beside, "loss"), stem),
            self.log: log_html(shown),
        }

    def _buttons(self, shown: RunView | None, visitor: Workspace) -> Updates:
        """What can be done with the run, and when to look again."""
        live = shown is not None and shown.live
        archive = start.packed(shown.run) if shown and not live else None
        first = shown is not None and not shown.events
        return {
            self.result: gr.Row(visible=archive is not None),
            self.download: gr.DownloadButton(value=str(archive) if archive else None),
            self.halt: gr.Button(interactive=bool(shown and live and visitor.owns(shown.run))),
            self.timer: gr.Timer(FIRST_POLL if first else POLL, active=live),
        }

    def _views(self, names: list[str]) -> list[RunView]:
        opened = [run for name in names[:MOST_BESIDE] if (run := self._opened(name))]
        return [view(run, self.settings, self.reader) for run in opened]

    def _lists(self, visitor: Workspace, token: str | None) -> Updates:
        """The runs to lay over and the runs to open, with their states of now."""
        listed = self.run_choices(visitor, token)
        beside = [pair for pair in listed if pair[1] != token]
        return {self.others: gr.Dropdown(choices=beside), self.run: gr.Dropdown(choices=listed)}

    def _opened(self, token: str) -> Run | None:
        try:
            return open_run(token, self.settings)
        except EngineError:
            return None

    def run_choices(self, visitor: Workspace, token: str | None = None) -> list[tuple[str, str]]:
        """(label, name) of the runs this visitor may see; the one of `token` too, whoever it belongs to."""
        listed = [(label(run), run.name) for run in visitor.runs()]
        if token and token not in [name for _, name in listed] and (run := self._opened(token)):
            listed = [(f"From a link, {label(run)}", token), *listed]
        return listed

    def restore_run(self, visitor: Workspace, asked: str | None) -> Updates:
        """The list of runs with the one of the link chosen, else the visitor's newest."""
        run = visitor.latest_run()
        if asked:
            try:
                run = open_run(asked, self.settings)
            except EngineError as error:
                gr.Warning(str(error))
        token = run.name if run else None
        return {self.run: gr.Dropdown(choices=self.run_choices(visitor, token), value=token)}

    def link_run(self, token: str | None, request: gr.Request) -> Any:
        """The link of the run that is shown."""
        origin = request.headers.get("origin") or f"http://{request.headers.get('host', '')}"
        return gr.Textbox(value=f"{origin}/?run={token}" if token else "", visible=bool(token))
