"""The photos of all together, the hidden test set with its board, everything as one zip, and everything deleted."""

import dataclasses
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural, size_words
from tl_engine.classroom import board, hidden, keeping
from tl_engine.classroom.pool import pool
from tl_engine.classroom.pupils import labels, pupils
from tl_engine.classroom.stage import Stage
from tl_engine.runs.process import Spare
from tl_engine.sources.samples import SAMPLES
from tl_engine.workspaces.workspace import Workspace
from ui.classroom.door import teach, teach_slowly
from ui.classroom.words import board_html, board_rows
from ui.parts.acting import answer_html, said_line
from ui.parts.components import Updates, open_dropdown
from ui.parts.confirm import Confirm
from ui.parts.wording import text


class KeepingView:
    """Lays out these parts; `connect` wires them to the page's data set."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState, spare: Spare | None) -> None:
        self.settings, self.workspace, self.spare = settings, workspace, spare
        with gr.Accordion("All photos of the class", open=False, elem_id="pool-box"):
            self.pool = gr.Button("Put all photos together", elem_id="class-pool")
            self.pool_said = said_line("pool-said")
        with gr.Accordion("A hidden test set, and the board", open=False, elem_id="board-box"):
            self.test = open_dropdown([], value=None, label="Photos that only you have", elem_id="class-test")
            self.about = gr.HTML("", elem_id="class-test-now", padding=False)
            with gr.Row(elem_classes="tl-buttons"):
                self.hide = gr.Button("Hide it as the test", elem_id="class-hide-test", min_width=120)
                self.away = gr.Button("Put the test away", elem_id="class-test-away", min_width=120)
                self.measure = gr.Button("Measure all", variant="primary", elem_id="class-measure", min_width=120)
            self.board_said = said_line("board-said")
            self.board = gr.HTML("", elem_id="class-board", padding=False)
            self.public = gr.Checkbox(False, label="Show the board to the class, without names", elem_id="board-public")
        with gr.Accordion("End of the lesson", open=False, elem_id="keeping-box"):
            with gr.Row(elem_classes="tl-buttons"):
                self.pack = gr.Button("Pack everything", elem_id="class-pack", min_width=120)
                self.download = gr.DownloadButton("Download lesson.zip", visible=False, elem_id="class-download")
            self.delete = Confirm("Delete everything of the class", "class-delete", option="The lesson too")
            self.said = said_line("keeping-said")

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        return [self.test, self.about, self.board, self.public]

    def connect(self, choice: gr.Dropdown) -> None:
        """Wire all of it; `choice` is the page's data set."""
        self.choice = choice
        teach_slowly(self.pool, self.pool_photos, [self.workspace], [choice, *self.shown], self.pool_said)
        named = [self.workspace, self.test]
        teach(self.hide.click, self.hide_test, named, [choice, *self.shown], self.board_said)
        teach(self.away.click, self.put_test_away, [self.workspace], [choice, *self.shown], self.board_said)
        teach_slowly(self.measure, self.measure_all, [self.workspace], self.shown, self.board_said)
        teach(self.public.input, self.show_board, [self.public], [], self.board_said)
        teach_slowly(self.pack, self.pack_class, None, [self.download], self.said)
        teach(self.delete.ask.click, self.ask_to_delete, None, self.delete.shown, self.said)
        teach(self.delete.no.click, self.delete.closed, None, self.delete.shown, self.said)
        teach(self.delete.yes.click, self.delete_class, [self.workspace, self.delete.option],
              [choice, self.download, *self.shown, *self.delete.shown], self.said)  # fmt: skip

    def show(self, visitor: Workspace) -> Updates:
        """The test set and the board of now."""
        test, found = hidden.TestSet.read(self.settings), board.Board.read(self.settings)
        words = "There is no hidden test set."
        if test:
            words = f"Hidden: {test.title}, {plural(test.photos, 'photo')} of {', '.join(test.classes)}."
        told = labels(pupils(self.settings))
        listed = [(title, value) for title, value in visitor.choices() if value not in SAMPLES]
        return {
            self.test: gr.Dropdown(choices=listed, value=None),
            self.about: f'<p class="tl-hint">{text(words, 300)}</p>',
            self.board: board_html(found, board_rows(found, told)) if found else "",
            self.public: Stage.read(self.settings).board,
        }

    def pool_photos(self, workspace: str) -> Updates:
        """All pupils' photos as a data set of the teacher's, chosen at once."""
        visitor = Workspace.of(self.settings, workspace)
        pooled = pool(visitor)
        said = f"{pooled.sentence} They are chosen under Photos: look at them there, or press Train."
        return {
            self.choice: gr.Dropdown(choices=visitor.choices(), value=pooled.choice),
            **self.show(visitor),
            self.pool_said: answer_html(said),
        }

    def hide_test(self, workspace: str, choice: str | None) -> Updates:
        """Keep a data set as the hidden test."""
        if not choice:
            raise EngineError("Choose a data set first: one of your own, or a folder of the host's.")
        visitor = Workspace.of(self.settings, workspace)
        test = hidden.choose_test(visitor, choice)
        said = f"{test.title} is the hidden test now: no pupil sees it, and nobody in the class can train on it."
        return {**self._listed(visitor), **self.show(visitor), self.board_said: answer_html(said)}

    def put_test_away(self, workspace: str) -> Updates:
        """No hidden test any more, and no board."""
        if hidden.TestSet.read(self.settings) is None:
            raise EngineError("There is no hidden test set.")
        hidden.put_away(self.settings)
        board.forget_board(self.settings)
        visitor = Workspace.of(self.settings, workspace)
        said = answer_html("The test is put away, and its board with it.")
        return {**self._listed(visitor), **self.show(visitor), self.board_said: said}

    def _listed(self, visitor: Workspace) -> Updates:
        """The page's data sets: a folder of the host's may have come or gone."""
        return {self.choice: gr.Dropdown(choices=visitor.choices())}

    def measure_all(self, workspace: str) -> Updates:
        """Ask each pupil's newest classifier about the hidden photos."""
        found = board.measure(self.settings, lambda _event: None)
        said = answer_html(f"{plural(len(found.entries), 'classifier')} measured. {found.sentence()}")
        return {**self.show(Workspace.of(self.settings, workspace)), self.board_said: said}

    def show_board(self, public: bool) -> Updates:
        """Have the pages of the class show the board, or no longer."""
        dataclasses.replace(Stage.read(self.settings), board=bool(public)).write(self.settings)
        words = "All pages show the board, without names." if public else "The class does not see the board."
        return {self.board_said: answer_html(words)}

    def pack_class(self) -> Updates:
        """Everything of the class as one zip."""
        archive = keeping.packed(self.settings)
        said = f"Photos, classifiers and reports by pupil, and the lesson: {size_words(archive.stat().st_size)}."
        return {self.download: gr.DownloadButton(value=str(archive), visible=True), self.said: answer_html(said)}

    def ask_to_delete(self) -> Updates:
        """What would go."""
        test = " The hidden test set and its board go too." if hidden.TestSet.read(self.settings) else ""
        words = (
            f"Delete {keeping.content(self.settings).words} for good, and the photos that were put together?{test} "
            "Trainings that go on are stopped."
        )
        return {self.delete.box: gr.Column(visible=True), self.delete.words: f'<p role="alert">{text(words, 400)}</p>'}

    def delete_class(self, workspace: str, lesson_too: bool) -> Updates:
        """Delete all of the class."""
        gone = keeping.delete_class(self.settings, self.spare, lesson_too=bool(lesson_too))
        visitor = Workspace.of(self.settings, workspace)
        return {
            self.choice: gr.Dropdown(choices=visitor.choices(), value=visitor.present(None)),
            self.download: gr.DownloadButton(value=None, visible=False),
            **self.show(visitor),
            **self.delete.closed(),
            self.said: answer_html(f"Deleted: {gone.words}."),
        }
