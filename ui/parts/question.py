"""Data that could be read in two ways: the readings to pick from, where the page would otherwise show a refusal."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError, Question
from tl_engine.data.reading import Reading
from ui.parts.components import Updates
from ui.parts.incoming import arrived

Waiting = dict[str, str]  # {"path": an upload, "option": of `take`, that its question is about}


class QuestionBox:
    """The choice and its button, hidden while nothing is asked."""

    def __init__(self) -> None:
        with gr.Column(visible=False, elem_id="question-box") as self.box:
            self.reading = gr.Radio([], label="How is it meant?", elem_id="question")
            self.go = gr.Button("Read it this way", variant="primary", size="sm", elem_id="question-go")
        # Under the name "path", so that it passes the guard as every upload does; a State would hold a connection.
        self.waiting = gr.JSON(None, visible=False)

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        return [self.box, self.reading, self.waiting]

    def show(self, question: Question | None = None, upload: str | None = None) -> Updates:
        """The box for a question about a data set, or about an upload that waits for the answer; hidden for none."""
        readings = question.readings if question else {}
        return {
            self.box: gr.Column(visible=question is not None),
            self.reading: gr.Radio(choices=[(words, value) for value, words in readings.items()], value=None),
            self.waiting: {"path": upload, "option": question.option} if question and upload else None,
        }


def awaited(waiting: Any) -> tuple[str, str]:
    """The upload that waits and the terminal's option for its answer. Raises EngineError: a browser sends anything."""
    options = {field.name: field.name.replace("_", "-") for field in dataclasses.fields(Reading)}
    if not isinstance(waiting, dict) or not arrived(waiting.get("path")) or waiting.get("option") not in options:
        raise EngineError("The upload that was asked about is not here any more: upload it again.")
    return waiting["path"], options[waiting["option"]]


def waiting_file(waiting: Any) -> str | None:
    """The upload that waits, if one does."""
    path = waiting.get("path") if isinstance(waiting, dict) else None
    return path if path and arrived(path) else None


@contextmanager
def used_up(upload: str) -> Iterator[None]:
    """Delete an upload when what is made of it is made or refused; a question it waits for."""
    try:
        yield
    except Question:
        raise
    except BaseException:
        _forget(upload)
        raise
    _forget(upload)


def _forget(upload: str) -> None:
    """Whatever its ending: it has passed the guard, so it is an upload."""
    Path(upload).unlink(missing_ok=True)
