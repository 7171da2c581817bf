"""The Train tab: the form on the left, the run on the right. The page only reads run folders; it trains nothing."""

from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.runs.queue import stop
from tl_engine.runs.run import Run
from tl_engine.workspaces import start
from tl_engine.workspaces.workspace import open_run, owner_of, stoppable, visible_runs
from ui.parts.components import open_dropdown
from ui.parts.refusal import refused
from ui.parts.run_label import label
from ui.parts.wording import QUIET
from ui.predict.tab import PredictTab
from ui.predict.tab import choices as classifier_choices
from ui.train.curves import run_curves
from ui.train.form import TrainForm
from ui.train.plot_files import file_stem
from ui.train.plots import accuracy_plot, loss_plot
from ui.train.run_view import RunView, log_html, status_html, view
from ui.train.setting_controls import Component

MOST_BESIDE = 6  # runs laid over; more are a tangle
FIRST_POLL, POLL = 0.3, 1.0  # seconds, before and after the first event


class TrainTab:
    """Lays out the tab and connects it."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
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
        started = self.go.click(self.start, inputs, [self.run, self.seen, self.workspace],
                                api_visibility="private", concurrency_limit=4, concurrency_id="start")  # fmt: skip
        started.success(self.follow_anew, chosen, shown, **QUIET)
        self.halt.click(self.stop, [self.run, self.workspace], None, queue=False, api_visibility="private").then(
            self.follow_anew, chosen, shown, **QUIET
        )
        self.timer.tick(self.follow, [*chosen, self.seen], shown, **QUIET)
        gr.on([self.run.input, self.others.change], self.follow_anew, chosen, shown, **QUIET)
        self.run.change(self.address, self.run, self.link, **QUIET)
        target = [tabs, predict.classifier]
        self.use.click(self.use_in_predict, [self.run, self.workspace], target, **QUIET)

    @property
    def shown(self) -> list[Any]:
        """What following a run updates."""
        return [self.status, self.accuracy, self.loss, self.log, self.result, self.download, self.halt, self.timer,
                self.seen, self.others, self.run]  # fmt: skip

    def start(self, values: dict[Any, Any]) -> tuple[Any, str, str]:
        """Start a training with the settings of the form."""
        options = {name: values[control] for name, control in self.form.options.items()}
        try:
            owner = owner_of(values[self.workspace])
            run, new = start.start(options, self.settings, owner)
        except EngineError as error:
            raise refused(error) from None
        if not new:
            gr.Info("Your training is still going on: this is it. Stop it to start another.")
        return gr.Dropdown(choices=self.run_choices(owner), value=run.name), "", owner

    def stop(self, token: str | None, workspace: str) -> None:
        """Stop the run that is shown, if it is this visitor's."""
        try:
            if token:
                stop(stoppable(token, self.settings, owner_of(workspace)), self.settings)
        except EngineError as error:
            raise refused(error) from None

    def follow_anew(self, token: str | None, others: list[str], workspace: str) -> list[Any]:
        """All of a run, whatever the page has shown before."""
        return self.follow(token, others, workspace, "")

    def follow(self, token: str | None, others: list[str], workspace: str, seen: str) -> list[Any]:
        """What changed since the version the page has; nothing at all if nothing did."""
        run = self._opened(token) if token else None
        shown = view(run, self.settings) if run else None
        version = shown.version if shown else "none"
        if version == seen:
            return [gr.skip()] * len(self.shown)
        beside = self._views([name for name in others or [] if name != token])
        first = shown is not None and not shown.events
        ended = shown is not None and not shown.live
        archive = start.packed(shown.run) if shown and ended else None
        stem = (
            file_stem(shown) if shown and ended else ""
        )  # files double an answer, which comes every second until then
        return [
            status_html(shown),
            accuracy_plot(run_curves(shown, beside, "accuracy"), stem),
            loss_plot(run_curves(shown, beside, "loss"), stem),
            log_html(shown),
            gr.Row(visible=archive is not None),
            gr.DownloadButton(value=str(archive) if archive else None),
            gr.Button(interactive=bool(shown and shown.live and shown.run.facts.workspace == workspace)),
            gr.Timer(FIRST_POLL if first else POLL, active=bool(shown and shown.live)),
            version,
            *(self._lists(workspace, token) if not seen or ended else (gr.skip(), gr.skip())),
        ]

    def _views(self, names: list[str]) -> list[RunView]:
        opened = [run for name in names[:MOST_BESIDE] if (run := self._opened(name))]
        return [view(run, self.settings) for run in opened]

    def _lists(self, workspace: str, token: str | None) -> tuple[Any, Any]:
        """The runs to lay over and the runs to open, with their states of now."""
        listed = self.run_choices(workspace, token)
        beside = [pair for pair in listed if pair[1] != token]
        return gr.Dropdown(choices=beside), gr.Dropdown(choices=listed)

    def _opened(self, token: str) -> Run | None:
        try:
            return open_run(token, self.settings)
        except EngineError:
            return None

    def run_choices(self, workspace: str, token: str | None = None) -> list[tuple[str, str]]:
        """(label, name) of the runs this visitor may see; the one of `token` too, whoever it belongs to."""
        listed = [(label(run), run.name) for run in visible_runs(self.settings, workspace)]
        if token and token not in [name for _, name in listed] and (run := self._opened(token)):
            listed = [(f"From a link, {label(run)}", token), *listed]
        return listed

    def restored(self, workspace: str, asked: str | None) -> Any:
        """The list of runs with the one of the link chosen, else the visitor's newest."""
        run: Run | None = start.latest(self.settings, workspace)
        if asked:
            try:
                run = open_run(asked, self.settings)
            except EngineError as error:
                gr.Warning(str(error))
        token = run.name if run else None
        return gr.Dropdown(choices=self.run_choices(workspace, token), value=token)

    def address(self, token: str | None, request: gr.Request) -> Any:
        """The link of the run that is shown."""
        origin = request.headers.get("origin") or f"http://{request.headers.get('host', '')}"
        return gr.Textbox(value=f"{origin}/?run={token}" if token else "", visible=bool(token))

    def use_in_predict(self, token: str | None, workspace: str) -> tuple[Any, Any]:
        """Go to Predict with this run's classifier chosen."""
        listed = classifier_choices(self.settings, workspace, token or "")
        return gr.Tabs(selected="predict"), gr.Dropdown(choices=listed, value=token)
