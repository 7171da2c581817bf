"""Who is here and what runs: one table for all teachers' pages, and what a teacher does about a pupil's training."""

import hashlib
import threading
import time
from typing import Any

import gradio as gr
from filelock import Timeout

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.classroom.overview import overview
from tl_engine.classroom.pupils import Presence, at_seat, labels, pupils
from tl_engine.classroom.stage import Stage
from tl_engine.ledger.listing import runs_of
from tl_engine.runs import open_runs, queue
from tl_engine.runs.process import Spare
from tl_engine.runs.run import OPEN_STATES, Run
from ui.classroom.door import teach, tell_teacher
from ui.classroom.words import class_table
from ui.parts.acting import answer_html, said_line
from ui.parts.components import Updates, open_dropdown
from ui.train.run_view import EventReader, view

POLL = 2.0  # seconds
FREEZE, THAW = "Pause all training", "Let training go on"


class OverviewView:
    """Lays out the table and its buttons; `connect` wires them."""

    def __init__(self, settings: Settings, presence: Presence, reader: EventReader, spare: Spare | None) -> None:
        self.settings, self.presence, self.reader, self.spare = settings, presence, reader, spare
        self._drawn: tuple[float, str, list[tuple[str, str]]] = (0.0, "", [])
        self._drawing = threading.Lock()
        self.table = gr.HTML("", elem_id="class-table", padding=False)
        self.pupil = open_dropdown([], value=None, label="Pupil", elem_id="class-pupil")
        with gr.Row(elem_classes="tl-buttons"):
            self.stop = gr.Button("Stop the training", variant="stop", elem_id="class-stop", min_width=120)
            self.first = gr.Button("Next in the queue", elem_id="class-first", min_width=120)
            self.last = gr.Button("Last in the queue", elem_id="class-last", min_width=120)
            self.freeze = gr.Button(FREEZE, elem_id="class-freeze", min_width=120)
        self.named = gr.Checkbox(False, label="Say whose it is", elem_id="class-named")
        with gr.Row(elem_classes="tl-buttons"):
            self.show_it = gr.Button("Show the result to the class", elem_id="class-show", min_width=160)
            self.hide_it = gr.Button("Show none", elem_id="class-hide", min_width=120)
        self.said = said_line("class-said")
        self.seen = gr.Textbox("", visible=False)  # the version of the table that the page has
        self.timer = gr.Timer(POLL, active=False)

    @property
    def shown(self) -> list[Any]:
        """What `watch_class` changes."""
        return [self.table, self.pupil, self.freeze, self.seen]

    def connect(self) -> None:
        """Wire buttons and timer."""
        tell_teacher(self.timer.tick, self.watch_class, [self.seen], self.shown)
        for button, handler in (
            (self.stop, self.stop_pupil),
            (self.first, self.move_first),
            (self.last, self.move_last),
            (self.hide_it, self.show_none),
        ):
            teach(button.click, handler, [self.pupil], [*self.shown], self.said)
        teach(self.show_it.click, self.show_result, [self.pupil, self.named], [*self.shown], self.said)
        teach(self.freeze.click, self.toggle_frozen, None, self.shown, self.said)

    def watch_class(self, seen: str) -> Updates:
        """The table if it is another than the page has; nothing at all if nothing changed."""
        table, listed = self._table()
        frozen = open_runs.frozen(self.settings.runs)
        version = hashlib.sha256(f"{table}{frozen}{listed}".encode()).hexdigest()[:12]
        if version == seen:
            return {self.seen: gr.skip()}
        return {
            self.table: table,
            self.pupil: gr.Dropdown(choices=listed),
            self.freeze: gr.Button(THAW if frozen else FREEZE),
            self.seen: version,
        }

    def _table(self) -> tuple[str, list[tuple[str, str]]]:
        """The table of this second, drawn once for all who look."""
        with self._drawing:
            at, table, listed = self._drawn
            if time.monotonic() - at > 1.0:
                rows = overview(self.settings, self.presence)
                views = [(row, view(run, self.settings, self.reader) if (run := row.newest) else None) for row in rows]
                table = class_table(views, frozen=open_runs.frozen(self.settings.runs))
                listed = [(row.label, row.pupil.seat) for row in rows]
                self._drawn = (time.monotonic(), table, listed)
            return table, listed

    def _said(self, sentence: str) -> Updates:
        """An answer, with the table as it is after that."""
        self._drawn = (0.0, "", [])
        return {**self.watch_class(""), self.said: answer_html(sentence)}

    def _meant(self, seat: str | None) -> tuple[str, Run | None]:
        """What the teacher calls a pupil, and their newest training. Raises EngineError."""
        pupil = at_seat(str(seat or ""), self.settings)
        mine = runs_of(self.settings, [pupil.workspace.token])
        going = next((run for run in mine if run.state() in OPEN_STATES), None)
        return labels(pupils(self.settings))[pupil.seat], going or (mine[0] if mine else None)

    def stop_pupil(self, seat: str | None) -> Updates:
        """End what a pupil trains; what it has learnt stays."""
        name, run = self._meant(seat)
        if run is None or run.state() not in OPEN_STATES:
            raise EngineError(f"{name} has no training that goes on.")
        queue.stop(run, self.settings, self.spare)
        return self._said(f"The training of {name} is stopped; its best epoch so far is kept.")

    def move_first(self, seat: str | None) -> Updates:
        """Put a pupil's training before all that wait."""
        return self._moved(seat, first=True)

    def move_last(self, seat: str | None) -> Updates:
        """Put a pupil's training behind all that wait."""
        return self._moved(seat, first=False)

    def _moved(self, seat: str | None, *, first: bool) -> Updates:
        name, run = self._meant(seat)
        try:
            moved = run is not None and open_runs.move(self.settings.runs, run.name, first=first)
        except (OSError, Timeout):
            raise EngineError("The queue is busy: try again.") from None
        if not moved:
            raise EngineError(f"{name} has no training that waits.")
        return self._said(f"The training of {name} is {'the next' if first else 'the last'} of those that wait.")

    def toggle_frozen(self) -> Updates:
        """Have all that wait go on waiting, or begin."""
        frozen = not open_runs.frozen(self.settings.runs)
        try:
            open_runs.freeze(self.settings.runs, frozen=frozen)
        except OSError as error:
            raise EngineError(f"That could not be kept ({error.strerror}): make room and try again.") from None
        if frozen:
            return self._said("Training is paused: what waits goes on waiting, what runs already goes on to its end.")
        queue.advance(self.settings, self.spare)
        return self._said("Training goes on.")

    def show_result(self, seat: str | None, named: bool) -> Updates:
        """Have every page of the class show a pupil's newest result."""
        name, run = self._meant(seat)
        if run is None:
            raise EngineError(f"{name} has no training to show yet.")
        stage = Stage.read(self.settings)
        Stage(run=run.name, named=bool(named), board=stage.board).write(self.settings)
        return self._said(
            f"All pages show the result of {name}{', and whose it is' if named else ', without the name'}."
        )

    def show_none(self, _seat: str | None) -> Updates:
        """Show no result any more."""
        Stage(board=Stage.read(self.settings).board).write(self.settings)
        return self._said("No result is shown to the class.")
