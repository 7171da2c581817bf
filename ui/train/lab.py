"""All ways to learn, side by side: one press queues a training for each, and the results stand in a table."""

from typing import Any

import gradio as gr

from tl_engine.base.settings import Settings
from tl_engine.base.words import duration, percent, plural, size_words
from tl_engine.classroom import starting
from tl_engine.lab.results import results
from tl_engine.runs.process import Spare
from tl_engine.runs.run import Run
from tl_engine.workspaces import start
from tl_engine.workspaces.workspace import Workspace
from ui.gate.lanes import START
from ui.gate.persons import asker_of
from ui.parts.acting import act, answer_html, said_line
from ui.parts.components import Updates
from ui.parts.confirm import Confirm
from ui.parts.refusal import in_words
from ui.parts.wording import QUIET, text

HINT = (
    '<p class="tl-hint">Trains the same photos in each way: the last layer only, everything, and from nothing, '
    "judged on the same photos held out. Minutes, and you can go on meanwhile.</p>"
)


class LabView:
    """Lays out the view, closed until somebody looks; `connect` wires it to the form."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState, spare: Spare | None) -> None:
        self.settings = settings
        self.workspace = workspace
        self.spare = spare
        with gr.Accordion("Try all ways to learn, side by side", open=False, elem_id="lab-box"):
            gr.HTML(HINT, padding=False)
            self.go = Confirm("Try all ways", "lab", yes="Yes, train", no="No", variant="secondary")
            self.said = said_line("lab-said")
            self.table = gr.HTML("", elem_id="lab-results", padding=False)

    def connect(self, tab: gr.Tab, choice: gr.Dropdown, architecture: Any) -> None:
        """Ask, start, and show what came of it whenever the tab is opened."""
        here = [choice, architecture, self.workspace]
        self.choice = choice
        self.go.connect(self.question, here, self.said)
        act(self.go.yes.click, self.start_lab, here, [self.workspace, *self.go.shown], self.said,
            **START)  # fmt: skip
        gr.on([tab.select, choice.change], self.show_results, [choice, self.workspace], self.table,
              trigger_mode="always_last", **QUIET)  # fmt: skip

    def question(self, choice: str | None, architecture: str, workspace: str) -> str:
        """What a yes would start. Raises EngineError where nothing can be."""
        visitor = Workspace.of(self.settings, workspace)
        configs, left_out = start.lab_configs(choice, architecture, visitor)
        more = f" Left out: {left_out[0]}" if left_out else ""
        return f"{plural(len(configs), 'training')} on {visitor.data(choice).title}, one after the other?{more}"

    def start_lab(
        self, choice: str | None, architecture: str, workspace: str, request: gr.Request | None = None
    ) -> Updates:
        """Queue the trainings."""
        visitor = Workspace.of(self.settings, workspace)
        runs = starting.start_lab(choice, architecture, visitor, asker_of(request), self.spare)
        words = f"{plural(len(runs), 'training')} in the queue: they are under Runs, and the results appear here."
        return {self.workspace: visitor.token, self.said: answer_html(words), **self.go.closed()}

    @in_words
    def show_results(self, choice: str | None, workspace: str) -> str:
        """What the trainings of a lab on this data set reached."""
        visitor = Workspace.of(self.settings, workspace)
        chosen = visitor.find(choice)
        if chosen is None:
            return ""
        groups: dict[str, list[Run]] = {}
        for run in visitor.runs():
            if run.facts.title != start.lab_title(chosen):
                continue
            ended = run.ended()
            if ended and ended.state == "finished":
                groups.setdefault(f"{run.facts.architecture}, {run.facts.strategy}", [run])
        return results_html(results(groups)) if groups else ""


def results_html(found: dict[str, Any]) -> str:
    """A row for each way, the best first, and what can be said between them."""
    rows = []
    for row in found["rows"]:
        low, high = row["interval"] or (0.0, 1.0)
        cells = (f"{percent(row['accuracy'])}", f"{percent(low)} to {percent(high)}", duration(row["seconds"]),
                 f"{row['learnt'] or 0:,}", size_words(row["bytes"]))  # fmt: skip
        body = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f'<tr><th scope="row">{text(row["label"], 60)}</th>{body}</tr>')
    titles = "".join(f'<th scope="col">{name}</th>' for name in ("accuracy", "95 %", "time", "numbers learnt", "size"))
    verdicts = "".join(
        f"<li>{text(v['first'], 60)} beside {text(v['second'], 60)}: {text(v['sentence'], 300)}</li>"
        for v in found["verdicts"]
    )
    return (
        '<div class="tl-report"><div class="tl-wide" tabindex="0" role="region" aria-label="results side by side">'
        f"<table><thead><tr><td></td>{titles}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        f"<ul>{verdicts}</ul></div>"
    )
