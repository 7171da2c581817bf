"""Who trains when: one of a workspace and of a person, and no program takes the places of those who press Train."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.visits.conftest import OTHER, OWNER, a_run
from tl_engine.base.errors import RunError
from tl_engine.base.settings import HOME, Settings
from tl_engine.runs import queue
from tl_engine.runs.run import Run, list_runs
from tl_engine.visits import turns
from tl_engine.visits.turns import FOR_THE_PAGE, Asker, begin, begin_lab, go_on
from tl_engine.workspaces.start import MOST_WAITING
from tl_engine.workspaces.workspace import Workspace, new_token

LONG = {"data": "digits", "epochs": 30, "strategy": "from-scratch", "architecture": "small_vgg"}


@pytest.fixture
def busy(here: Settings, idle: int) -> Settings:
    """A page where one training is at work, so that all others wait."""
    config = turns.start.checked_config(LONG, Workspace(here, OTHER))
    queue.create(config, here, "0" * 32, workspace=None, process=idle)
    return here


def visitor(here: Settings) -> Workspace:
    return Workspace(here, new_token())


def open_now(here: Settings) -> int:
    return sum(run.state() in ("queued", "running") for run in list_runs(here))


def test_a_workspace_has_one_whoever_asks(busy: Settings) -> None:
    one = Workspace(busy, OWNER)
    run, new = begin(LONG, one, Asker("ann"))
    assert new
    assert begin(LONG, one, Asker("ann")) == (run, False)
    assert begin(LONG, one, Asker("ben", program=True)) == (run, False)


def test_a_person_has_one_in_whichever_workspace_and_another_person_theirs(busy: Settings) -> None:
    run, _ = begin(LONG, visitor(busy), Asker("ann"))
    for asker in (Asker("ann"), Asker("ann", program=True)):
        with pytest.raises(RunError, match="a person may have 1"):
            begin(LONG, visitor(busy), asker)
    begin(LONG, visitor(busy), Asker("ben"))
    queue.stop(run, busy)
    assert begin(LONG, visitor(busy), Asker("ann"))[1]


def test_twenty_calls_of_one_client_at_once_are_one_run_on_a_shared_page(busy: Settings) -> None:
    def call(_number: int) -> bool:
        try:
            return begin(LONG, visitor(busy), Asker("ann", program=True))[1]
        except RunError:
            return False

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(call, range(20))) == 1
    assert begin(LONG, visitor(busy), Asker("ben"))[1]


@pytest.mark.slow
def test_five_who_press_at_once_are_one_that_runs_and_four_in_a_shown_order(
    here: Settings, no_process: list[list[str]]
) -> None:
    together = Barrier(5)

    def press(number: int) -> Run:
        together.wait(30)
        return begin(LONG, visitor(here), Asker(f"pupil {number}"))[0]

    with ThreadPoolExecutor(5) as pool:
        runs = list(pool.map(press, range(5)))
    assert len({run.name for run in runs}) == 5
    assert len(no_process) == 1
    assert sorted(run.state() for run in runs) == ["queued"] * 4 + ["running"]
    assert sorted(queue.place_in_queue(run, here) for run in runs if run.state() == "queued") == [1, 2, 3, 4]


@pytest.mark.parametrize("person", ["", "ann"], ids=["nobody", "somebody"])
def test_programs_leave_places_for_who_presses_train(person: str, busy: Settings) -> None:
    home = dataclasses.replace(busy, limits=HOME)
    for _ in range(MOST_WAITING - FOR_THE_PAGE - 1):  # and the one that is at work
        assert begin(LONG, visitor(home), Asker(person, program=True))[1]
    with pytest.raises(RunError, match="kept for people who press Train"):
        begin(LONG, visitor(home), Asker(person, program=True))
    for _ in range(FOR_THE_PAGE):
        assert begin(LONG, visitor(home), Asker(person))[1]
    assert open_now(home) == MOST_WAITING
    with pytest.raises(RunError):
        begin(LONG, visitor(home), Asker(person))


def test_a_lab_is_one_turn_of_three_trainings(busy: Settings) -> None:
    one = visitor(busy)
    runs = begin_lab("digits", "efficientnet_lite0", one, Asker("ann"))
    assert len(runs) == 3
    for asker in (Asker("ann"), Asker("ann", program=True)):
        with pytest.raises(RunError):
            begin(LONG, visitor(busy), asker)
    with pytest.raises(RunError):
        begin_lab("digits", "efficientnet_lite0", visitor(busy), Asker("ann"))


def test_a_lab_leaves_places_for_others(busy: Settings) -> None:
    for number in range(MOST_WAITING - FOR_THE_PAGE - 3):
        begin(LONG, visitor(busy), Asker(f"person {number}"))
    with pytest.raises(RunError, match="kept for people"):
        begin_lab("digits", "efficientnet_lite0", visitor(busy), Asker("ann"))
    assert begin(LONG, visitor(busy), Asker("ann"))[1]


def interrupted(here: Settings, workspace: str) -> Run:
    """A run whose process is gone."""
    run, _ = begin(LONG, Workspace(here, workspace), Asker())
    queue.stop(run, here)
    return run


def test_going_on_is_a_turn_too_and_a_second_press_changes_nothing(busy: Settings) -> None:
    run = interrupted(busy, OWNER)
    begin(LONG, visitor(busy), Asker("ann"))
    with pytest.raises(RunError, match="a person may have 1"):
        go_on(run.name, Workspace(busy, OWNER), Asker("ann"))
    assert run.state() == "stopped"
    assert go_on(run.name, Workspace(busy, OWNER), Asker("ben")) == run
    assert go_on(run.name, Workspace(busy, OWNER), Asker("ben")) == run
    with pytest.raises(RunError, match="not yours"):
        go_on(run.name, Workspace(busy, OTHER), Asker("cid"))


def test_a_refused_setting_costs_no_turn(busy: Settings) -> None:
    for _ in range(3):
        with pytest.raises(Exception, match="epochs"):
            begin(LONG | {"epochs": 0}, visitor(busy), Asker("ann"))
    assert begin(LONG, visitor(busy), Asker("ann"))[1]
    assert a_run(busy, "9" * 32, OTHER).state() == "stopped"
