"""The teacher's door: every handler of the Class tab passes it, on the server, whatever a browser shows or sends."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from ui.gate.persons import TEACHER, role_of
from ui.parts.acting import act, answering
from ui.parts.components import Updates
from ui.parts.refusal import in_words
from ui.parts.wording import QUIET

REFUSAL = "This is for the teacher: enter with the teacher's code."
Handler = Callable[..., Updates]


def for_teacher(handler: Handler, *, asks: bool = False) -> Handler:
    """The handler, refused to everybody but the teacher; with `asks` it gets the request first."""

    def checked(request: gr.Request, *values: Any) -> Updates:
        if role_of(request) != TEACHER:
            raise EngineError(REFUSAL)
        return handler(request, *values) if asks else handler(*values)

    checked.__name__ = handler.__name__
    return checked


def teach(
    listeners: Any, handler: Handler, inputs: Any, outputs: list[Any], said: gr.HTML, *, asks: bool = False,
    **options: Any,
) -> Any:  # fmt: skip
    """Wire a press of the teacher's; its answer stands in `said`."""
    return act(listeners, for_teacher(handler, asks=asks), inputs, outputs, said, **options)


def teach_slowly(button: gr.Button, handler: Handler, inputs: Any, outputs: list[Any], said: gr.HTML) -> Any:
    """The same for what takes long: one at a time, in a lane of its own, with the time that it takes shown."""
    return button.click(
        answering(for_teacher(handler), said), inputs, [*outputs, said], api_visibility="private",
        concurrency_limit=1, concurrency_id="class", show_progress="minimal", show_progress_on=said,
    )  # fmt: skip


def tell_teacher(listener: Any, handler: Handler, inputs: Any, outputs: list[Any], *, asks: bool = False) -> Any:
    """Wire what the teacher's page reads by itself."""
    return listener(in_words(for_teacher(handler, asks=asks)), inputs, outputs, **QUIET)
