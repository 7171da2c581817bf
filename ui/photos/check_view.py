"""Checking: the data report with its findings as thumbnails, and a button to mend each; every mend can be undone."""

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
from tl_engine.base.written import AUTO
from tl_engine.data.mends import DROP, KEEP, RELABEL, Located, Mend
from tl_engine.inspection.advice import UNEVEN
from tl_engine.inspection.findings import Report
from tl_engine.inspection.remedies import keep_one_of_each
from tl_engine.workspaces import corrections
from tl_engine.workspaces.worker import run_command, told
from tl_engine.workspaces.workspace import owner_of
from ui.parts.data_table import counts_table, findings_html
from ui.parts.photo_grid import Item, PhotoGrid, names
from ui.parts.refusal import in_words
from ui.parts.wording import QUIET, text

KEPT = 64  # reports in memory; the engine keeps all of them on disk
CHECKS = 2  # at once
NOT_YET = '<p class="tl-hint">Finds unreadable files, duplicates, doubtful labels and more, with a remedy each.</p>'


class Reports:
    """The last report of each visitor's data sets, for the buttons below it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[Report, int]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, workspace: str, choice: str, report: Report, changed: int) -> None:
        """Remember it as the newest, of a data set that last changed then."""
        with self._lock:
            self._kept[workspace, choice] = report, changed
            self._kept.move_to_end((workspace, choice))
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def last(self, workspace: str, choice: str | None) -> tuple[Report | None, int]:
        """The report that the page shows, if this server made it, and when its data set had last changed."""
        with self._lock:
            return self._kept.get((workspace, choice or ""), (None, 0))


class CheckView:
    """Lays out the view; `connect` wires it to the list of data sets and to the form of the Train tab."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        self.reports = Reports()
        self.go = gr.Button("Check this data set", variant="primary", elem_id="check")
        self.summary = gr.HTML(NOT_YET, elem_id="report")
        with gr.Column(visible=False, elem_id="even") as self.even:
            self.weigh = gr.Button("Weigh rare classes more in training", elem_id="weigh")
        with gr.Column(visible=False, elem_id="labels-box") as self.doubts:
            gr.Markdown("### Labels that look wrong\nA wrong label teaches the wrong thing. Click those you mean.")
            self.labels = PhotoGrid(
                settings, "The most suspicious first: its label, and what it looks like", "doubtful"
            )
            with gr.Row():
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
        """What `show` gives values for."""
        grids = [*self.labels.shown, *self.pairs.shown, *self.few.shown]
        return [self.summary, self.even, self.doubts, self.twins, self.odd, self.undo, *grids]

    def connect(self, choice: gr.Dropdown, class_weights: Any) -> None:
        """Wire the buttons."""
        here = [choice, self.workspace]
        self.go.click(self.check, here, [*self.shown, self.workspace], show_progress_on=self.summary,
                      api_visibility="private", concurrency_limit=CHECKS, concurrency_id="check")  # fmt: skip
        self.labels.connect(lambda *at: self.doubtful(*self.found(*at)), here)
        self.pairs.connect(lambda *at: self.same(*self.found(*at)), here)
        self.few.connect(lambda *at: self.unlike(*self.found(*at)), here)
        for button, action in ((self.relabel, RELABEL), (self.drop, DROP), (self.keep, KEEP)):
            button.click(self._judging(action), [*here, self.labels.marked], self.shown, **QUIET)
        self.one.click(self.deduplicated, here, self.shown, **QUIET)
        self.out.click(self.left_out, [*here, self.few.marked], self.shown, **QUIET)
        self.undo.click(self.undone, here, self.shown, **QUIET)
        self.weigh.click(_weighed, None, class_weights, **QUIET)

    @in_words
    def check(self, choice: str | None, workspace: str, progress: Any = gr.Progress()) -> list[Any]:  # noqa: B008
        """Make the report, in a process of its own."""
        owner = owner_of(workspace)
        changed = corrections.stamp(corrections.located(choice or "", self.settings, owner).root)
        data = corrections.frozen(choice or "", self.settings, owner)
        progress(0, desc="starting")
        folders = ["--data-dir", str(self.settings.data_dir), "--cache-dir", str(self.settings.cache)]
        weights = ["--weights-dir", str(self.settings.weights_dir)] if self.settings.weights_dir else []
        answer = run_command(
            "inspect", ["--data", data, *folders, *weights], self.settings, lambda e: told(progress, e)
        )
        self.reports.keep(owner, choice or "", Report.from_dict(answer), changed)
        return [*self.show(choice, owner), owner]

    @in_words
    def show(self, choice: str | None, workspace: str) -> list[Any]:
        """The report as it is known, without what was corrected since."""
        try:
            report, mends, folder = self.found(choice, workspace)
        except EngineError as error:
            known, _ = self.reports.last(workspace, choice)
            words = NOT_YET if known is None else f'<p role="alert">{text(error, 300)}</p>'
            undo = self._undo_button(choice, workspace)
            return [words, *[gr.Column(visible=False)] * 4, undo, *self._grids([], [], [])]
        stale = corrections.stamp(mends.root) != self.reports.last(workspace, choice)[1]
        items = [kind(report, mends, folder) for kind in (self.doubtful, self.same, self.unlike)]
        totals = [sum(splits.values()) for splits in report.classes.values()]
        uneven = max(totals) >= UNEVEN * max(1, min(totals))
        columns = [gr.Column(visible=uneven), *(gr.Column(visible=bool(found)) for found in items)]
        return [report_html(report, mends, stale), *columns, self._undo_button(choice, workspace), *self._grids(*items)]

    def _grids(self, *items: list[Item]) -> list[Any]:
        grids = (self.labels, self.pairs, self.few)
        return [value for grid, found in zip(grids, items, strict=True) for value in grid.show(found)]

    def _undo_button(self, choice: str | None, workspace: str) -> Any:
        try:
            own = corrections.located(choice or "", self.settings, workspace)
        except EngineError:  # corrections that cannot be read can be undone too
            return gr.Button("Undo all corrections", visible=True)
        number = f" ({plural(len(own.mends), 'photo')})" if own.mends else ""
        return gr.Button(f"Undo all corrections{number}", visible=bool(own.mends) or own.layout != AUTO)

    def found(self, choice: str | None, workspace: str) -> tuple[Report, Located, Path]:
        """The last report, what was corrected, and the folder, for those who list photos. Raises EngineError."""
        owner = owner_of(workspace)
        report, _ = self.reports.last(owner, choice)
        if report is None or choice is None:
            raise EngineError("The report is not at hand any more: press Check this data set again.")
        data = corrections.described(choice, self.settings, owner)
        if data is None:
            raise EngineError("This data set is not here any more: choose another.")
        return report, corrections.located(choice, self.settings, owner), data.root

    @staticmethod
    def doubtful(report: Report, mends: Located, folder: Path) -> list[Item]:
        """Suspicious labels nobody has judged yet."""
        judged = {mend.file for mend in mends.mends}
        return [
            Item(folder / s["file"], printable(s["file"]), f"{s['label']} → {s['suggested']}? {s['score']:.2f}")
            for s in report.suspicious_labels
            if s["file"] not in judged
        ]

    @staticmethod
    def same(report: Report, mends: Located, folder: Path) -> list[Item]:
        """Duplicates, group by group, where more than one is still in."""
        gone = {mend.file for mend in mends.mends if mend.action == DROP}
        items: list[Item] = []
        for number, group in enumerate(report.duplicates, start=1):
            left = [file for file in group.files if file not in gone]
            shown = left if len(left) > 1 else []
            items += [Item(folder / file, printable(file), f"{number}: {printable(file)}") for file in shown]
        return items

    @staticmethod
    def unlike(report: Report, mends: Located, folder: Path) -> list[Item]:
        """Odd and tiny pictures that are still in."""
        judged = {mend.file for mend in mends.mends}
        files = {finding["file"]: finding["reason"] for finding in (*report.odd, *report.tiny)}
        return [
            Item(folder / file, printable(file), printable(Path(file).name)) for file in files if file not in judged
        ]

    def _judging(self, action: str) -> Callable[[str | None, str, str], list[Any]]:
        return lambda choice, workspace, marked: self.judged(action, choice, workspace, marked)

    @in_words
    def judged(self, action: str, choice: str | None, workspace: str, marked: str) -> list[Any]:
        """Relabel, leave out or approve the marked ones."""
        report, _, _ = self.found(choice, workspace)
        chosen = [s for s in report.suspicious_labels if printable(s["file"]) in names(marked)]
        if not chosen:
            raise EngineError("No photo is marked: click the ones you mean first.")
        reason = "its label looked wrong" if action == DROP else ""
        mends = [Mend(file=s["file"], action=action, name=s["suggested"] if action == RELABEL else "", reason=reason)
                 for s in chosen]  # fmt: skip
        corrections.correct(choice or "", mends, self.settings, workspace)
        return self.show(choice, workspace)

    @in_words
    def deduplicated(self, choice: str | None, workspace: str) -> list[Any]:
        """Keep one photo of each group of duplicates."""
        report, mends, _ = self.found(choice, workspace)
        corrections.correct(choice or "", keep_one_of_each(report, mends), self.settings, workspace)
        return self.show(choice, workspace)

    @in_words
    def left_out(self, choice: str | None, workspace: str, marked: str) -> list[Any]:
        """Leave odd and tiny pictures out."""
        report, known, folder = self.found(choice, workspace)
        items = self.unlike(report, known, folder)
        wanted = names(marked) or {item.file for item in items}
        chosen = [item.path.relative_to(folder).as_posix() for item in items if item.file in wanted]
        mends = [Mend(file=file, action=DROP, reason="odd or tiny") for file in chosen]
        corrections.correct(choice or "", mends, self.settings, workspace)
        return self.show(choice, workspace)

    @in_words
    def undone(self, choice: str | None, workspace: str) -> list[Any]:
        """Forget all corrections of this data set."""
        corrections.undo(choice or "", self.settings, owner_of(workspace))
        return self.show(choice, workspace)


def _weighed() -> bool:
    gr.Info("Training will weigh rare classes more.")
    return True


def report_html(report: Report, mends: Located, stale: bool = False) -> str:
    """Classes by split, the sentences, and the files left out, tiny, odd or converted by name."""
    advice = "".join(f"<li>{text(sentence, 400)}</li>" for sentence in report.advice)
    old = "<p><b>The data set has changed since: check it again.</b></p>" if stale else ""
    mended = (
        f"<p>{plural(len(mends.mends), 'photo')} corrected; check again to see what is left.</p>" if mends.mends else ""
    )
    kinds = ("left_out", "tiny", "odd", "converted")
    named = [(kind.replace("_", " ").capitalize(), getattr(report, kind)) for kind in kinds]
    found = "".join(findings_html(title, findings) for title, findings in named if findings)
    return f'<div class="tl-data">{old}{counts_table(report.classes)}<ul>{advice}</ul>{mended}{found}</div>'
