"""Checking: the data report with its findings as thumbnails, and a button to mend each; every mend can be undone."""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.names import printable
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural
from tl_engine.data.mends import DROP, KEEP, RELABEL, Located, Mend
from tl_engine.inspection.findings import Report
from tl_engine.inspection.remedies import keep_one_of_each, relabel_surest
from tl_engine.jobs.worker import run_command, told
from tl_engine.workspaces import corrections
from tl_engine.workspaces.chosen import Chosen, last_change
from tl_engine.workspaces.workspace import Workspace
from ui.parts.acting import act, answer_html, answering, said_line
from ui.parts.components import Updates
from ui.parts.photo_grid import Item, PhotoGrid, names
from ui.parts.wording import text
from ui.photos.check_words import doubtful_items, is_uneven, odd_items, report_html, twin_items, undo_button

KEPT = 64  # reports in memory; the engine keeps all of them on disk
CHECKS = 2  # at once
LABEL = "Check for mistakes"
NOT_YET = '<p class="tl-hint">Finds unreadable files, duplicates, doubtful labels and more, with a remedy each.</p>'


class Reports:
    """The last report of each visitor's data sets, for the buttons below it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Path, tuple[Report, int]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, chosen: Chosen, report: Report, changed: int) -> None:
        """Remember it as the newest, of a data set that last changed then."""
        with self._lock:
            self._kept[chosen.mends_file] = report, changed
            self._kept.move_to_end(chosen.mends_file)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def last(self, chosen: Chosen) -> tuple[Report | None, int]:
        """The report that the page shows, if this server made it, and when its data set had last changed."""
        with self._lock:
            return self._kept.get(chosen.mends_file, (None, 0))


class CheckView:
    """Lays out the view, closed until somebody checks; `connect` wires it to the list of data sets."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        self.reports = Reports()
        with gr.Accordion(LABEL, open=False, elem_id="check-box") as self.box:
            self.go = gr.Button("Check this data set", variant="primary", elem_id="check")
            self.said = said_line("check-said")
            self.summary = gr.HTML(NOT_YET, elem_id="check-report")
            with gr.Column(visible=False, elem_id="even") as self.even:
                self.weigh = gr.Button("Weigh rare classes more in training", elem_id="weigh")
            with gr.Column(visible=False, elem_id="labels-box") as self.doubts:
                gr.Markdown("### Labels that look wrong\nA wrong label teaches the wrong thing. Click those you mean.")
                self.labels = PhotoGrid(
                    settings, "The most suspicious first: its label, and what it looks like", "doubtful"
                )
                with gr.Row():
                    self.surest = gr.Button("Relabel the surely wrong", size="sm", elem_id="relabel-surest")
                    self.relabel = gr.Button("Relabel the marked as suggested", size="sm", elem_id="relabel")
                    self.drop = gr.Button("Leave the marked out", size="sm", elem_id="drop")
                    self.keep = gr.Button("The marked are right", size="sm", elem_id="right")
            with gr.Column(visible=False, elem_id="twins-box") as self.twins:
                gr.Markdown(
                    "### The same photo twice\nOn both sides of the split it makes a result look better than it is; "
                    "in one class it counts again."
                )
                self.pairs = PhotoGrid(settings, "Photos that are there more than once, side by side", "twins")
                self.one = gr.Button("Keep one of each, on one side", size="sm", elem_id="one-of-each")
            with gr.Column(visible=False, elem_id="odd-box") as self.odd:
                gr.Markdown("### Odd and tiny pictures\nA placeholder or a blur says nothing about its class.")
                self.few = PhotoGrid(settings, "Odd and tiny pictures", "odd")
                self.out = gr.Button("Leave the marked out, or all if none is", size="sm", elem_id="odd-out")
            self.undo = gr.Button("Undo all corrections", visible=False, size="sm", elem_id="undo")

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        grids = [*self.labels.shown, *self.pairs.shown, *self.few.shown]
        return [self.box, self.summary, self.even, self.doubts, self.twins, self.odd, self.undo, *grids]

    def connect(self, choice: gr.Dropdown, class_weights: Any) -> None:
        """Wire the buttons, and `class_weights`, the setting of training that one of them changes."""
        here = [choice, self.workspace]
        self.go.click(answering(self.check_data, self.said), here, [*self.shown, self.workspace, self.said],
                      show_progress_on=self.said, api_visibility="private", concurrency_limit=CHECKS,
                      concurrency_id="check")  # fmt: skip
        for grid, items in ((self.labels, doubtful_items), (self.pairs, twin_items), (self.few, odd_items)):
            grid.connect(self._listing(items), here, self.said)
        for button, action in ((self.relabel, RELABEL), (self.drop, DROP), (self.keep, KEEP)):
            act(button.click, functools.partial(self.judge_marked, action), [*here, self.labels.marked], self.shown,
                self.said)  # fmt: skip
        act(self.surest.click, self.relabel_surest, here, self.shown, self.said)
        act(self.one.click, self.keep_one_of_each, here, self.shown, self.said)
        act(self.out.click, self.drop_odd, [*here, self.few.marked], self.shown, self.said)
        act(self.undo.click, self.undo_corrections, here, self.shown, self.said)
        act(self.weigh.click, functools.partial(self.weigh_classes, class_weights), None, [class_weights], self.said)

    def _chosen(self, choice: str | None, workspace: str) -> Chosen:
        return Workspace.of(self.settings, workspace).data(choice)

    def _listing(self, items: Callable[[Report, Located], list[Item]]) -> Callable[[str | None, str], list[Item]]:
        return lambda choice, workspace: items(*self.found(self._chosen(choice, workspace)))

    def check_data(self, choice: str | None, workspace: str, progress: Any = gr.Progress()) -> Updates:  # noqa: B008
        """Make the report, in a process of its own."""
        visitor = Workspace.of(self.settings, workspace)
        chosen = visitor.data(choice)
        changed = last_change(chosen.located().root)
        data = corrections.frozen(chosen)
        progress(0, desc="starting")
        folders = ["--data-dir", str(self.settings.data_dir), "--cache-dir", str(self.settings.cache)]
        weights = ["--weights-dir", str(self.settings.weights_dir)] if self.settings.weights_dir else []
        answer = run_command(
            "inspect", ["--data", data, *folders, *weights], self.settings, lambda e: told(progress, e)
        )
        self.reports.keep(chosen, Report.from_dict(answer), changed)
        return {**self.show(chosen), self.workspace: visitor.token}

    def show(self, chosen: Chosen | None) -> Updates:
        """The report as it is known, without what was corrected since."""
        if chosen is None:
            return self._without_findings(NOT_YET, gr.Button(visible=False))
        try:
            report, mends = self.found(chosen)
        except EngineError as error:
            known, _ = self.reports.last(chosen)
            words = NOT_YET if known is None else f'<p role="alert">{text(error, 300)}</p>'
            return self._without_findings(words, undo_button(chosen))
        stale = last_change(mends.root) != self.reports.last(chosen)[1]
        doubts, twins, odd = (items(report, mends) for items in (doubtful_items, twin_items, odd_items))
        waiting = len(doubts) + len(twins) + len(odd)
        return {
            self.box: gr.Accordion(f"{LABEL}: {waiting} found" if waiting else f"{LABEL}: none found"),
            self.summary: report_html(report, mends, stale),
            self.even: gr.Column(visible=is_uneven(report)),
            self.doubts: gr.Column(visible=bool(doubts)),
            self.twins: gr.Column(visible=bool(twins)),
            self.odd: gr.Column(visible=bool(odd)),
            self.undo: undo_button(chosen),
            **self._grids(doubts, twins, odd),
        }

    def _without_findings(self, words: str, undo: gr.Button) -> Updates:
        hidden = {column: gr.Column(visible=False) for column in (self.even, self.doubts, self.twins, self.odd)}
        return {
            self.box: gr.Accordion(LABEL),
            self.summary: words,
            **hidden,
            self.undo: undo,
            **self._grids([], [], []),
        }

    def _grids(self, doubts: list[Item], twins: list[Item], odd: list[Item]) -> Updates:
        return {**self.labels.show(doubts), **self.pairs.show(twins), **self.few.show(odd)}

    def found(self, chosen: Chosen) -> tuple[Report, Located]:
        """The last report, and what was corrected in which folder. Raises EngineError."""
        report, _ = self.reports.last(chosen)
        if report is None:
            raise EngineError("The report is not at hand any more: press Check this data set again.")
        if chosen.described() is None:
            raise EngineError("This data set is not here any more: choose another.")
        return report, chosen.located()

    def judge_marked(self, action: str, choice: str | None, workspace: str, marked: str) -> Updates:
        """Relabel, leave out or approve the marked ones."""
        chosen = self._chosen(choice, workspace)
        report, _ = self.found(chosen)
        meant = [s for s in report.suspicious_labels if printable(s["file"]) in names(marked)]
        if not meant:
            raise EngineError("No photo is marked: click the ones you mean first.")
        reason = "its label looked wrong" if action == DROP else ""
        mends = [Mend(file=s["file"], action=action, name=s["suggested"] if action == RELABEL else "", reason=reason)
                 for s in meant]  # fmt: skip
        corrections.correct(chosen, mends)
        return self.show(chosen)

    def relabel_surest(self, choice: str | None, workspace: str) -> Updates:
        """Relabel what is surely wrong."""
        chosen = self._chosen(choice, workspace)
        mends = relabel_surest(*self.found(chosen))
        if not mends:
            raise EngineError("None of them is surely wrong: look at each, and mark those you mean.")
        corrections.correct(chosen, mends)
        words = f"{plural(len(mends), 'photo')} relabelled; the others are for you to judge."
        return {**self.show(chosen), self.said: answer_html(words)}

    def keep_one_of_each(self, choice: str | None, workspace: str) -> Updates:
        """Keep one photo of each group of duplicates."""
        chosen = self._chosen(choice, workspace)
        corrections.correct(chosen, keep_one_of_each(*self.found(chosen)))
        return self.show(chosen)

    def drop_odd(self, choice: str | None, workspace: str, marked: str) -> Updates:
        """Leave odd and tiny pictures out: the marked ones, or all."""
        chosen = self._chosen(choice, workspace)
        report, known = self.found(chosen)
        items = odd_items(report, known)
        wanted = names(marked) or {item.file for item in items}
        files = [item.path.relative_to(known.root).as_posix() for item in items if item.file in wanted]
        corrections.correct(chosen, [Mend(file=file, action=DROP, reason="odd or tiny") for file in files])
        return self.show(chosen)

    def undo_corrections(self, choice: str | None, workspace: str) -> Updates:
        """Forget all corrections of this data set."""
        chosen = self._chosen(choice, workspace)
        corrections.undo(chosen)
        return self.show(chosen)

    def weigh_classes(self, class_weights: Any) -> Updates:
        """Have the next training weigh rare classes more."""
        return {class_weights: True, self.said: answer_html("Training will weigh rare classes more.")}
