"""Runs in their own processes: queue, stop, death, adoption. Real processes, small data."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import MakeImages
from tl_engine import api
from tl_engine.base.errors import RunError
from tl_engine.base.events import EpochEnd, Note, RunEnded, RunStarted
from tl_engine.base.settings import Settings
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.process import Spare
from tl_engine.runs.run import EVENTS, GO_ON, OPEN_STATES, PROCESS, Run, find_run, list_runs


def config(folder: Path, **options: object) -> TrainConfig:
    return TrainConfig.from_options({"data": str(folder), "epochs": 2, **options})


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.fixture
def clean(settings: Settings) -> Iterator[Settings]:
    """Settings whose runs are all stopped afterwards, by their process ids."""
    yield settings
    for run in list_runs(settings):
        run.ask_to_stop()
    for run in list_runs(settings):
        process = run.process()
        if process and process.pid != os.getpid():
            process.kill()


def test_a_run_goes_from_queued_to_finished_in_its_own_process(make_images: MakeImages, clean: Settings) -> None:
    run = queue.start(config(make_images()), clean, "one", workspace="w")
    assert run.state() == "running"
    events = list(queue.follow(run))
    assert isinstance(events[0], RunStarted)
    assert events[0].process_id != os.getpid()
    assert isinstance(events[-1], RunEnded)
    assert events[-1].state == run.state() == "finished"
    assert [e.epoch for e in events if isinstance(e, EpochEnd)] == [1, 2]
    assert all(event.at for event in events)
    assert (run.best / "model.safetensors").is_file()
    assert list_runs(clean, workspace="w") == [run]
    assert list_runs(clean, workspace="another") == []


@pytest.mark.slow
def test_one_runs_and_the_rest_wait_in_order(make_images: MakeImages, clean: Settings) -> None:
    folder = make_images()
    first = queue.start(config(folder, epochs=10_000), clean, "first")
    second = queue.start(config(folder), clean, "second")
    third = queue.start(config(folder), clean, "third")
    assert [run.state() for run in (first, second, third)] == ["running", "queued", "queued"]
    assert [queue.place_in_queue(run, clean) for run in (first, second, third)] == [0, 1, 2]
    queue.stop(second, clean)
    assert second.state() == "stopped"
    wait_for(lambda: (first.folder / EVENTS).exists())
    queue.stop(first, clean)
    assert first.state() == "stopped"
    assert third.state() == "running"
    wait_for(lambda: third.state() == "finished")


def test_a_killed_process_is_told_as_interrupted_and_the_next_starts(make_images: MakeImages, clean: Settings) -> None:
    folder = make_images()
    first = queue.start(config(folder, epochs=10_000), clean, "first")
    second = queue.start(config(folder), clean, "second")
    wait_for(lambda: any(isinstance(e, EpochEnd) for e in first.events()[0]))
    process = first.process()
    assert process is not None
    process.kill()
    wait_for(lambda: first.state() == "interrupted", 5)
    queue.advance(clean)
    assert second.state() == "running"
    assert (first.best / "meta.json").is_file()


@pytest.mark.slow
def test_a_run_outlives_the_server_that_started_it(make_images: MakeImages, clean: Settings) -> None:
    """The parent is a process of its own, killed the hard way; this one then finds the run going on."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from tl_engine.runs import queue; from tl_engine.runs.config import *\n"
        "from tl_engine.base.settings import Settings\n"
        "s = Settings.make(runs=sys.argv[1]); c = TrainConfig.from_options({'data': sys.argv[2], 'epochs': 10000})\n"
        "queue.start(c, s, 'one'); print('started', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(clean.runs), str(make_images())]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"started\n"
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    run = find_run("one", clean)
    wait_for(lambda: sum(isinstance(e, EpochEnd) for e in run.events()[0]) >= 2)
    assert run.state() == "running"
    started = time.monotonic()
    queue.stop(run, clean)
    assert time.monotonic() - started < 5
    ended = run.ended()
    assert ended is not None
    assert ended.state == "stopped"
    assert ended.best_epoch is not None


@pytest.mark.slow
def test_a_process_that_does_not_listen_is_stopped_within_six_seconds(clean: Settings, make_images: MakeImages) -> None:
    deaf = [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"]
    process = subprocess.Popen(deaf)
    run = queue.create(config(make_images()), clean, "deaf", process=process.pid)
    time.sleep(0.3)
    started = time.monotonic()
    queue.stop(run, clean)
    assert time.monotonic() - started < 6
    assert run.state() == "stopped"
    assert not psutil.pid_exists(process.pid)


def test_a_number_given_to_another_process_is_not_our_run(make_images: MakeImages, clean: Settings) -> None:
    run = queue.create(config(make_images()), clean, "old", process=os.getpid())
    assert run.state() == "running"
    facts = {"pid": os.getpid(), "created": psutil.Process().create_time() - 100}
    (run.folder / PROCESS).write_text(json.dumps(facts))
    assert run.state() == "interrupted"


def test_two_processes_cannot_claim_one_run(make_images: MakeImages, clean: Settings) -> None:
    run = queue.create(config(make_images()), clean, "one")
    queue.claim(run)
    with pytest.raises(RunError, match="started already"):
        queue.claim(run)


def test_a_taken_name_is_refused_and_the_earlier_run_untouched(make_images: MakeImages, clean: Settings) -> None:
    run = queue.create(config(make_images()), clean, "one")
    before = {path: path.read_bytes() for path in run.folder.iterdir()}
    with pytest.raises(RunError, match="already there"):
        queue.create(config(make_images("more")), clean, "one")
    assert {path: path.read_bytes() for path in run.folder.iterdir()} == before
    assert sorted(path.name for path in clean.runs.iterdir()) == [".open", "one"]


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "-x", "a" * 81, "a\0b", "ä"])
def test_names_that_could_leave_the_folder_are_refused(name: str, clean: Settings) -> None:
    with pytest.raises(RunError, match="run's name"):
        find_run(name, clean)


def test_events_are_read_from_where_one_left_off_and_half_lines_wait(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.log(Note(message="one"))
    events, offset = run.events()
    assert [e.message for e in events if isinstance(e, Note)] == ["one"]
    with (tmp_path / EVENTS).open("a") as log:
        log.write('{"kind": "note", "mess')
    assert run.events(offset) == ([], offset)
    with (tmp_path / EVENTS).open("a") as log:
        log.write('age": "two"}\n')
    assert [e.message for e in run.events(offset)[0] if isinstance(e, Note)] == ["two"]


@pytest.mark.slow
def test_killed_at_any_moment_the_best_classifier_loads(make_images: MakeImages, clean: Settings) -> None:
    from tl_engine.classifiers.predictor import Predictor

    folder = make_images()
    for attempt in range(8):
        run = queue.start(config(folder, epochs=10_000, learning_rate=1e-5), clean, f"run{attempt}")
        wait_for(lambda run=run: (run.best / "meta.json").is_file())
        time.sleep(0.041 * attempt)
        process = run.process()
        assert process is not None
        process.kill()
        assert Predictor.load(run.best, clean).classes == ("blue", "red")


@pytest.mark.slow
def test_a_spare_process_makes_a_run_start_within_a_second(make_images: MakeImages, clean: Settings) -> None:
    spare = Spare()
    spare.prepare(dict(os.environ))
    time.sleep(15)  # its imports; there is nothing to ask it
    try:
        asked = time.time()
        run = queue.start(config(make_images()), clean, "spared", spare=spare)
        events = list(queue.follow(run, poll=0.05))
        assert isinstance(events[0], RunStarted)
        assert events[0].at is not None
        assert events[0].at - asked < 3  # 1 s on a quiet machine; starting anew takes 5 and more
        assert isinstance(events[-1], RunEnded)
        assert events[-1].state == "finished"
        assert events[-1].seconds < time.time() - asked + 1  # waiting idle does not count
    finally:
        spare.dismiss()


def stopped_run(settings: Settings, folder: Path, name: str = "one", **options: object) -> Run:
    """A run that was stopped in its third epoch, whose iteration is then whole, in this process."""
    events = api.train(config(folder, **{"epochs": 4, **options}), name=name, settings=settings)
    for event in events:
        if isinstance(event, EpochEnd) and event.epoch == 2:
            Run(settings.runs / name).ask_to_stop()
    run = Run(settings.runs / name)
    assert run.state() == "stopped"
    return run


def told_epochs(run: Run) -> list[int]:
    return [e.epoch for e in run.events()[0] if isinstance(e, EpochEnd)]


@pytest.mark.slow
def test_a_run_goes_on_in_a_process_of_its_own(make_images: MakeImages, clean: Settings) -> None:
    run = stopped_run(clean, make_images())
    before = run.ended()
    queue.resume(run, clean)
    assert run.state() == "running"
    assert run.ended() is None  # the end that was told is not the end
    with pytest.raises(RunError, match="at work already"):
        queue.resume(run, clean)
    wait_for(lambda: run.state() not in OPEN_STATES)
    assert run.state() == "finished"
    assert told_epochs(run) == [1, 2, 3, 4]
    events = run.events()[0]
    assert [e.resumed_from for e in events if isinstance(e, RunStarted)] == [None, 3]
    assert [e.state for e in events if isinstance(e, RunEnded)] == ["stopped", "finished"]
    after = run.ended()
    assert before is not None
    assert after is not None
    assert after.seconds > before.seconds
    assert not (run.folder / "checkpoint").exists()
    assert not (run.folder / GO_ON).exists()


@pytest.mark.slow
def test_a_run_that_goes_on_waits_at_the_end_of_the_line(
    make_images: MakeImages, clean: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = stopped_run(clean, make_images())
    launched: list[list[str]] = []

    def launch(arguments: list[str], *_: object) -> int:
        launched.append(arguments)
        return os.getpid()

    monkeypatch.setattr(queue, "launch", launch)
    first, second = (queue.start(config(make_images(n)), clean, n) for n in ("first", "second"))
    assert first.state() == "running"
    queue.resume(stopped, clean)
    for _ in range(20):
        with pytest.raises(RunError, match="waits in line"):
            queue.resume(stopped, clean)
    assert [run.state() for run in (second, stopped)] == ["queued", "queued"]
    assert [queue.place_in_queue(run, clean) for run in (first, second, stopped)] == [0, 1, 2]
    with pytest.raises(RunError, match="waits in line"):  # a process that the queue did not start for it
        queue.take_up(stopped)
    for run in (first, second):
        run.log(RunEnded(state="finished", reason="", run_folder="", best_val_accuracy=1, best_epoch=1, seconds=1))
        queue.advance(clean)
    assert launched[-1] == ["resume", str(stopped.folder), "--runs", str(clean.runs), "--json"]
    assert len(launched) == 3
    queue.take_up(stopped)  # this process was started for it
    assert stopped.state() == "running"
    with pytest.raises(RunError, match="at work already"):
        queue.take_up(stopped)


@pytest.mark.slow
def test_a_run_that_only_waited_to_go_on_is_again_what_it_was(
    make_images: MakeImages, clean: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "advance", lambda *_: False)
    run = stopped_run(clean, make_images())
    ended = run.ended()
    queue.resume(run, clean)
    assert run.state() == "queued"
    queue.stop(run, clean)
    assert run.state() == "stopped"
    assert run.ended() == ended


@pytest.mark.slow
def test_a_process_that_died_before_it_could_go_on_is_no_obstacle(
    make_images: MakeImages, clean: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "advance", lambda *_: False)
    run = stopped_run(clean, make_images())
    queue.resume(run, clean)
    gone = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    run.record_process(gone.pid, run.logged_bytes())
    assert run.state() == "running"
    gone.kill()
    gone.wait()
    assert run.state() == "interrupted"
    queue.resume(run, clean)
    assert run.state() == "queued"
    (run.folder / PROCESS).write_text("{}")  # as after another death
    queue.take_up(run)
    assert run.state() == "running"


@pytest.mark.slow
def test_a_finished_run_is_not_gone_on_with(make_images: MakeImages, clean: Settings) -> None:
    list(api.train(config(make_images()), name="one", settings=clean))
    with pytest.raises(RunError, match="is finished, there is nothing to go on with: train anew for more epochs"):
        queue.resume(Run(clean.runs / "one"), clean)


@pytest.mark.slow
def test_a_notebook_goes_on_with_a_run(make_images: MakeImages, clean: Settings) -> None:
    run = stopped_run(clean, make_images())
    events = list(api.resume("one", settings=clean))
    assert isinstance(events[0], RunStarted)
    assert [e.epoch for e in events if isinstance(e, EpochEnd)] == [4]
    assert run.state() == "finished"
    with pytest.raises(RunError, match="is finished"):
        api.resume("one", settings=clean)


@pytest.mark.slow
def test_a_line_that_was_cut_short_spoils_nothing_when_a_run_goes_on(make_images: MakeImages, clean: Settings) -> None:
    run = stopped_run(clean, make_images())
    with (run.folder / EVENTS).open("a") as log:
        log.write('{"kind": "epoch_e')
    (run.folder / PROCESS).unlink()  # it was this one's
    os.utime(run.folder / EVENTS, (0, 0))
    assert run.state() == "interrupted"
    list(api.resume("one", settings=clean))
    assert told_epochs(run) == [1, 2, 3, 4]


@pytest.mark.slow
def test_killed_while_it_goes_on_it_goes_on_again(make_images: MakeImages, clean: Settings) -> None:
    run = stopped_run(clean, make_images(), epochs=10_000, learning_rate=1e-4)
    queue.resume(run, clean)
    wait_for(lambda: len(told_epochs(run)) > 50)
    process = run.process()
    assert process is not None
    process.kill()
    wait_for(lambda: run.state() == "interrupted", 5)
    queue.resume(run, clean)
    wait_for(lambda: len(told_epochs(run)) > 500)
    queue.stop(run, clean)
    assert run.state() == "stopped"
    assert told_epochs(run) == list(range(1, len(told_epochs(run)) + 1))


@pytest.mark.slow
def test_a_spare_process_ends_with_whoever_kept_it() -> None:
    spare = Spare()
    spare.prepare(dict(os.environ))
    process = spare._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) == 0


@pytest.mark.slow
def test_the_host_reads_one_line_for_a_start_and_one_for_an_end_and_no_whole_name(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "tl_engine")
    run = queue.start(TrainConfig(data="digits", epochs=1), settings, "f" * 32, title="Secret photos")
    queue.stop(run, settings)
    queue.advance(settings)
    queue.advance(settings)
    lines = [record.message for record in caplog.records if "ffffff" in record.message]
    assert len([line for line in lines if "asked for" in line]) == 1
    assert len([line for line in lines if "ended" in line]) == 1
    assert run.name not in caplog.text
    assert "Secret" not in caplog.text


@pytest.mark.slow
def test_a_run_that_is_deleted_before_anybody_looked_is_not_followed_for_ever(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "tl_engine")
    run = queue.start(TrainConfig(data="digits", epochs=1), settings, "d" * 32)
    run.ask_to_stop()
    run.process().wait(60)  # type: ignore[union-attr]
    shutil.rmtree(run.folder)
    for _ in range(2):
        queue.advance(settings)
    assert len([r for r in caplog.records if "dddddd ended" in r.message]) == 1
