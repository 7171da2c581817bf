"""The page measured from outside: served, asked over HTTP, and told to train."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.bench import PROJECT, Bench, MeasurementError, Probe, ask, run_program
from benchmarks.engine import has_option
from benchmarks.photos import make_photos
from tests.serving import Server
from tl_engine.base.events import Event, RunEnded, RunStarted
from tl_engine.runs.run import Run

PATIENCE = 60.0  # seconds until something counts as failed
SESSION = "benchmark"  # without one, Gradio makes a new session for every call
SETTLING = 15.0  # seconds given to a page at most to get warm
GIVES = ("page served", "/predict", "Predictor beside the page", "press to run_started")


@dataclass
class Page(Server):
    """`python app.py` exactly as a person starts it: with all cores, which tests/serving.py does not grant."""

    def serve(self, patience: float = PATIENCE) -> float:
        """Start it; seconds until the page itself has been answered."""
        command = [sys.executable, "app.py", "--port", str(self.port), "--runs", str(self.runs), *self.flags]
        folders = {"TL_UPLOADS": str(self.folder / "uploads"), "GRADIO_TEMP_DIR": str(self.folder / "gradio")}
        environment = os.environ | folders
        started = time.perf_counter()
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)
        while time.perf_counter() - started < patience and self.process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(self.url, timeout=PATIENCE).raise_for_status()
                return time.perf_counter() - started
            time.sleep(0.02)
        raise MeasurementError(f"the page did not start: {(self.folder / 'server.log').read_text()[-800:]}")

    def tree(self) -> list[psutil.Process]:
        """The page's process and all that it has started."""
        if self.process is None:
            return []
        with contextlib.suppress(psutil.Error):
            top = psutil.Process(self.process.pid)
            return [top, *top.children(recursive=True)]
        return []

    def end(self) -> None:
        """Stop it, its trainings and whatever else it started."""
        started = self.tree()
        self.stop()
        for process in started:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def settle(self) -> None:
        """Wait until its processes have nothing more to do: the warm model and the warm spare are there."""
        end, before = time.monotonic() + SETTLING, -1.0
        while time.monotonic() < end and (now := self._worked()) - before > 0.1:
            before = now
            time.sleep(1.5)

    def _worked(self) -> float:
        """CPU seconds so far."""
        total = 0.0
        for process in self.tree():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total


@contextmanager
def serving(bench: Bench) -> Iterator[tuple[Page, float]]:
    """A page over the benchmark's data, and the seconds until it was served."""
    flags = ["--data-dir", str(bench.data.parent), "--weights-dir", str(bench.weights_dir)]
    if has_option("--cache-dir", "app.py"):
        flags += ["--cache-dir", str(bench.folder("cache"))]
    page = Page(bench.folder("page"), flags=tuple(flags))
    try:
        yield page, page.serve()
    finally:
        page.end()


def visit(bench: Bench, _turn: int) -> Mapping[str, float]:
    """One page: how soon it is served, how fast it predicts, how soon a training starts after the press."""
    with serving(bench) as (page, served):
        page.settle()
        photo = make_photos(bench.data, bench.folder("photo"), 1)[0]
        place = ["--url", page.url, "--photo", str(photo), "--weights-dir", str(bench.weights_dir)]
        _, answer = ask("asking", *place, "--calls", str(bench.calls))
        return {"page served": served, "press to run_started": press(page, bench), **answer}


def press(page: Page, bench: Bench) -> float:
    """Seconds from the request to the stamp of the training's first word. Stops the training afterwards."""
    config = {"data": bench.data.name, "architecture": bench.architecture, "epochs": 1}
    with httpx.Client(base_url=page.url, timeout=PATIENCE) as client:
        pressed = time.time()
        mine = call(client, "start_training", config)
        started = wait_for(RunStarted, Run(page.runs / mine["run"]))
        call(client, "stop_training", mine["run"], mine["workspace"])
    if started.at is None:
        raise MeasurementError("run_started carries no time")
    return started.at - pressed


def wait_for(kind: type[Event], run: Run) -> Event:
    """The first event of a kind in a run's log. Raises MeasurementError."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        events, _ = run.events()
        if found := next((event for event in events if isinstance(event, kind)), None):
            return found
        if ended := next((event for event in events if isinstance(event, RunEnded)), None):
            raise MeasurementError(f"the training {ended.state}: {ended.reason}")
        time.sleep(0.05)
    raise MeasurementError(f"no {kind.__name__} within {PATIENCE:.0f} s")


def call(client: httpx.Client, name: str, *inputs: Any) -> Any:
    """The output of a queued call. Raises MeasurementError when the page refuses."""
    event = client.post(f"/gradio_api/call/{name}", json={"data": list(inputs)}).json()["event_id"]
    kind, data = "", "null"
    with client.stream("GET", f"/gradio_api/call/{name}/{event}") as stream:
        for line in stream.iter_lines():
            kind = line.removeprefix("event: ") if line.startswith("event: ") else kind
            data = line.removeprefix("data: ") if line.startswith("data: ") else data
    if kind != "complete":
        raise MeasurementError(f"/{name}: {data}")
    return json.loads(data)[0]


def direct(client: httpx.Client, name: str, *inputs: Any) -> Any:
    """The output of a call in one round trip, past Gradio's queue. Raises MeasurementError when the page refuses."""
    answer = client.post(f"/gradio_api/run/{name}", json={"data": list(inputs), "session_hash": SESSION})
    if answer.status_code != httpx.codes.OK:
        raise MeasurementError(f"/{name}: {answer.text[:200]}")
    return answer.json()["data"][0]


def upload(client: httpx.Client, photo: Path) -> dict[str, Any]:
    """Send a file; what calls name it by."""
    with photo.open("rb") as file:
        answer = client.post("/gradio_api/upload", files={"files": (photo.name, file)})
    return {"path": answer.json()[0], "orig_name": photo.name, "meta": {"_type": "gradio.FileData"}}


def import_gradio(_bench: Bench, _turn: int) -> Mapping[str, float]:
    """What every Gradio page waits for."""
    return {"import gradio": run_program("-c", "import gradio")[0]}


PROBES = (Probe(gives=GIVES, run=visit), Probe(gives=("import gradio",), run=import_gradio))
