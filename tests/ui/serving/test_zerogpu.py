"""ZeroGPU with the real `spaces` package against a stand-in for its device service, on a CPU: the same code path.

Slow: each test starts programs of its own.
"""

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeImages
from tl_engine.base.settings import PROJECT

pytestmark = pytest.mark.slow

PROGRAM = """
import json, os, psutil, sys, threading, time
import spaces
import spaces.zero.torch as zero

zero.init, zero.move, zero.size = (lambda uuid: None), (lambda callback=None: None), (lambda: 0)
from tl_engine.base.settings import Settings
from tl_engine.networks.runtime import best_device
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.jobs import slices
from pathlib import Path
from ui.serving.zerogpu import lent_gpu
import torch

asked = json.loads(sys.argv[1])
slices.MOST_SECONDS, slices.MARGIN = asked["most"], asked["margin"]
place = Path(asked["place"])
folders = {name: place / name for name in ("runs", "backbones", "uploads", "cache")}
settings = Settings(data_dir=place / "data", **folders)
said = {"torch": torch.cuda.is_available(), "ours": best_device().type}
run = queue.start(TrainConfig.from_options(asked["config"]), settings, "one", spare=lent_gpu(settings))
if asked["stop"]:
    while not any(event.kind == "epoch_end" for event in run.events()[0]):
        time.sleep(0.05)
    queue.stop(run, settings)
for _ in queue.follow(run):
    pass
while any(thread.name.startswith("slices") for thread in threading.enumerate()):
    time.sleep(0.1)
print(json.dumps(said), flush=True)
for child in psutil.Process().children(recursive=True):  # the process with the GPU would keep our output open
    child.kill()
os._exit(0)
"""


class Devices(BaseHTTPRequestHandler):
    """What schedules GPUs; `refuse` is what it answers instead."""

    refuse = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        if self.path.startswith("/schedule"):
            device = {"idle": True, "nvidiaIndex": 0, "nvidiaUUID": "GPU-x", "allowToken": uuid.uuid4().hex}
            body = json.dumps(device).encode()
        refused = self.path.startswith("/schedule") and type(self).refuse
        self.send_response(type(self).refuse if refused else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Silence."""


@pytest.fixture
def devices() -> Iterator[ThreadingHTTPServer]:
    class Own(Devices):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def ask(devices: ThreadingHTTPServer, place: Path, config: dict[str, Any], most: int = 60, margin: float = 3.0,
        stop: bool = False) -> tuple[dict[str, Any], list[dict[str, Any]]]:  # fmt: skip
    """Run the program: what it said, and the run's log."""
    (place / "cgroup").write_text("0::/x")
    zero = {
        "SPACES_ZERO_GPU": "true",
        "SPACES_ZERO_DEVICE_API_URL": f"http://127.0.0.1:{devices.server_address[1]}",
        "ZEROGPU_PROC_SELF_CGROUP_PATH": str(place / "cgroup"),
        "PYTHONPATH": str(PROJECT),
    }
    asked = json.dumps({"place": str(place), "config": config, "most": most, "margin": margin, "stop": stop})
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM, asked], env=os.environ | zero, cwd=PROJECT,
                          capture_output=True, text=True, timeout=240, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    events = (place / "runs" / "one" / "events.jsonl").read_text().splitlines()
    said = next(json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"torch"'))
    return said, [json.loads(line) for line in events]


def notes(events: list[dict[str, Any]]) -> str:
    return " ".join(event["message"] for event in events if event["kind"] == "note")


def test_a_training_runs_where_a_gpu_is_lent(
    devices: ThreadingHTTPServer, make_images: MakeImages, tmp_path: Path
) -> None:
    said, events = ask(devices, tmp_path, {"data": str(make_images(each=8)), "epochs": 5})
    assert said == {"torch": True, "ours": "cpu"}  # torch would have us believe there is a GPU here
    assert events[-1]["state"] == "finished"
    assert [event["epoch"] for event in events if event["kind"] == "epoch_end"] == [1, 2, 3, 4, 5]
    assert "s of GPU" in notes(events)
    assert next(event for event in events if event["kind"] == "run_started")["process_id"] != os.getpid()
    run = tmp_path / "runs" / "one"
    assert (run / "best" / "model.safetensors").is_file()
    assert (run / "report" / "report.json").is_file()


def test_what_one_slice_does_not_finish_goes_on_in_the_next(
    devices: ThreadingHTTPServer, make_images: MakeImages, tmp_path: Path
) -> None:
    config = {"data": str(make_images(each=12, side=64)), "architecture": "timm:test_resnet",
              "strategy": "from-scratch", "epochs": 60, "batch_size": 4}  # fmt: skip
    _, events = ask(devices, tmp_path, config, most=7, margin=3.0)
    assert events[-1]["state"] == "finished"
    assert sum(event["kind"] == "run_started" for event in events) > 1
    assert [event["epoch"] for event in events if event["kind"] == "epoch_end"] == list(range(1, 61))
    assert sum(event["kind"] == "run_ended" for event in events) == 1


def test_a_stop_reaches_the_process_with_the_gpu(
    devices: ThreadingHTTPServer, make_images: MakeImages, tmp_path: Path
) -> None:
    config = {"data": str(make_images(each=12, side=64)), "architecture": "timm:test_resnet",
              "strategy": "from-scratch", "epochs": 5000}  # fmt: skip
    _, events = ask(devices, tmp_path, config, stop=True)
    assert events[-1]["kind"] == "run_ended"
    assert events[-1]["state"] == "stopped"
    assert events[-1]["best_epoch"]


@pytest.mark.parametrize("status", [401, 429])
def test_without_a_gpu_it_goes_on_on_the_cpu_and_says_so(
    devices: ThreadingHTTPServer, make_images: MakeImages, tmp_path: Path, status: int
) -> None:
    devices.RequestHandlerClass.refuse = status  # type: ignore[attr-defined]
    _, events = ask(devices, tmp_path, {"data": str(make_images(each=8)), "epochs": 3})
    assert "No GPU could be had" in notes(events)
    assert events[-1]["state"] == "finished"
    assert [event["epoch"] for event in events if event["kind"] == "epoch_end"] == [1, 2, 3]
