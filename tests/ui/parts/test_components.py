"""What the page bends in Gradio: that it still needs bending, and that Gradio still asks what was bent."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from ui.parts.components import number_input, open_dropdown, open_radio, photo_input

Make = Callable[[], Any]


@pytest.fixture
def text_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A text named .jpg where Gradio keeps what arrives."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    kept = tmp_path / hashlib.sha256(b"no picture").hexdigest() / "a.jpg"
    kept.parent.mkdir()
    kept.write_bytes(b"no picture")
    return str(kept)


def received(make: Make, sent: Any) -> Any:
    """What a handler gets when a browser sends that to the component, by Gradio's own way."""
    with gr.Blocks(analytics_enabled=False) as page:
        component = make()
        gr.Button().click(lambda value: value, component, None)
    (function,) = page.fns.values()
    (value,) = asyncio.run(page.preprocess_data(function, [sent], None))
    return value


def as_file(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def test_a_file_that_is_no_picture_reaches_the_handler_unopened(text_file: str) -> None:
    assert received(photo_input, as_file(text_file)) == text_file
    assert received(photo_input, None) is None


CHANGES = {
    "radio": (lambda: gr.Radio([]), open_radio, "cats", "cats"),
    "dropdown": (lambda: gr.Dropdown([("Dogs", "dogs")]), lambda: open_dropdown([("Dogs", "dogs")]), "cats", "cats"),
    "number": (lambda: gr.Number(1, minimum=1), lambda: number_input(1, minimum=1), 0, 0),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_gradio_refuses_reaches_the_handler(kind: str) -> None:
    plain, bent, sent, got = CHANGES[kind]
    with pytest.raises(gr.Error):  # else there is nothing to bend any more
        received(plain, sent)
    assert received(bent, sent) == got


def test_gradio_still_opens_pictures_itself(text_file: str) -> None:
    with pytest.raises(Exception, match="cannot identify image file"):
        received(lambda: gr.Image(type="filepath"), as_file(text_file))


def test_what_is_no_text_is_no_choice() -> None:
    assert received(open_radio, None) == received(open_radio, ["a"]) == ""


def test_a_range_is_shown_to_the_browser() -> None:
    shown = number_input(5, minimum=1, maximum=9).get_config()
    assert (shown["minimum"], shown["maximum"]) == (1, 9)
