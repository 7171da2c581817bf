"""When somebody was last heard of: known of everybody who has something, and nothing on the disk for the others."""

import os
import time
from pathlib import Path

import pytest

from tests.visits.conftest import OTHER, OWNER, a_run
from tl_engine.base.settings import Settings
from tl_engine.sources import collection
from tl_engine.visits import disk, seen
from tl_engine.workspaces.workspace import Workspace, new_token


def mark(here: Settings, token: str = OWNER) -> Path:
    return disk.marks_folder(here) / token


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + seconds)


def test_a_made_up_token_makes_nothing_on_the_disk_and_is_remembered(here: Settings) -> None:
    visitor = Workspace(here, new_token())
    assert seen.last_seen(here, visitor.token) is None
    seen.note(visitor)
    assert not here.uploads.exists()
    assert time.time() - (seen.last_seen(here, visitor.token) or 0) < 60


def test_who_brought_or_started_something_has_a_mark_that_only_this_program_reads(here: Settings) -> None:
    collection.create(here.uploads / OWNER, "Pets")
    a_run(here, "1" * 32, OTHER)
    for token in (OWNER, OTHER):
        seen.note(Workspace(here, token))
        assert mark(here, token).stat().st_mode & 0o077 == 0
    assert disk.marks_folder(here).stat().st_mode & 0o077 == 0
    assert sorted(seen.marked(here)) == [OWNER, OTHER]
    assert not (here.uploads / OTHER).exists()


def test_a_mark_is_touched_at_most_once_a_minute(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = Workspace(here, OWNER)
    collection.create(visitor.folder, "Pets")
    seen.note(visitor)
    os.utime(mark(here), (1000, 1000))
    seen.note(visitor)
    assert seen.last_seen(here, OWNER) == 1000
    later(monkeypatch, seen.EVERY + 1)
    seen.note(visitor)
    assert (seen.last_seen(here, OWNER) or 0) > 1000


def test_what_went_by_its_age_is_known_and_counts_as_no_sign_of_life(here: Settings) -> None:
    visitor = Workspace(here, OWNER)
    collection.create(visitor.folder, "Pets")
    seen.note(visitor)
    os.utime(mark(here), (1000, 1000))
    seen.remember_gone(here, OWNER, ["upload:x"])
    seen.remember_gone(here, OWNER, ["1" * 32])
    assert seen.gone(here, OWNER) == ["upload:x", "1" * 32]
    assert seen.last_seen(here, OWNER) == 1000
    assert mark(here).stat().st_mode & 0o077 == 0
    seen.forget(here, OWNER)
    assert seen.gone(here, OWNER) == []


@pytest.mark.parametrize("token", ["", "..", "../x", "A" * 32, "codes.json", None, 7])
def test_what_is_no_token_was_never_seen(token: str, here: Settings) -> None:
    disk.name_disk(here)
    assert seen.last_seen(here, token) is None


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"gone": 7}', b'{"gone": [7, null]}', b"\xff"])
def test_a_damaged_mark_remembers_nothing_and_stops_nobody(damage: bytes, here: Settings) -> None:
    visitor = Workspace(here, OWNER)
    disk.make_marks_folder(here)
    mark(here).write_bytes(damage)
    seen.note(visitor)
    assert seen.gone(here, OWNER) == []


def test_a_disk_keeps_its_name_and_another_has_another(here: Settings, tmp_path: Path) -> None:
    assert disk.disk_name(here) == ""
    disk.name_disk(here)
    first = disk.disk_name(here)
    disk.name_disk(here)
    assert disk.disk_name(here) == first != ""
    here.uploads.rename(tmp_path / "lost")
    disk.name_disk(here)
    assert disk.disk_name(here) not in ("", first)
