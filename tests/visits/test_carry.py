"""A code stands for a workspace: for ten minutes, once, and nobody guesses it."""

import time
from collections.abc import Iterator

import pytest

from tests.visits.conftest import OTHER, OWNER
from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.sources import collection
from tl_engine.visits import carry
from tl_engine.visits.carry import ALL_TRIES, LETTERS, LIFE, TRIES, check_code, make_code, use_code
from tl_engine.visits.disk import marks_folder
from tl_engine.workspaces.workspace import Workspace


@pytest.fixture(autouse=True)
def _nobody_tried() -> Iterator[None]:
    carry._WRONG.clear()
    yield
    carry._WRONG.clear()


@pytest.fixture
def owner(here: Settings) -> Workspace:
    visitor = Workspace(here, OWNER)
    collection.create(visitor.folder, "Pets")
    return visitor


def test_a_code_opens_its_workspace_once_however_it_is_typed(owner: Workspace) -> None:
    code = make_code(owner)
    assert len(code.replace("-", "")) == 8
    assert set(code) <= {*LETTERS, "-"}
    assert not set("01OIL") & set(LETTERS)
    typed = f" {code.lower().replace('-', ' ')} "
    assert check_code(owner.settings, typed, "ann") == owner
    assert use_code(owner.settings, typed, "ann") == owner
    with pytest.raises(EngineError, match="wrong, used or older"):
        use_code(owner.settings, code, "ann")


def test_a_newer_code_takes_the_place_of_the_one_before_and_of_nobody_elses(owner: Workspace) -> None:
    other = Workspace(owner.settings, OTHER)
    collection.create(other.folder, "Cars")
    first, theirs, second = make_code(owner), make_code(other), make_code(owner)
    with pytest.raises(EngineError):
        use_code(owner.settings, first, "ann")
    assert use_code(owner.settings, second, "ann") == owner
    assert use_code(owner.settings, theirs, "ben") == other


def test_a_code_lives_ten_minutes(owner: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    code, now = make_code(owner), time.time()
    monkeypatch.setattr(time, "time", lambda: now + LIFE - 5)
    assert check_code(owner.settings, code, "ann") == owner
    monkeypatch.setattr(time, "time", lambda: now + LIFE + 5)
    with pytest.raises(EngineError, match="older than ten minutes"):
        use_code(owner.settings, code, "ann")


def test_codes_outlive_a_restart_in_a_file_that_holds_no_code_and_nobody_else_reads(owner: Workspace) -> None:
    code = make_code(owner)
    file = marks_folder(owner.settings) / carry.FILE
    assert file.stat().st_mode & 0o077 == 0
    assert code.replace("-", "") not in file.read_text()
    assert use_code(Workspace(owner.settings, OTHER).settings, code, "ann") == owner
    assert file.read_text() == "{}"


def test_wrong_tries_are_few_for_each_and_a_right_one_waits_too(
    owner: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = make_code(owner)
    for _ in range(TRIES):
        with pytest.raises(EngineError, match="wrong, used"):
            check_code(owner.settings, "2222-2222", "ann")
    with pytest.raises(EngineError, match="Too many"):
        use_code(owner.settings, code, "ann")
    assert check_code(owner.settings, code, "ben") == owner
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + carry.WINDOW - 100)
    newer = make_code(owner)
    with pytest.raises(EngineError, match="Too many"):
        use_code(owner.settings, newer, "ann")
    monkeypatch.setattr(time, "time", lambda: now + carry.WINDOW + 1)
    assert use_code(owner.settings, make_code(owner), "ann") == owner


def test_wrong_tries_are_counted_for_all_together_too(owner: Workspace) -> None:
    code = make_code(owner)
    for number in range(ALL_TRIES):
        with pytest.raises(EngineError):
            check_code(owner.settings, "2222-2222", f"address {number}")
    with pytest.raises(EngineError, match="Too many"):
        use_code(owner.settings, code, "ann")


def test_who_has_nothing_gets_no_code_and_leaves_nothing(here: Settings) -> None:
    with pytest.raises(EngineError, match="Nothing here is yours yet"):
        make_code(Workspace(here, OWNER))
    assert not here.uploads.exists()


@pytest.mark.parametrize("sent", ["", None, 7, [], {}, "x" * 10_000, "../" + "A" * 8, "ABCD-EFG", "\ud800", OWNER])
def test_whatever_else_is_sent_is_a_wrong_code(sent: object, owner: Workspace) -> None:
    make_code(owner)
    with pytest.raises(EngineError, match="wrong, used"):
        use_code(owner.settings, sent, "ann")


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"x": 7}', '{"x": ["..", 9e99]}', '{"x": [null, null]}', "\xff"])
def test_a_damaged_file_of_codes_holds_none_and_a_new_code_works(damage: str, owner: Workspace) -> None:
    make_code(owner)
    (marks_folder(owner.settings) / carry.FILE).write_text(damage, encoding="latin-1")
    with pytest.raises(EngineError, match="wrong, used"):
        use_code(owner.settings, "ABCD-EFGH", "ann")
    assert use_code(owner.settings, make_code(owner), "ann") == owner
