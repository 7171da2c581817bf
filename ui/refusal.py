"""The engine's refusals as toasts: only the page turns an EngineError into words on the screen, the engine's own."""

import functools
import html
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import gradio as gr

from tl_engine.errors import EngineError, Question
from ui.wording import text

P = ParamSpec("P")
R = TypeVar("R")


def page_words(error: EngineError) -> str:
    """The engine's words; of a question only what is asked, since a page lets people pick and has no options."""
    return re.sub(r"[:;,] [^:;]*--\w.*$", ".", str(error)) if isinstance(error, Question) else str(error)


def refused(error: EngineError) -> gr.Error:
    """The engine's own words as a toast. Toasts render HTML, so names in it are escaped."""
    return gr.Error(html.escape(page_words(error)), title="This did not work", duration=20, print_exception=False)


def problem_html(error: EngineError) -> str:
    """A refusal, or what is asked, in the place of the summary."""
    return f'<div class="tl-data tl-problem" role="alert"><p>{text(page_words(error), 500)}</p></div>'


def in_words(handler: Callable[P, R]) -> Callable[P, R]:
    """A handler whose EngineErrors are shown as toasts."""

    @functools.wraps(handler)
    def worded(*values: P.args, **named: P.kwargs) -> R:
        try:
            return handler(*values, **named)
        except EngineError as error:
            raise refused(error) from None

    return worded
