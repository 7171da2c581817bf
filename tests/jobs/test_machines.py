"""A training on machines elsewhere, end to end against a hub and jobs on this machine: what goes, what comes home."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import own_settings
from tests.hub.conftest import hub as hub
from tests.hub_jobs import Jobs
from tests.hub_server import TOKEN, Hub
from tests.tiles import tiles
from tl_engine.base.errors import ConfigError, EngineError, HubError
from tl_engine.base.events import DataRead, EpochEnd, Event, Note, RunEnded, RunStarted
from tl_engine.base.settings import PROJECT, Settings
from tl_engine.classifiers.predictor import Predictor
from tl_engine.classifiers.reference import Reference
from tl_engine.jobs.luggage import luggage, own_photos
from tl_engine.jobs.machines import Machines, machines, train_there
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import JOB, Run

QUICK = "echo not json; exit 3"
TOLD = '{"kind": "run_ended", "state": "finished", "reason": "all epochs done", "run_folder": "/x/runs/job", '
TOLD += '"best_val_accuracy": 1.0, "best_epoch": 1, "seconds": 1.0}'


@pytest.fixture
def jobs(hub: Hub, tmp_path: Path) -> Iterator[Jobs]:
    hub.jobs = Jobs(hub, tmp_path / "jobs")
    yield hub.jobs
    hub.jobs.end_all()


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return own_settings(tmp_path / "here")


def trained(
    config: TrainConfig, settings: Settings, stop: threading.Event | None = None, there: Machines | None = None
) -> tuple[Run, list[Event]]:
    """The run, and all that was told of it."""
    there = there or machines("cpu-basic", "10m", TOKEN)
    photos = own_photos(config, settings)
    run = queue.create(config, settings, "mine")
    told = []
    for event in train_there(there, config, photos, run, settings, (stop or threading.Event()).is_set):
        told.append(run.log(event))
    return run, told


def ending(told: list[Event]) -> RunEnded:
    """The last event, which is the only one of its kind, in one sentence."""
    assert [isinstance(event, RunEnded) for event in told] == [False] * (len(told) - 1) + [True]
    ended = told[-1]
    assert isinstance(ended, RunEnded)
    assert ". " not in ended.reason
    assert TOKEN not in ended.reason
    return ended


@pytest.mark.slow
def test_the_whole_way_there_and_home(jobs: Jobs, hub: Hub, here: Settings, tmp_path: Path) -> None:
    photos = tiles(tmp_path / "private photos")
    config = TrainConfig(data=str(photos), epochs=3)
    run, told = trained(config, here)
    ended = ending(told)
    (job,) = jobs.jobs.values()
    assert (ended.state, ended.run_folder) == ("finished", str(run.folder)), (ended.reason, job.log[-20:])
    assert run.state() == "finished"
    started = next(event for event in told if isinstance(event, RunStarted))
    assert (started.run_folder, started.config["data"]) == (str(run.folder), str(photos))
    assert next(e for e in told if isinstance(e, DataRead)).counts["temple"] == {"train": 10, "val": 4}
    assert len([event for event in told if isinstance(event, EpochEnd)]) >= 1
    # the classifier works here, and knows its photos by their names here
    predictor = Predictor.load(run.best, here)
    assert predictor.classes == ("flower", "temple")
    reference = Reference.load(run.report)
    assert reference is not None
    assert "train/flower/00.jpg" in reference.files
    listing = json.loads(run.manifest.read_text())
    assert listing["root"] == str(photos)
    assert all((photos / photo["file"]).is_file() for photo in listing["photos"])
    report = json.loads((run.report / "report.json").read_text())
    assert (report["run"], report["photos"], report["photos_here"]) == ("mine", 8, True)
    assert len(list((run.report / "photos").iterdir())) >= 8
    assert json.loads((run.best / "meta.json").read_text())["config"]["data"] == "private photos"
    # nothing is left there, and no path or token went or came
    assert hub.repos == {}
    assert not (run.folder / JOB).exists()
    assert not list(run.folder.glob(".*"))
    assert job.spec["secrets"] == {"HF_TOKEN": TOKEN}
    rest = json.dumps({name: value for name, value in job.spec.items() if name != "secrets"})
    assert TOKEN not in rest
    assert str(tmp_path) not in rest
    assert TOKEN not in "\n".join(job.log)
    events = (run.folder / "events.jsonl").read_text()
    assert TOKEN not in events
    assert str(jobs.place) not in events


@pytest.mark.slow
@pytest.mark.usefixtures("jobs")
def test_the_terminal_trains_there_and_predicts_here(here: Settings, tmp_path: Path) -> None:
    photos = tiles(tmp_path / "photos")
    environment = os.environ | {"HF_TOKEN": TOKEN}
    base = [sys.executable, "-m", "tl_engine"]
    folders = ["--runs", str(here.runs), "--cache-dir", str(here.cache)]
    done = subprocess.run(
        [*base, "train", "--data", str(photos), "--epochs", "2", "--name", "far", "--on", "hf-jobs", "--flavor",
         "cpu-basic", "--json", *folders],
        capture_output=True, text=True, env=environment, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told[-1]["kind"] == "run_ended"
    assert TOKEN not in done.stdout + done.stderr
    asked = [*base, "predict", "far", str(photos / "val" / "temple" / "10.jpg"), "--json", "--runs", str(here.runs)]
    answer = subprocess.run(asked, capture_output=True, text=True, env=environment, timeout=120, check=True)
    row = json.loads(answer.stdout.splitlines()[0])
    assert max(row["probabilities"], key=row["probabilities"].get) == "temple"


def test_what_goes_along_names_no_folder_of_this_machine(here: Settings, tmp_path: Path) -> None:
    photos = tiles(tmp_path / "private photos")
    config = TrainConfig(data=str(photos), layout="splits")
    own = own_photos(config, here)
    assert own is not None
    assert own.words.startswith("28 photos")
    (tmp_path / "place").mkdir()
    files = luggage(config, own, "t4-small", tmp_path / "place")
    small = {name: content for name, content in files.items() if isinstance(content, bytes)}
    assert set(small) == {"requirements.txt", "job.json", "mends.json"}
    assert all(b"private" not in content and str(tmp_path).encode() not in content for content in small.values())
    assert json.loads(small["mends.json"])["layout"] == "splits"
    assert b"gradio" not in small["requirements.txt"]
    assert b"torch==2.10.0" in small["requirements.txt"]
    assert not [name for name in files if name.startswith(("tests", "docs", "weights/cache"))]


def test_a_sample_is_named_and_not_sent(here: Settings, tmp_path: Path) -> None:
    config = TrainConfig(data="digits")
    assert own_photos(config, here) is None
    files = luggage(config, None, "cpu-basic", tmp_path)
    assert "data.zip" not in files
    order = files["job.json"]
    assert isinstance(order, bytes)
    assert json.loads(order)["data"] == "digits"


# --- before anything is made -----------------------------------------------------------------------------------------


def refusal(kind: type[EngineError] = HubError, **more: Any) -> str:
    with pytest.raises(kind) as caught:
        machines(**{"flavor": "cpu-basic", "timeout": "2h", "token": TOKEN} | more)
    text = str(caught.value)
    assert text.endswith(".")
    assert ". " not in text
    assert "hf_" not in text
    return text


def test_refusals_come_before_anything_is_made(jobs: Jobs, hub: Hub) -> None:
    assert "There is no token" in refusal(token=None)
    assert "does not know this token" in refusal(token="hf_of_nobody")
    assert "cpu-basic, t4-small" in refusal(ConfigError, flavor="h900")
    assert "such as 2h" in refusal(ConfigError, timeout="long")
    assert hub.repos == {}
    assert jobs.jobs == {}


# --- half way --------------------------------------------------------------------------------------------------------


def failed(jobs: Jobs, here: Settings) -> str:
    run, told = trained(TrainConfig(data="digits"), here)
    ended = ending(told)
    assert (ended.state, run.state()) == ("failed", "failed")
    assert ended.best_val_accuracy is None
    assert not run.best.exists()
    assert all(job.state() != "RUNNING" for job in jobs.jobs.values())
    return ended.reason


def test_an_account_that_cannot_pay(jobs: Jobs, hub: Hub, here: Settings) -> None:
    jobs.breaks = {"pay"}
    assert "has to pay for that" in failed(jobs, here)
    assert hub.repos == {}


def test_a_job_that_fails_tells_its_last_line(jobs: Jobs, hub: Hub, here: Settings) -> None:
    jobs.script = QUICK
    assert "(error, not json)" in failed(jobs, here)
    assert hub.repos == {}


def test_a_lost_log_ends_the_job(jobs: Jobs, hub: Hub, here: Settings) -> None:
    jobs.script, jobs.breaks = "sleep 60", {"logs"}
    assert "was lost" in failed(jobs, here)
    assert hub.repos == {}


def test_a_job_that_sends_nothing_home_did_not_finish(jobs: Jobs, hub: Hub, here: Settings) -> None:
    jobs.script = f"echo '{TOLD}'"
    assert "sent nothing home" in failed(jobs, here)
    assert hub.repos == {}


def test_a_repository_that_cannot_be_deleted_is_named(jobs: Jobs, hub: Hub, here: Settings) -> None:
    jobs.script = "sed -i 's/x/x/' /dev/null; exit 4"
    hub.breaks = {"delete"}
    reason = failed(jobs, here)
    (name,) = hub.repos
    assert f"the private repository {name} is left on the hub" in reason
    assert hub.repos[name].private
    assert json.loads((here.runs / "mine" / JOB).read_text())["repository"] == name


@pytest.mark.parametrize("stage", ["lfs", "commit", "cut"])
def test_what_breaks_on_the_way_there_leaves_nothing(jobs: Jobs, hub: Hub, here: Settings, stage: str) -> None:
    hub.breaks = {stage}
    assert "nothing is left there" in failed(jobs, here)
    assert hub.repos == {}
    assert jobs.jobs == {}


SEND = """
import os
from tl_engine.hub.access import hub_api
from huggingface_hub import CommitOperationAdd as Add
files = {"best/meta.json": b"{}", "best/model.safetensors": b"no tensors"}
hub_api(os.environ["HF_TOKEN"]).create_commit(os.environ["TL_JOB"].split("@")[0], [
    Add("home/" + name, content) for name, content in files.items()], commit_message="x")
"""


@pytest.mark.slow
def test_what_is_no_classifier_stays_there_and_is_named(jobs: Jobs, hub: Hub, here: Settings) -> None:
    (jobs.place.parent / "send.py").write_text(SEND)
    jobs.script = f"echo '{TOLD}'; PYTHONPATH={PROJECT} python {jobs.place.parent / 'send.py'}"
    reason = failed(jobs, here)
    (name,) = hub.repos
    assert "not what it should be" in reason
    assert reason.endswith(f"it is kept in {name}")


@pytest.mark.slow
def test_stopping_cancels_the_job_within_seconds(jobs: Jobs, hub: Hub, here: Settings) -> None:
    jobs.script = "sleep 60"
    stop = threading.Event()
    threading.Timer(1.5, stop.set).start()
    began = time.monotonic()
    run, told = trained(TrainConfig(data="digits"), here, stop)
    assert ending(told).state == "stopped"
    assert time.monotonic() - began < 10
    (job,) = jobs.jobs.values()
    assert job.state() == "CANCELED"
    assert hub.repos == {}
    assert run.state() == "stopped"


@pytest.mark.slow
def test_a_job_that_cannot_be_cancelled_is_named(jobs: Jobs, here: Settings) -> None:
    jobs.script, jobs.breaks = "sleep 60", {"cancel"}
    stop = threading.Event()
    threading.Timer(1.5, stop.set).start()
    _, told = trained(TrainConfig(data="digits"), here, stop)
    assert re.search(r"may go on: cancel it at \S+/jobs/tester/0+1$", ending(told).reason)


def test_lines_that_are_no_events_or_odd_ones_are_left_out(jobs: Jobs, here: Settings) -> None:
    odd = ['{"kind": "epoch_end", "epoch": "x"}', '{"kind": "unheard_of"}', '{"kind": "note", "message": 7}', "plain"]
    jobs.script = "\n".join(f"echo '{line}'" for line in [*odd, '{"kind": "note", "message": "at /some/where/y"}'])
    _, told = trained(TrainConfig(data="digits"), here)
    assert [event.message for event in told if isinstance(event, Note)][2:] == ["at y"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["keyboard", "command"])
def test_ending_the_command_ends_the_job(jobs: Jobs, hub: Hub, here: Settings, how: str) -> None:
    jobs.script = "sleep 100"
    command = [sys.executable, "-m", "tl_engine", "train", "--data", "digits", "--name", "far", "--on", "hf-jobs",
               "--flavor", "cpu-basic", "--runs", str(here.runs), "--cache-dir", str(here.cache)]  # fmt: skip
    process = subprocess.Popen(command, env=os.environ | {"HF_TOKEN": TOKEN}, stdout=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 60
        while not jobs.jobs and time.monotonic() < until:
            time.sleep(0.1)
        run = Run(here.runs / "far")
        if how == "keyboard":
            process.send_signal(signal.SIGINT)
        else:
            queue.stop(run, here)
        output = process.communicate(timeout=30)[0]
    finally:
        process.kill()
    assert process.returncode == 130 or how == "command"  # there psutil waited for it
    assert "stopped on request" in output
    assert [job.state() for job in jobs.jobs.values()] == ["CANCELED"]
    assert hub.repos == {}
    assert run.state() == "stopped"
