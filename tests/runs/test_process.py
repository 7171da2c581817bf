"""A training's own process lets those who wait for an answer go first."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tl_engine.runs.process import NICENESS, STEPS_BACK, niceness, step_back


@pytest.mark.skipif(os.name != "posix", reason="niceness is a number on POSIX only")
def test_a_started_process_steps_back_and_so_do_its_threads_and_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STEPS_BACK)
    code = (
        "import os, threading; input(); print(os.nice(0)); threading.Thread(target=lambda: print(os.nice(0))).start()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        own = psutil.Process().nice()
        step_back(process.pid)
        said, _ = process.communicate("\n", timeout=60)
    assert said.split() == [str(max(own, NICENESS))] * 2
    assert psutil.Process().nice() == own


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="only Linux shares cores between sessions")
@pytest.mark.parametrize("own_session", [True, False])
def test_a_session_of_its_own_steps_back_as_a_whole_and_no_session_of_others_does(
    own_session: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STEPS_BACK, "7")  # what the tests' own session is not worth

    def worth(pid: str | int) -> str:
        return Path(f"/proc/{pid}/autogroup").read_text().split("nice ")[-1].strip()

    ours = worth("self")
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=own_session) as process:
        step_back(process.pid)
        assert worth(process.pid) == ("7" if own_session else ours)
        process.communicate(b"\n", timeout=60)
    assert worth("self") == ours


@pytest.mark.parametrize(
    ("written", "meant"), [("0", 0), ("19", 19), ("20", 19), ("-5", 0), ("much", NICENESS), ("", NICENESS)]
)
def test_the_owner_says_how_far_trainings_step_back(written: str, meant: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STEPS_BACK, written)
    assert niceness() == meant


def test_a_training_may_not_step_back_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STEPS_BACK, "0")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        step_back(process.pid)
        assert psutil.Process(process.pid).nice() == psutil.Process().nice()
        process.communicate(b"\n", timeout=60)


def test_a_process_that_is_gone_is_no_error() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    step_back(gone.pid)
