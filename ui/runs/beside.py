"""Runs side by side: their curves, the settings in which they differ, and which of two is better."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural
from tl_engine.evaluation.compare import compare
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.ledger.differences import DATA, differences
from tl_engine.runs import titles
from tl_engine.runs.config import SETTINGS
from tl_engine.runs.run import Run
from ui.parts.components import Updates
from ui.parts.wording import text
from ui.train.curves import run_curves
from ui.train.plots import accuracy_plot, loss_plot
from ui.train.run_view import EventReader, view
from ui.train.setting_controls import LABELS

TWO = "A verdict is between two: tick exactly two trainings."
MORE_LABELS = {"architecture": "Backbone", DATA: "Photos"}


class BesideView:
    """Lays out the view, hidden until runs are laid side by side."""

    def __init__(self, settings: Settings, reader: EventReader) -> None:
        self.settings = settings
        self.reader = reader
        with gr.Column(visible=False, elem_id="beside") as self.box:
            self.words = gr.HTML("", elem_id="beside-words", padding=False)
            with gr.Row():
                self.accuracy = gr.HTML(accuracy_plot([]), elem_id="accuracy-beside", min_width=280)
                self.loss = gr.HTML(loss_plot([]), elem_id="loss-beside", min_width=280)

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        return [self.box, self.words, self.accuracy, self.loss]

    def show(self, runs: Sequence[Run]) -> Updates:
        """These runs side by side; hidden for none."""
        named = titles.names(runs)
        views = [(named[run.name], view(run, self.settings, self.reader)) for run in runs]
        called = [named[run.name] for run in runs]
        verdict = verdict_html(runs[0], runs[1], called) if len(runs) == 2 else f"<p>{TWO}</p>"
        return {
            self.box: gr.Column(visible=bool(runs)),
            self.words: f'<div class="tl-report"><h3>Side by side</h3>{verdict}{settings_html(runs, called)}</div>',
            self.accuracy: accuracy_plot(run_curves(None, views, "accuracy")),
            self.loss: loss_plot(run_curves(None, views, "loss")),
        }


def verdict_html(first: Run, second: Run, called: Sequence[str]) -> str:
    """Which of the two is better on the photos that judged both, or why nobody can say."""
    named = f"<p>First: <b>{text(called[0], 120)}</b>. Second: <b>{text(called[1], 120)}</b>.</p>"
    try:
        found = compare(first, second, (RunPhotos.of(first), RunPhotos.of(second)))
    except EngineError as error:
        return f"{named}<p>{text(error, 300)}</p>"
    photos = found["photos"]
    left = found["judged_a"] + found["judged_b"] - 2 * photos
    apart = f" {plural(left, 'photo')} judged only one of them: not counted." if left else ""
    return (
        f"{named}<p><b>{text(found['sentence'], 400)}</b> Of {plural(photos, 'photo')} that judged both the first has "
        f"{found['right_a']:,} right and the second {found['right_b']:,}; {found['both']:,} both, "
        f"{found['neither']:,} neither.{apart}</p>"
    )


def settings_html(runs: Sequence[Run], called: Sequence[str]) -> str:
    """A row for each setting in which not all are alike."""
    found = differences(runs)
    if len(runs) < 2:
        return ""
    if not found:
        return "<p>They were trained with the same settings.</p>"
    columns = "".join(f'<th scope="col">{text(name, 60)}</th>' for name in called)
    rows = "".join(
        f'<tr><th scope="row">{text(label_of(row.setting), 60)}</th>'
        f"{''.join(f'<td>{text(value.words, 80)}</td>' for value in row.values)}</tr>"
        for row in found
    )
    return (
        "<h3>Settings that differ</h3>"
        '<div class="tl-wide" tabindex="0" role="region" aria-label="settings that differ">'
        f'<table id="settings-differ"><thead><tr><td></td>{columns}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def label_of(setting: str) -> str:
    """What the page calls a setting."""
    return LABELS.get(setting) or MORE_LABELS.get(setting) or SETTINGS[setting].option.replace("-", " ").capitalize()
