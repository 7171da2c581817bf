"""What tests of the page share."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from tl_engine.base.settings import Settings
from tl_engine.runs import queue
from tl_engine.runs.run import list_runs


@pytest.fixture
def here(settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """Settings with uploads of their own; runs that were started are stopped afterwards."""
    own = dataclasses.replace(settings, uploads=tmp_path / "uploads")
    yield own
    for run in list_runs(own):
        queue.stop(run, own)


@pytest.fixture
def unserved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that are laid out and asked by hand: what would serve them takes most of the time, and is not made."""
    monkeypatch.setattr("gradio.blocks.App.create_app", lambda *_given, **_more: None)
