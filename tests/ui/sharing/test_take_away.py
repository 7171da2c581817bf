"""Taking a classifier away from the page: made once, handed out, refused in words, and gone with its run."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from tests.exported import Exported
from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import Run
from tl_engine.workspaces import scratch
from ui.sharing import take_away
from ui.sharing.take_away import TakeAway

VERIFIED = {"verified": {"photos": 8, "same_class": 8, "largest_difference": 1e-6}}


def made(settings: Settings) -> TakeAway:
    with gr.Blocks():
        return TakeAway(settings, gr.BrowserState(""))


def no_bar(*_: Any, **__: Any) -> None:
    pass


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(scratch.VARIABLE, str(tmp_path / "handed"))


def writing(asked: list[list[str]]) -> Callable[..., dict[str, Any]]:
    """In place of the command: what it was asked, and a file where it was told."""

    def run(_name: str, arguments: list[str], _settings: Settings, _told: object) -> dict[str, Any]:
        asked.append(arguments)
        target = Path(arguments[2])
        if arguments[1] == "--page":
            target.mkdir()
            (target / "index.html").write_text("page")
        else:
            target.write_bytes(b"made")
        return VERIFIED

    return run


@pytest.mark.parametrize(("kind", "ending"), [("zip", ".zip"), ("single", ".html"), ("page", "-page.zip")])
def test_each_way_is_made_once_and_handed_out(
    exported: Exported, kind: str, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(take_away, "run_command", writing(asked))
    view = made(exported.settings)
    for _ in range(2):
        answer = view.make_export(kind, exported.run.name, no_bar)
        file = Path(answer[view.file].value["path"] if isinstance(answer[view.file].value, dict)
                    else answer[view.file].value)  # fmt: skip
        assert file.name.endswith(ending)
        assert file.stat().st_size > 0
        assert file.is_relative_to(scratch.handed_folder())
        assert "8 of 8" in answer[view.said]
    assert len(asked) == 1
    assert asked[0][0] == exported.run.name


def test_a_failed_one_leaves_nothing_to_hand_out(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise EngineError("The export could not be written.")

    monkeypatch.setattr(take_away, "run_command", refuse)
    view = made(exported.settings)
    with pytest.raises(EngineError):
        view.make_export("zip", exported.run.name, no_bar)
    asked: list[list[str]] = []
    monkeypatch.setattr(take_away, "run_command", writing(asked))
    view.make_export("zip", exported.run.name, no_bar)
    assert len(asked) == 1


def test_a_run_without_a_classifier_and_no_run_are_refused(settings: Settings) -> None:
    view = made(settings)
    run = queue.create(TrainConfig(data="digits"), settings, "1" * 32)
    for token in (run.name, "", "2" * 32, "../x"):
        with pytest.raises(EngineError):
            view.make_export("zip", token, no_bar)


def test_it_is_shown_with_a_classifier_only(settings: Settings) -> None:
    view = made(settings)
    assert view.show(None)[view.box].visible is False
    assert view.show(Run(settings.runs / "one"))[view.box].visible is True


@pytest.mark.slow
def test_it_is_really_made_in_a_process_of_its_own(exported: Exported) -> None:
    stages: list[str] = []

    def bar(_share: float, desc: str) -> None:
        stages.append(desc)

    view, started = made(exported.settings), time.monotonic()
    answer = view.make_export("zip", exported.run.name, bar)
    assert "8 of 8" in answer[view.said]
    assert any("checking" in stage for stage in stages)
    assert time.monotonic() - started < 120
