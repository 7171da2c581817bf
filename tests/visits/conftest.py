"""What tests of visits share: a page for strangers, with folders of its own."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from tl_engine.base.settings import SHARED, Settings
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import Run, list_runs

OWNER, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def here(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of a page for strangers; what it hands out lies in `handed`; runs are stopped afterwards."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "handed"))
    shared = dataclasses.replace(settings, limits=dataclasses.replace(SHARED, free_bytes=0))
    yield shared
    for run in list_runs(shared):
        queue.stop(run, shared)


def a_run(here: Settings, name: str, workspace: str | None, *, over: bool = True, data: str = "digits") -> Run:
    """A run that waits, or was stopped while it did."""
    run = queue.create(TrainConfig(data=data), here, name, workspace=workspace)
    if over:
        run.ask_to_stop()
    return run
