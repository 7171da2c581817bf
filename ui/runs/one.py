"""One run of the list: open it, try it, use its settings again, name it, note something down, delete and undo that."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.names import NOTE_LENGTH, TITLE_LENGTH
from tl_engine.base.settings import Settings
from tl_engine.base.words import clock
from tl_engine.ledger.rows import row_of
from tl_engine.ledger.set_aside import UNDO_SECONDS
from tl_engine.runs import titles
from tl_engine.runs.run import Run
from tl_engine.workspaces import forget
from tl_engine.workspaces.workspace import Workspace, open_run
from ui.parts.acting import act, answer_html, said_line
from ui.parts.components import Updates
from ui.parts.confirm import Confirm
from ui.parts.refusal import in_words
from ui.parts.wording import QUIET, STATE_WORDS, text
from ui.predict.classifiers import choices
from ui.runs.again import taken_over
from ui.runs.table import how_words, right_words, whose
from ui.train.form import explanation
from ui.train.tab import TrainTab

Relist = Callable[..., Updates]
PICK = "Press the name of a training in the list first."
NOT_YOURS = "This training is not yours: only who started it names it or notes something down."


class OneRun:
    """Lays out the panel, hidden until a run is picked; `connect` wires it."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        self.undo = gr.Button("Undo", size="sm", visible=False, elem_id="undo-delete")
        self.undoable = gr.Textbox("", visible=False)  # the name of what it brings back
        self.minute = gr.Timer(UNDO_SECONDS + 1, active=False)
        self.said = said_line("runs-said")
        self.picked = gr.Textbox("", visible=False)
        with gr.Column(visible=False, elem_id="one-run", elem_classes="tl-card") as self.box:
            self.words = gr.HTML("", elem_id="one-run-words", padding=False)
            with gr.Row(elem_classes="tl-buttons"):
                self.open = gr.Button("Open", variant="primary", elem_id="open-run", min_width=80)
                self.try_it = gr.Button("Try it", elem_id="try-run", min_width=80)
                self.again = gr.Button("Use these settings again", elem_id="again-run", min_width=190)
                self.close = gr.Button("Close", elem_id="close-run", min_width=80)
            with gr.Column(visible=False) as self.own:
                with gr.Row(elem_classes="tl-named"):
                    self.title = gr.Textbox(
                        label="Name of this training", max_length=TITLE_LENGTH, elem_id="run-title", scale=3
                    )
                    self.rename = gr.Button("Rename", size="sm", elem_id="rename-run", scale=1, min_width=90)
                with gr.Row(elem_classes="tl-named"):
                    self.note = gr.Textbox(
                        label="Note", info=f"What you tried, what you saw: at most {NOTE_LENGTH} characters.",
                        lines=2, max_lines=6, max_length=NOTE_LENGTH, elem_id="run-note", scale=3,
                    )  # fmt: skip
                    self.keep = gr.Button("Save the note", size="sm", elem_id="note-run", scale=1, min_width=90)
                self.delete = Confirm("Delete this training", "delete-run")

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        return [self.picked, self.box, self.words, self.own, self.title, self.note, self.undo, self.undoable,
                self.minute, *self.delete.shown]  # fmt: skip

    def show(self, visitor: Workspace, run: Run | None) -> Updates:
        """A run with all that can be done with it; only what can be undone for none."""
        about = {self.box: gr.Column(visible=run is not None), **self.delete.closed(), **self.undo_now(visitor)}
        if run is None:
            return {**about, self.picked: ""}
        owns = visitor.owns(run)
        return {
            **about,
            self.picked: run.name,
            self.words: heading_html(run, visitor),
            self.own: gr.Column(visible=owns),
            self.title: titles.title_of(run) if owns else "",
            self.note: titles.note_of(run) if owns else "",
        }

    def undo_now(self, visitor: Workspace) -> Updates:
        """The button that brings back what was deleted last, while that can be."""
        aside = next(iter(forget.runs_aside(visitor)), None)
        words = f"Undo: bring back {titles.title_of(aside.run)}" if aside else "Undo"
        return {
            self.undo: gr.Button(words, visible=aside is not None),
            self.undoable: aside.name if aside else "",
            self.minute: gr.Timer(active=aside is not None),
        }

    def connect(
        self, tabs: gr.Tabs, train: TrainTab, data: gr.Dropdown, classifier: gr.Dropdown, state: list[Any],
        listed: list[Any], relist: Relist,
    ) -> None:  # fmt: skip
        """Wire the buttons; `state` says which part of the list the page shows, and `relist` draws it into `listed`."""
        self.tabs, self.train, self.data, self.classifier, self.relist = tabs, train, data, classifier, relist
        here, run = [self.workspace, self.picked], train.run
        asked = [*here, run, *state]
        changed = [*listed, *self.shown]
        act(self.open.click, self.open_run, [self.picked], [tabs, run], self.said)
        act(self.try_it.click, self.try_run, here, [tabs, run, classifier], self.said)
        again = act(self.again.click, self.use_again, here,
                    [tabs, data, train.said, train.how, train.form.preset, train.form.explained,
                     *train.form.options.values()], self.said)  # fmt: skip
        again.then(None, None, js="() => window.tlShow('train-said')")
        act(self.close.click, self.close_run, self.workspace, self.shown, self.said)
        act([self.rename.click, self.title.submit], self.rename_run, [self.title, *asked], changed, self.said)
        act(self.keep.click, self.note_run, [self.note, *asked], changed, self.said)
        self.delete.connect(self.about_to_delete, [self.picked], self.said)
        gone = act(self.delete.yes.click, self.delete_run, asked, [*changed, run], self.said)
        gone.then(None, None, js="() => window.tlShow('undo-delete')")
        act(self.undo.click, self.bring_back, [self.undoable, *asked], changed, self.said)
        self.minute.tick(self.look_for_undo, self.workspace, [self.undo, self.undoable, self.minute], **QUIET)

    def open_run(self, name: str) -> Updates:
        """Make it the page's run and show its result."""
        return {self.tabs: gr.Tabs(selected="train"), self.train.run: self.meant(name).name}

    def try_run(self, workspace: str, name: str) -> Updates:
        """Make its classifier the page's, and go where it is tried."""
        run = self.meant(name)
        listed = choices(Workspace.of(self.settings, workspace), run.name)
        if run.name not in [value for _, value in listed]:
            raise EngineError("No epoch of this training had ended, so it has no classifier.")
        chosen = gr.Dropdown(choices=listed, value=run.name)
        return {self.tabs: gr.Tabs(selected="predict"), self.train.run: run.name, self.classifier: chosen}

    def use_again(self, workspace: str, name: str) -> Updates:
        """Put its settings into the form, and its data set if the visitor has it; say what could not be."""
        visitor, run = Workspace.of(self.settings, workspace), self.meant(name)
        form = self.train.form
        values, choice, missing = taken_over(run, visitor, set(form.options))
        said = f"The settings of {titles.title_of(run)} are in the form: press Train to use them."
        if missing:
            said += f" Not taken over: {'; '.join(missing)}."
        return {
            self.tabs: gr.Tabs(selected="train"),
            self.data: gr.Dropdown(choices=visitor.choices(), value=choice) if choice else gr.skip(),
            self.train.said: answer_html(said),
            self.train.how: gr.Accordion(open=True),
            form.preset: "",
            form.explained: explanation(str(values.get("strategy"))),
            **{form.options[setting]: value for setting, value in values.items()},
        }

    def close_run(self, workspace: str) -> Updates:
        """Put the panel away."""
        return self.show(Workspace.of(self.settings, workspace), None)

    def rename_run(self, title: str, workspace: str, name: str, *state: Any) -> Updates:
        """Call a training of one's own something else."""
        visitor, run = self._own(workspace, name)
        titles.rename(run, title)
        said = answer_html(f"It is called {titles.title_of(run)} now.")
        return {**self.relist(visitor, *state), **self.show(visitor, run), self.said: said}

    def note_run(self, note: str, workspace: str, name: str, *state: Any) -> Updates:
        """Note something down about a training of one's own."""
        visitor, run = self._own(workspace, name)
        kept = titles.write_note(run, note)
        said = answer_html("The note is saved." if kept else "There is no note now.")
        return {**self.relist(visitor, *state), **self.show(visitor, run), self.said: said}

    def about_to_delete(self, name: str) -> str:
        """The question before a training goes."""
        run = self.meant(name)
        return (
            f"Delete {titles.title_of(run)} of {clock(run.facts.created)} with its classifier and report? "
            "It can be brought back for a minute."
        )

    def delete_run(self, workspace: str, name: str, current: str, *state: Any) -> Updates:
        """Delete a training of one's own; for a minute that can be undone."""
        visitor = Workspace.of(self.settings, workspace)
        title = titles.title_of(self.meant(name))
        forget.set_run_aside(visitor, name)
        token = "" if current == name else current
        said = answer_html(f"{title} is deleted. For a minute you can bring it back.")
        return {
            **self.relist(visitor, token, *state),
            **self.show(visitor, None),
            self.train.run: token,
            self.said: said,
        }

    def bring_back(self, name: str, workspace: str, _picked: str, *state: Any) -> Updates:
        """Undo the last deletion."""
        visitor = Workspace.of(self.settings, workspace)
        run = forget.bring_run_back(visitor, name)
        said = answer_html(f"{titles.title_of(run)} is back.")
        return {**self.relist(visitor, *state), **self.show(visitor, run), self.said: said}

    @in_words
    def look_for_undo(self, workspace: str) -> Updates:
        """Put the button away once its minute is over."""
        return self.undo_now(Workspace.of(self.settings, workspace))

    def meant(self, name: str) -> Run:
        """The run of that name. Raises EngineError."""
        if not name:
            raise EngineError(PICK)
        return open_run(name, self.settings)

    def _own(self, workspace: str, name: str) -> tuple[Workspace, Run]:
        visitor, run = Workspace.of(self.settings, workspace), self.meant(name)
        if not visitor.owns(run):
            raise EngineError(NOT_YOURS)
        return visitor, run


def heading_html(run: Run, visitor: Workspace) -> str:
    """What the run is, in a heading and a line, and what was noted down about it."""
    row, owner = row_of(run), whose(run, visitor)
    parts = [row.data, how_words(row), right_words(row), STATE_WORDS[row.state].lower(), clock(row.created), owner]
    note = row.note.splitlines() if owner == "the host's" else []
    lines = "".join(f"<p>{text(line, 500)}</p>" for line in [", ".join(part for part in parts if part), *note])
    return f'<div class="tl-report"><h2>{text(row.title, 80)}</h2>{lines}</div>'
