"""Refusals: text wherever they are shown, one line for the host, and of what broke nothing but a sentence."""

import logging
from typing import Any

import gradio as gr
import pytest

from tl_engine.base.errors import DataError, EngineError, RunError, WeightsError
from ui.parts.acting import answering
from ui.parts.refusal import in_words, problem_html, refused

MARKUP = "<img src=x onerror=alert(1)> & <script>alert(2)</script>"
NAMES = "There is no class\n2026-11-29 00:00:00 root logged in \x1b[31m."


@pytest.mark.parametrize("kind", [DataError, RunError, WeightsError])
def test_names_in_a_toast_and_in_a_refusal_are_text(kind: type[EngineError]) -> None:
    def refuses() -> None:
        raise kind(f"There is no class {MARKUP}.")

    with pytest.raises(gr.Error) as raised:
        in_words(refuses)()
    for shown in (str(raised.value.message), str(refused(kind(MARKUP)).message), problem_html(kind(MARKUP))):
        assert "<img" not in shown
        assert "<script" not in shown
        assert "&lt;img src=x" in shown


def test_a_refusal_is_one_line_of_the_log_whatever_is_named_in_it(caplog: pytest.LogCaptureFixture) -> None:
    with gr.Blocks():
        said = gr.HTML()

    def rename_class(*_: Any) -> Any:
        raise DataError(NAMES)

    with caplog.at_level(logging.INFO, "tl_engine"):
        answering(rename_class, said)()
    (line,) = caplog.messages
    assert line == "refused to rename class (DataError)"
