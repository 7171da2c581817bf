"""The Report tab: how good, what it confuses, how sure, and what would help; read from the run, never computed here."""

import itertools
import time
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.evaluation import html
from tl_engine.evaluation.compare import compare
from tl_engine.evaluation.judged import has_judged, read_judged
from tl_engine.evaluation.report import failed_report, read_report
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.evaluation.sentences import headline
from tl_engine.jobs.worker import run_command, told
from tl_engine.runs import titles
from tl_engine.runs.process import Spare
from tl_engine.runs.run import Run
from tl_engine.workspaces.workspace import Workspace, open_run
from ui.parts.acting import act, answering, said_line
from ui.parts.components import Updates, open_dropdown
from ui.parts.refusal import in_words, problem_html
from ui.parts.wording import QUIET, text
from ui.report.numbers import TRAIN_FIRST, numbers_html
from ui.report.photos_view import PhotosView
from ui.report.saving import save_links
from ui.train.run_view import EventReader, view
from ui.train.tab import TrainTab

POLL = 1.0  # seconds between looks for a report that is being made
MADE_WITHIN = 120  # seconds after the end of a training in which its report is expected
MOST_MISTAKES = 12
MOST_OTHERS = 100  # trainings to compare with, the newest
MAKING = '<p class="tl-hint" role="status">The report is being made; that takes some seconds.</p>'
NOT_MADE = '<p class="tl-hint">There is no report of this training yet.</p>'
# A press on a number of the matrix opens its photos.
CELLS = (
    "element.addEventListener('click', (event) => { const cell = event.target.closest('[data-cell]'); "
    "if (cell) trigger('click', {cell: cell.dataset.cell}); });"
)


class ReportTab:
    """Lays out the tab; `connect` wires it to the page's current run."""

    def __init__(
        self, settings: Settings, workspace: gr.BrowserState, reader: EventReader, spare: Spare | None
    ) -> None:
        self.settings = settings
        self.workspace = workspace
        self.reader = reader
        with gr.Tab("Report", id="report") as self.tab:
            self.words = gr.HTML(TRAIN_FIRST, elem_id="report", padding=False)
            self.make = gr.Button("Make the report", visible=False, elem_id="make-report")
            self.said = said_line("report-said")
            with gr.Column(visible=False) as self.body:
                self.matrix = gr.HTML("", elem_id="report-matrix", padding=False, js_on_load=CELLS)
                self.photos = PhotosView(settings, workspace, spare)
                self.more = gr.HTML("", elem_id="report-more", padding=False)
                self.other = open_dropdown([], label="Compare with another training", elem_id="compare-with")
                self.compared = gr.HTML("", elem_id="compared", padding=False)
            with gr.Accordion("Epoch by epoch", open=False, visible=False, elem_id="by-epoch") as self.epochs:
                self.numbers = gr.HTML("", elem_id="report-epochs", padding=False)
            self.seen = gr.Textbox("", visible=False)
            self.timer = gr.Timer(POLL, active=False)

    @property
    def shown(self) -> list[Any]:
        """What another run, or a report that is there now, changes."""
        return [self.words, self.make, self.body, self.matrix, self.more, self.other, self.compared, self.epochs,
                self.numbers, self.seen, self.timer]  # fmt: skip

    def connect(self, run: Any, train: TrainTab, tabs: gr.Tabs, choice: gr.Dropdown) -> None:
        """Show the run whenever the tab is opened or another run is the page's."""
        here = [run, self.workspace]
        gr.on([self.tab.select, run.change], self.show_report, here, self.shown, trigger_mode="always_last", **QUIET)
        self.timer.tick(self.follow_report, [*here, self.seen], self.shown, **QUIET)
        self.make.click(answering(self.make_report, self.said), here, [*self.shown, self.said],
                        show_progress_on=self.said, api_visibility="private", concurrency_limit=2,
                        concurrency_id="report")  # fmt: skip
        act(self.other.input, self.compare_runs, [run, self.other], [self.compared], self.said)
        self.photos.connect(self.matrix, run, train, tabs, choice)

    @in_words
    def show_report(self, token: str | None, workspace: str) -> Updates:
        """All there is of a run, or what to do first."""
        return self.follow_report(token, workspace, "")

    @in_words
    def follow_report(self, token: str | None, workspace: str, seen: str) -> Updates:
        """What changed since the page looked last."""
        if not token:
            return self._without(TRAIN_FIRST, seen="none")
        try:
            run = open_run(token, self.settings)
        except EngineError as error:
            return self._without(problem_html(error), seen="none")
        shown, report = view(run, self.settings, self.reader), read_report(run)
        version = f"{run.name}:{len(shown.epochs)}:{shown.state}:{report is not None}"
        if version == seen:
            return {self.seen: gr.skip()}
        numbers = {self.numbers: numbers_html(shown), self.epochs: gr.Accordion(visible=bool(shown.epochs))}
        if report is None:
            return {**self._waiting(run, shown.live, bool(shown.epochs)), **numbers, self.seen: version}
        visitor = Workspace.of(self.settings, workspace)
        return {**self._drawn(run, report, visitor), **self._others(run, visitor), **numbers, self.seen: version}

    def _waiting(self, run: Run, live: bool, begun: bool) -> Updates:
        """No report: it is being made, or can be, or there is nothing to make it of."""
        reason, ended = failed_report(run), run.ended()
        expected = live or (ended is not None and ended.at is not None and time.time() - ended.at < MADE_WITHIN)
        can = not live and bool(read_judged(run.report))
        if reason and not live:
            words = f'<p role="status">{text(reason, 400)}</p>'
        elif live and not begun:
            words = TRAIN_FIRST
        else:
            words = MAKING if expected and (can or live) else NOT_MADE
        making = expected and not reason and (can or live)
        return {**self._without(words), self.make: gr.Button(visible=can and not making),
                self.timer: gr.Timer(POLL, active=making)}  # fmt: skip

    def _without(self, words: str, **seen: str) -> Updates:
        return {
            self.words: words,
            self.make: gr.Button(visible=False),
            self.body: gr.Column(visible=False),
            self.epochs: gr.Accordion(visible=False),
            self.timer: gr.Timer(POLL, active=False),
            **({self.seen: seen["seen"]} if seen else {}),
        }

    def _drawn(self, run: Run, report: dict[str, Any], visitor: Workspace) -> Updates:
        photos = RunPhotos.of(run)
        if not visitor.may_list(run):  # a link shows how good it is, and not whose faces it learnt from
            photos = photos.hidden()
        title = text(titles.title_of(run), 80)
        head = (
            f'<div class="tl-report"><h2>{title}: {headline(report)}</h2>'
            f"{html.sentences_html(report)}{save_links(run, report, photos)}"
            f"<h3>By class</h3>{html.classes_html(report)}</div>"
        )
        confusion = html.confusion_html(report, buttons=True)
        some = html.photos_html(report["gallery"], photos)
        mistakes = html.photos_html(report["mistakes"][:MOST_MISTAKES], photos)
        return {
            self.words: head,
            self.make: gr.Button(visible=False),
            self.body: gr.Column(visible=True),
            self.matrix: f'<div class="tl-report"><h3>What it confuses</h3>{confusion}</div>',
            self.more: f'<div class="tl-report"><h3>Worst mistakes</h3>{mistakes}<h3>Some of the photos</h3>{some}'
            f"{html.charts_html(report)}</div>",
            self.timer: gr.Timer(POLL, active=False),
        }

    def _others(self, run: Run, visitor: Workspace) -> Updates:
        """What it can be compared with; the one before it on the same photos first, and what came of that."""
        judged = (other for other in visitor.runs() if other.name != run.name and has_judged(other.report))
        others = list(itertools.islice(judged, MOST_OTHERS))
        called = titles.names(others)
        before = next((o for o in others if o.facts.created < run.facts.created and _same_data(o, run)), None)
        options, value = [(called[o.name], o.name) for o in others], before.name if before else None
        listed = gr.Dropdown(choices=options, value=value, visible=bool(others))
        return {self.other: listed, self.compared: self._compared(before, run) if before else ""}

    def compare_runs(self, token: str | None, other: str | None) -> Updates:
        """Which of the two is better, on the photos that judged both."""
        if not other:
            raise EngineError("Choose a training to compare this one with.")
        return {
            self.compared: self._compared(open_run(other, self.settings), open_run(token or "", self.settings)),
        }

    def _compared(self, before: Run, now: Run) -> str:
        try:
            found = compare(before, now, (RunPhotos.of(before), RunPhotos.of(now)))
        except EngineError as error:
            return f'<p class="tl-hint">{text(error, 300)}</p>'
        return (
            f'<div class="tl-report"><p>On the same {found["photos"]:,} photos the other had {found["right_a"]:,} '
            "right "
            f"and this one {found['right_b']:,}. {text(found['sentence'], 400)}</p></div>"
        )

    def make_report(self, token: str | None, workspace: str, progress: Any = gr.Progress()) -> Updates:  # noqa: B008
        """Make it now, in a process of its own."""
        run = open_run(token or "", self.settings)
        progress(0, desc="starting")
        folders = [("--data-dir", self.settings.data_dir), ("--cache-dir", self.settings.cache),
                   ("--runs", self.settings.runs), ("--weights-dir", self.settings.weights_dir)]  # fmt: skip
        given = [part for option, folder in folders if folder for part in (option, str(folder))]
        run_command("report", [run.name, "--again", *given], self.settings, lambda event: told(progress, event))
        return self.follow_report(token, workspace, "")


def _same_data(one: Run, other: Run) -> bool:
    return titles.title_of(one).split(",")[0] == titles.title_of(other).split(",")[0]
