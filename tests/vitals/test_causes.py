"""A run whose process told no end has a cause in words all the same."""

import json
import os
from pathlib import Path

import psutil
import pytest

from tl_engine.base.events import Note
from tl_engine.commands.printing import JsonLines, Teller
from tl_engine.runs.process import DIED, ERRORS
from tl_engine.runs.run import EVENTS, PROCESS, Run
from tl_engine.vitals import causes
from tl_engine.vitals.causes import cause_of_death


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """One whose process, number 4711, is gone."""
    (tmp_path / PROCESS).write_text(json.dumps({"pid": 4711, "created": 1.0, "after": 0}))
    run = Run(tmp_path)
    run.log(Note(message="at work"))
    return run


def died(run: Run, status: int, *, memory: bool = False, pid: int = 4711) -> None:
    (run.folder / DIED).write_text(json.dumps({"pid": pid, "status": status, "memory": memory}))


@pytest.mark.parametrize(
    ("status", "memory", "words"),
    [
        (-9, True, "the memory was full"),
        (-9, False, "ended from outside (SIGKILL)"),
        (-15, False, "ended from outside (SIGTERM)"),
        (-11, False, "it crashed (SIGSEGV)"),
        (-6, False, "it crashed (SIGABRT)"),
    ],
)
def test_what_its_parent_saw_is_the_cause(status: int, memory: bool, words: str, run: Run) -> None:
    died(run, status, memory=memory)
    assert words in cause_of_death(run)


def test_the_death_of_an_earlier_process_is_not_that_of_this_one(run: Run) -> None:
    died(run, -11, pid=12)
    assert cause_of_death(run) == causes.UNKNOWN


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("MemoryError", "the memory was full"),
        ("RuntimeError: CUDA error: unspecified launch failure", "CUDA error: unspecified launch failure"),
        ("ValueError: cannot read /home/somebody/secret/photo.png", "cannot read photo.png"),
    ],
)
def test_the_last_line_of_a_crash_is_the_cause_without_paths(line: str, words: str, run: Run) -> None:
    (run.folder / ERRORS).write_text(f"Traceback (most recent call last):\n  File x\n{line}\n")
    assert words in cause_of_death(run)
    assert "/home" not in cause_of_death(run)


def test_a_crash_says_its_last_line_too(run: Run) -> None:
    died(run, -6)
    (run.folder / ERRORS).write_text("RuntimeError: corrupted size vs. prev_size\n")
    assert cause_of_death(run) == "it crashed (SIGABRT): RuntimeError: corrupted size vs. prev_size"


def test_a_restart_since_its_last_sign_is_the_cause(run: Run) -> None:
    before = psutil.boot_time() - 3600
    for name in (PROCESS, EVENTS):
        os.utime(run.folder / name, (before, before))
    assert cause_of_death(run) == causes.RESTARTED


def test_nothing_known_is_said_as_that(run: Run) -> None:
    (run.folder / ERRORS).write_text("UserWarning: nothing bad\n")
    assert cause_of_death(run) == causes.UNKNOWN


def test_the_last_word_has_room_on_a_disk_that_is_full(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for a disk that takes nothing until something is given back."""
    from tl_engine.runs.saved_classifier import ending
    from tl_engine.vitals.pulse import ALIVE, Pulse

    Pulse(run).beat()
    whole = Run.log

    def log(self: Run, event: object) -> object:
        if (self.folder / ALIVE).exists():
            raise OSError(28, "No space left on device")
        return whole(self, event)  # type: ignore[arg-type]

    monkeypatch.setattr(Run, "log", log)
    tell = Teller(JsonLines(), run)
    tell(Note(message="lost"))
    tell(ending(run, "failed", "The disk is full: make room."))
    assert (ended := run.events()[0][-1]).kind == "run_ended"
    assert "disk is full" in getattr(ended, "reason", "")
