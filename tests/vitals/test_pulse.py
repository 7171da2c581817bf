"""Signs of life come from the loop itself, and their absence is noticed where somebody can tell."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tl_engine.base.events import Note
from tl_engine.runs.run import EVENTS, JOB, PROCESS, Run
from tl_engine.vitals.pulse import ALIVE, RESERVE, Pulse, Silence, make_room, silence, silence_words


class Clocks:
    """Two clocks that a test moves."""

    def __init__(self) -> None:
        self.monotonic, self.wall = 100.0, 1_000_000.0

    def pass_by(self, seconds: float, *, asleep: float = 0.0) -> None:
        self.monotonic += seconds
        self.wall += seconds + asleep


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def pulse(tmp_path: Path, clocks: Clocks) -> Pulse:
    return Pulse(Run(tmp_path), lambda: clocks.monotonic, lambda: clocks.wall)


@pytest.fixture
def working(tmp_path: Path) -> Iterator[Run]:
    """A run that another living process works on."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        run = Run(tmp_path)
        run.record_process(process.pid)
        yield run
        process.kill()


def silent_since(run: Run, seconds: float) -> float:
    """Let all signs of a run be so old; the moment."""
    at = time.time() - seconds
    for name in (EVENTS, ALIVE, PROCESS):
        if (run.folder / name).exists():
            os.utime(run.folder / name, (at, at))
    return at


def test_a_loop_touches_its_file_at_most_once_a_second(tmp_path: Path, pulse: Pulse, clocks: Clocks) -> None:
    pulse.beat()
    file = tmp_path / ALIVE
    assert file.stat().st_size == RESERVE
    os.utime(file, (0, 0))
    clocks.pass_by(0.5)
    pulse.beat()
    assert file.stat().st_mtime == 0
    clocks.pass_by(0.6)
    pulse.beat()
    assert file.stat().st_mtime > 0


@pytest.mark.slow
def test_nothing_beats_while_nobody_calls(tmp_path: Path) -> None:
    Pulse(Run(tmp_path)).beat()
    os.utime(tmp_path / ALIVE, (0, 0))
    time.sleep(1.5)
    assert (tmp_path / ALIVE).stat().st_mtime == 0


def test_a_sleep_of_the_computer_is_told_once_and_explains_what_goes_wrong_after_it(
    pulse: Pulse, clocks: Clocks
) -> None:
    pulse.beat()
    clocks.pass_by(5, asleep=2460)
    pulse.beat()
    assert pulse.news() == "The computer slept for 41 min; the training goes on."
    assert pulse.news() == ""
    clocks.pass_by(60)
    assert "had slept for 41 min" in pulse.after_sleep()
    clocks.pass_by(600)
    assert pulse.after_sleep() == ""


def test_a_clock_that_is_set_by_seconds_is_no_sleep(pulse: Pulse, clocks: Clocks) -> None:
    pulse.beat()
    clocks.pass_by(5, asleep=20)
    pulse.beat()
    assert pulse.news() == ""


def test_silence_is_said_after_ten_seconds_and_over_with_the_next_sign(working: Run) -> None:
    working.log(Note(message="one"))
    assert silence(working) is None
    at = silent_since(working, 12)
    assert silence(working) == Silence(int(at), 10)
    Pulse(working).beat()
    assert silence(working) is None


def test_silence_is_the_same_moment_until_it_has_lasted_much_longer(working: Run) -> None:
    at = silent_since(working, 0)
    looks = [silence(working, at + seconds) for seconds in (9, 11, 29, 31, 59, 61)]
    assert [look and look.more_than for look in looks] == [None, 10, 10, 30, 30, 60]
    assert {look.since for look in looks if look} == {int(at)}


def test_a_run_on_another_machine_is_not_accused(working: Run) -> None:
    silent_since(working, 300)
    assert silence(working) is not None
    (working.folder / JOB).write_text(json.dumps({"repository": "x", "job": ""}))
    assert silence(working) is None


def test_a_run_in_slices_of_this_process_is_not_accused(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.record_process(os.getpid())
    silent_since(run, 300)
    assert silence(run) is None


def test_the_words_say_since_when() -> None:
    at = int(time.mktime((2026, 11, 29, 20, 41, 7, 0, 0, -1)))
    words = silence_words(Silence(at, 30))
    assert words == "No news from the training process for more than 30 s, since 20:41:07."


def test_asking_whether_to_stop_is_a_sign_and_room_is_given_up(tmp_path: Path) -> None:
    asked = Pulse(Run(tmp_path)).beating(lambda: True)
    assert asked()
    assert (tmp_path / ALIVE).exists()
    make_room(Run(tmp_path))
    make_room(Run(tmp_path))
    assert not (tmp_path / ALIVE).exists()
