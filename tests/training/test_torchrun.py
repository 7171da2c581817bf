"""The same training under torchrun: two processes on this machine, the same result as one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeImages
from tl_engine.base.events import Note
from tl_engine.base.settings import Settings
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig

PROJECT = Path(__file__).resolve().parents[2]


def trained(folder: Path, tmp_path: Path, processes: int, strategy: str) -> list[dict[str, Any]]:
    name = f"{strategy}-{processes}"
    options = ["--data", str(folder), "--strategy", strategy, "--epochs", "3", "--batch-size", "8", "--json"]
    folders = ["--runs", str(tmp_path / "runs"), "--cache-dir", str(tmp_path / name), "--name", name]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "tl_engine", "train", *options, *folders]
    environment = os.environ | {"ACCELERATE_MIXED_PRECISION": "no"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["feature-extraction", "fine-tuning"])
def test_two_processes_give_the_accuracy_of_one(strategy: str, make_images: MakeImages, tmp_path: Path) -> None:
    folder = make_images(each=10, side=32)
    one, two = (trained(folder, tmp_path, processes, strategy) for processes in (1, 2))
    notes = [event["message"] for event in two if event["kind"] == "note"]
    assert any("2 processes" in note for note in notes)  # else this would compare one with one
    assert not any("processes" in event["message"] for event in one if event["kind"] == "note")
    kinds = [event["kind"] for event in two]
    assert kinds.count("run_started") == kinds.count("run_ended") == 1
    accuracies = [[e["val_accuracy"] for e in events if e["kind"] == "epoch_end"] for events in (one, two)]
    assert len(accuracies[1]) == 3
    assert one[-1]["best_val_accuracy"] == two[-1]["best_val_accuracy"]
    if strategy == "feature-extraction":  # every process sees all features, so even the losses agree
        losses = [[e["val_loss"] for e in events if e["kind"] == "epoch_end"] for events in (one, two)]
        assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    files = {path.name for path in (tmp_path / "runs" / f"{strategy}-2" / "best").iterdir()}
    assert files == {"meta.json", "model.safetensors"}


@pytest.mark.slow
def test_the_page_uses_all_gpus_and_the_next_run_starts_clean(
    make_images: MakeImages, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two GPUs are claimed that are not there: torchrun then starts two processes on the CPU, by the same code."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    config = TrainConfig.from_options({"data": str(make_images(each=10, side=32)), "epochs": 2})
    first, second = (queue.start(config, settings, name) for name in ("first", "second"))
    for run in (first, second):  # the second one is started by the first as it ends, out of torchrun's environment
        events = list(queue.follow(run))
        while run.state() == "queued":
            events = list(queue.follow(run))
        assert run.state() == "finished", (run.folder / "stderr.txt").read_text()[-2000:]
        assert any("2 processes" in event.message for event in events if isinstance(event, Note))
