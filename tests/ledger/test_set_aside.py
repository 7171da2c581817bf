"""Deleted a moment ago: whole, in no list, brought back for a minute by one only, and then gone."""

import time
from pathlib import Path

import pytest

from benchmarks.ended_runs import ended_run
from tl_engine.base.errors import RunError
from tl_engine.base.settings import Settings
from tl_engine.ledger import set_aside
from tl_engine.ledger.set_aside import FOLDER, Aside, bring_back, forget, sweep, take_out, taken_out
from tl_engine.runs.run import Run, list_runs


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def aside(run: Run) -> Aside:
    found = take_out(run)
    assert found is not None
    return found


def test_it_comes_back_as_it_was(settings: Settings) -> None:
    run = ended_run(settings, 1)
    before = contents(run.folder)
    out = aside(run)
    assert list_runs(settings) == []
    assert taken_out(settings.runs) == [out]
    assert out.run.facts == Run(out.folder).facts
    assert bring_back(out) == run
    assert contents(run.folder) == before
    assert taken_out(settings.runs) == []


def test_the_last_one_comes_first(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    names = []
    for number in range(3):
        monkeypatch.setattr(time, "time", lambda number=number: now + number)
        names.append(aside(ended_run(settings, number)).name)
    assert [out.name for out in taken_out(settings.runs)] == names[::-1]


def test_after_its_minute_it_does_not_come_back(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    out = aside(ended_run(settings, 1))
    later = time.time() + set_aside.UNDO_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(RunError, match="gone for good"):
        bring_back(out)
    assert out.folder.is_dir()  # until it is forgotten


def test_only_one_of_undo_and_the_end_has_it(settings: Settings) -> None:
    run = ended_run(settings, 1)
    out = aside(run)
    assert forget(out)
    assert not forget(out)
    with pytest.raises(RunError, match="gone for good"):
        bring_back(out)
    back = aside(ended_run(settings, 2))
    bring_back(back)
    assert not forget(back)
    assert [run.name for run in list_runs(settings)] == [back.name]


def test_one_that_another_tab_has_deleted_is_none(settings: Settings) -> None:
    run = ended_run(settings, 1)
    aside(run)
    assert take_out(run) is None


def test_another_run_of_that_name_is_not_overwritten(settings: Settings) -> None:
    out = aside(ended_run(settings, 1))
    other = contents(ended_run(settings, 1).folder)
    with pytest.raises(RunError, match="could not be brought back"):
        bring_back(out)
    assert contents(list_runs(settings)[0].folder) == other


def test_what_a_killed_deletion_left_goes_and_what_can_be_undone_stays(settings: Settings) -> None:
    kept, run = aside(ended_run(settings, 1)), ended_run(settings, 2)
    half, old = settings.runs / FOLDER / "gone-0123", settings.runs / ".deleted-89abcdef"
    for folder in (half, old):
        (folder / "best").mkdir(parents=True)
        (folder / "best" / "meta.json").touch()
    sweep(settings.runs)
    assert not half.exists()
    assert not old.exists()
    assert taken_out(settings.runs) == [kept]
    assert run.folder.is_dir()
