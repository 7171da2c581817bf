"""Preparing a lesson: what is learnt from, with what, what pupils may change; its link and QR code."""

import re
from typing import Any

import gradio as gr

from tl_engine.base.names import TITLE_LENGTH
from tl_engine.base.settings import Settings
from tl_engine.classroom.lesson import BRING, OPENABLE, Lesson, check_architecture, forget_lesson
from tl_engine.workspaces.chosen import UPLOAD
from tl_engine.workspaces.workspace import Workspace
from ui.classroom.address import lesson_link, qr_html
from ui.classroom.door import teach
from ui.parts.acting import answer_html, said_line
from ui.parts.components import Updates, number_input, open_dropdown
from ui.parts.wording import STRATEGIES
from ui.train.form import backbone_choices

BRING_WORDS = "Each pupil brings photos"
BY_ITSELF = "bring"  # the value of that choice, since an empty one is none for a list


class LessonForm:
    """Lays out the form; `connect` wires it. `code` is what pupils enter with, "" where they need none."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState, code: str) -> None:
        self.settings, self.workspace, self.code = settings, workspace, code
        start = Lesson(title="Lesson", open=("classes",))
        with gr.Accordion("The lesson", open=True, elem_id="lesson-box"):
            self.title = gr.Textbox(label="Title of the lesson", max_length=TITLE_LENGTH, elem_id="lesson-title")
            self.data = open_dropdown(
                [(BRING_WORDS, BY_ITSELF)], value=BY_ITSELF, label="Photos of the lesson", elem_id="lesson-data"
            )
            self.classes = gr.Textbox(
                label="Classes", info="If pupils bring photos: the classes, with commas between them.",
                elem_id="lesson-classes",
            )  # fmt: skip
            with gr.Row():
                self.architecture = open_dropdown(
                    backbone_choices(settings), value=start.architecture, label="Backbone of the lesson",
                    elem_id="lesson-architecture",
                )  # fmt: skip
                self.strategy = open_dropdown(
                    [(words, name) for name, (words, _) in STRATEGIES.items()], value=start.strategy,
                    label="What learns in the lesson", elem_id="lesson-strategy",
                )  # fmt: skip
                self.epochs = number_input(start.epochs, label="Epochs of the lesson", elem_id="lesson-epochs")
            self.open = gr.CheckboxGroup(
                [(words[:1].upper() + words[1:], name) for name, words in OPENABLE.items()], value=list(start.open),
                label="What pupils may change", elem_id="lesson-open",
            )  # fmt: skip
            self.open.preprocess = lambda payload: payload if isinstance(payload, list) else []  # type: ignore[method-assign]
            with gr.Row(elem_classes="tl-buttons"):
                self.save = gr.Button("Save the lesson", variant="primary", elem_id="lesson-save")
                self.end = gr.Button("No lesson", elem_id="lesson-end")
            self.said = said_line("lesson-said")
            self.link = gr.Textbox(
                label="Link to the lesson", buttons=["copy"], interactive=False, visible=False, elem_id="lesson-link"
            )
            self.code_picture = gr.HTML("", elem_id="lesson-qr", padding=False)

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        fields = [self.title, self.data, self.classes, self.architecture, self.strategy, self.epochs, self.open]
        return [*fields, self.link, self.code_picture]

    def connect(self, blocks: gr.Blocks) -> None:
        """Wire the buttons; `blocks` knows the address that a share link has."""
        self.blocks = blocks
        fields = [self.title, self.data, self.classes, self.architecture, self.strategy, self.epochs, self.open]
        teach([self.save.click], self.save_lesson, [self.workspace, *fields], self.shown, self.said, asks=True)
        teach([self.end.click], self.end_lesson, [self.workspace], self.shown, self.said, asks=True)

    def show(self, visitor: Workspace, request: gr.Request) -> Updates:
        """The lesson of now, or an empty form."""
        lesson = Lesson.read(self.settings)
        listed = [(BRING_WORDS, BY_ITSELF), *[c for c in visitor.choices() if not c[1].startswith(UPLOAD)]]
        values: Updates = {self.data: gr.Dropdown(choices=listed)}
        link = ""
        if lesson:
            link = lesson_link(request, getattr(self.blocks, "share_url", None), lesson.key, self.code)
            values = {
                self.title: lesson.title,
                self.data: gr.Dropdown(choices=listed, value=lesson.data or BY_ITSELF),
                self.classes: ", ".join(lesson.classes),
                self.architecture: lesson.architecture,
                self.strategy: lesson.strategy,
                self.epochs: lesson.epochs,
                self.open: list(lesson.open),
            }
        return {
            **values,
            self.link: gr.Textbox(value=link, visible=bool(link)),
            self.code_picture: qr_html(link) if link else "",
        }

    def save_lesson(
        self, request: gr.Request, workspace: str, title: str, data: str, classes: str, architecture: str,
        strategy: str, epochs: Any, may: list[str],
    ) -> Updates:  # fmt: skip
        """Keep the lesson; its link stays the same while it is only changed."""
        visitor, known = Workspace.of(self.settings, workspace), Lesson.read(self.settings)
        choice = BRING if data == BY_ITSELF else visitor.data(data).choice
        named = tuple(name for name in re.split(r"[,;\n]", classes or "") if name.strip())
        facts: dict[str, Any] = {"title": title, "data": choice, "classes": named, "architecture": architecture,
                                 "strategy": strategy, "epochs": epochs, "open": tuple(map(str, may))}  # fmt: skip
        lesson = Lesson(**facts | ({"key": known.key} if known else {}))
        check_architecture(lesson, self.settings)
        lesson.write(self.settings)
        said = "The lesson is saved. Pupils open it by the link or the code below; pages that are open are told."
        return {**self.show(visitor, request), self.said: answer_html(said)}

    def end_lesson(self, request: gr.Request, workspace: str) -> Updates:
        """Let pupils train as they like."""
        forget_lesson(self.settings)
        said = answer_html("There is no lesson now: pupils may train as they like.")
        return {**self.show(Workspace.of(self.settings, workspace), request), self.said: said}
