"""Whatever a process is doing, it is gone in time, and its run says why."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tl_engine.base.settings import PROJECT, Settings
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import Run
from tl_engine.runs.saved_classifier import STOPPED
from tl_engine.vitals.farewell import FROM_OUTSIDE, tell_own_runs

# A batch that takes a minute, in which no Python runs and which no signal cuts short.
BUSY = """
import hashlib, sys
from tl_engine.base.settings import Settings
from tl_engine.runs.run import Run
from tl_engine.vitals.farewell import TrainerFarewell
run = Run(__import__("pathlib").Path(sys.argv[1]))
farewell = TrainerFarewell(run, Settings.make(runs=sys.argv[1] + "/.."))
run.record_process(__import__("os").getpid())
if sys.argv[2] == "ended":
    farewell.claim_last_word()
print("busy", flush=True)
hashlib.pbkdf2_hmac("sha256", b"x", b"y", 400_000_000)
"""


def busy(run: Run, how: str = "") -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", BUSY, str(run.folder), how], cwd=PROJECT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"busy\n"
    return process


@pytest.fixture
def run(settings: Settings) -> Run:
    return queue.create(TrainConfig(data="digits"), settings, "one")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "reason"), [(signal.SIGTERM, FROM_OUTSIDE), (signal.SIGINT, STOPPED)])
def test_a_long_batch_delays_no_end_and_the_log_says_why(number: signal.Signals, reason: str, run: Run) -> None:
    process = busy(run)
    began = time.monotonic()
    for _ in range(3):  # the second and third are harmless
        os.kill(process.pid, number)
        time.sleep(0.2)
    assert process.wait(30) == 130
    assert time.monotonic() - began < 10
    ended = run.ended()
    assert ended is not None
    assert (ended.state, ended.reason) == ("stopped", reason)
    assert run.state() == "stopped"


@pytest.mark.slow
def test_a_stop_that_somebody_asked_for_is_told_as_that(run: Run) -> None:
    process = busy(run)
    run.ask_to_stop()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 130
    assert (ended := run.ended()) is not None
    assert ended.reason == STOPPED


@pytest.mark.slow
def test_an_end_that_was_told_is_not_told_again(run: Run) -> None:
    process = busy(run, "ended")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 130
    assert run.events()[0] == []


def test_fifty_processes_in_a_row_leave_no_zombie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tl_engine.runs import process

    monkeypatch.setattr(process, "gpus", lambda: 0)
    monkeypatch.setattr(process.sys, "executable", "/bin/true")
    numbers = [process.launch(["x"], tmp_path / "stderr.txt") for _ in range(50)]
    end = time.monotonic() + 30
    while time.monotonic() < end and any(psutil.pid_exists(number) for number in numbers):
        process.reap()
        time.sleep(0.1)
    assert [number for number in numbers if psutil.pid_exists(number)] == []


def test_what_killed_a_process_is_written_into_its_runs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tl_engine.runs import process
    from tl_engine.vitals.causes import KILLED, cause_of_death

    monkeypatch.setattr(process, "gpus", lambda: 0)
    stand_in = tmp_path / "python"
    stand_in.write_text("#!/bin/sh\nexec sleep 60\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr(process.sys, "executable", str(stand_in))
    run = Run(tmp_path)
    number = process.launch(["x"], tmp_path / "stderr.txt")
    run.record_process(number)
    os.kill(number, signal.SIGKILL)
    end = time.monotonic() + 20
    while time.monotonic() < end and not (tmp_path / process.DIED).exists():
        process.reap()
        time.sleep(0.05)
    assert run.process() is None
    assert cause_of_death(run) == KILLED
    deaths = iter([7])
    monkeypatch.setattr(process, "memory_deaths", lambda: next(deaths, 8))
    number = process.launch(["x"], tmp_path / "stderr.txt")
    run.record_process(number)
    os.kill(number, signal.SIGKILL)
    end = time.monotonic() + 20
    while time.monotonic() < end and "memory was full, so" not in cause_of_death(run):
        process.reap()
        time.sleep(0.05)
    assert "the memory was full, so the system ended it" in cause_of_death(run)


def test_a_run_that_threads_of_the_page_work_on_is_told_before_the_page_goes(settings: Settings) -> None:
    own = queue.create(TrainConfig(data="digits"), settings, "own", process=os.getpid())
    waits = queue.create(TrainConfig(data="digits"), settings, "waits")
    tell_own_runs(settings)
    tell_own_runs(settings)
    assert [getattr(event, "reason", "") for event in own.events()[0]] == [FROM_OUTSIDE]
    assert waits.state() == "queued"
