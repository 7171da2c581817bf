"""What is in the data set that is chosen, and the question where only its visitor can tell how it is meant."""

from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError, Question
from tl_engine.data.dataset import ImageFolder
from tl_engine.workspaces.chosen import Chosen
from tl_engine.workspaces.data_choices import summary_words
from ui.parts.components import Updates
from ui.parts.data_table import counts_table, findings_html
from ui.parts.question import QuestionBox
from ui.parts.refusal import problem_html
from ui.parts.wording import text


def summary_html(data: ImageFolder | None) -> str:
    """The classes as bars with their counts by split, and what was left out and why, before anything starts."""
    if data is None:
        return '<p class="tl-hint">Not here yet: the training downloads it first.</p>'
    findings = [entry.to_dict() for entry in data.left_out]
    left_out = findings_html("Left out", findings) if findings else ""
    notes = "".join(f"<p>Note: {text(note, 200)}.</p>" for note in data.notes)
    table = counts_table(data.counts())
    return f'<div class="tl-data"><p><b>{summary_words(data)}</b></p>{table}{left_out}{notes}</div>'


class Summary:
    """The sentence, the bars, the question."""

    def __init__(self) -> None:
        self.words = gr.HTML(elem_id="summary")
        self.question = QuestionBox()

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        return [self.words, *self.question.shown]

    def show(self, chosen: Chosen | None, *, ask: bool = True) -> Updates:
        """A data set; what is wrong with it, or to be asked about it, is said in its place. Nothing for none.

        One's own shows itself, in its cards.
        """
        if chosen is None or chosen.collection is not None:
            return {self.words: "", **self.question.show()}
        try:
            return {self.words: summary_html(chosen.described()), **self.question.show()}
        except Question as question:
            return {self.words: problem_html(question), **self.question.show(question if ask else None)}
        except EngineError as error:
            return {self.words: problem_html(error), **self.question.show()}

    def ask(self, question: Question, upload: str) -> Updates:
        """The question about an upload that waits for its answer."""
        return {self.words: problem_html(question), **self.question.show(question, upload)}
