"""Which runs there are: whose, the newest first, and right also when one came, went, or another took its name."""

import os
import shutil
from pathlib import Path

import pytest

from tl_engine.base.settings import Settings
from tl_engine.ledger import listing
from tl_engine.ledger.listing import runs_of
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import Run

OWNER, OTHER = "a" * 32, "b" * 32
CONFIG = TrainConfig(data="digits")


def made(settings: Settings, name: str, workspace: str | None) -> Run:
    return queue.create(CONFIG, settings, name, workspace=workspace)


def aged(folder: Path, seconds: float = 60) -> None:
    """As if nothing had come or gone for so long."""
    at = folder.stat().st_mtime - seconds
    os.utime(folder, (at, at))


def test_runs_are_their_owners_and_the_newest_comes_first(settings: Settings) -> None:
    first, hosts, theirs, last = (
        made(settings, name, who) for name, who in (("1", OWNER), ("2", None), ("3", OTHER), ("4", OWNER))
    )
    assert runs_of(settings, (OWNER, None)) == [last, hosts, first]
    assert runs_of(settings, (OTHER,)) == [theirs]
    assert runs_of(settings, ("c" * 32,)) == []


def test_a_folder_that_is_not_there_has_no_runs(settings: Settings) -> None:
    assert runs_of(settings, (OWNER, None)) == []


def test_a_folder_in_which_nothing_came_or_went_is_not_listed_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made(settings, "1", OWNER)
    aged(settings.runs)
    assert runs_of(settings, (OWNER,)) == [run]

    def never(_settings: Settings) -> list[Run]:
        raise AssertionError

    monkeypatch.setattr(listing, "list_runs", never)
    assert runs_of(settings, (OWNER,)) == [run]


def test_what_came_and_went_since_is_seen(settings: Settings) -> None:
    run = made(settings, "1", OWNER)
    aged(settings.runs)
    assert runs_of(settings, (OWNER,)) == [run]
    another = made(settings, "2", OWNER)
    assert runs_of(settings, (OWNER,)) == [another, run]
    shutil.rmtree(run.folder)
    assert runs_of(settings, (OWNER,)) == [another]
    shutil.rmtree(another.folder)
    made(settings, "2", OTHER)
    assert runs_of(settings, (OWNER,)) == []


def test_a_change_within_the_tick_of_a_clock_is_not_missed(settings: Settings) -> None:
    """Of two runs made in one tick the folder's time tells only the first: what is so young is looked at again."""
    run = made(settings, "1", OWNER)
    assert runs_of(settings, (OWNER,)) == [run]
    before = settings.runs.stat()
    another = made(settings, "2", OWNER)
    os.utime(settings.runs, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert runs_of(settings, (OWNER,)) == [another, run]
