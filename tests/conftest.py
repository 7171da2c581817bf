"""Small fakes and small data that the tests share. Nothing here reaches a network."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
from PIL import Image

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ["TL_NICENESS"] = "0"  # tests wait for trainings, beside a browser that lets nothing go first
os.environ["HF_HUB_DISABLE_XET"] = "1"  # read when huggingface_hub is imported; the hubs of tests do not speak it

from tests.made_once import made_once
from tests.tiles import faulty
from tl_engine.base.progress import watched
from tl_engine.base.settings import Settings
from tl_engine.data.mends import Located
from tl_engine.inspection.findings import Report
from tl_engine.inspection.report import make_report
from tl_engine.runs import queue

if TYPE_CHECKING:
    from tests.exported import Exported

COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200), "green": (30, 200, 30)}
MakeImages = Callable[..., Path]
MARK = "TL_TESTED_BY"  # in the environment of all that these tests start, and of what that starts


def pytest_configure(config: pytest.Config) -> None:
    """Mark all that these tests start."""
    if not hasattr(config, "workerinput"):
        os.environ[MARK] = str(os.getpid())


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """End and name what the tests left running: two cores have none to spare for it while the next tests run."""
    if left := left_running():
        psutil.wait_procs(left, timeout=10)
    for process in left_running():
        with contextlib.suppress(psutil.Error):
            line = f"left running, {sum(process.cpu_times()[:2]):.0f} s of a core: {' '.join(process.cmdline())[:160]}"
            terminalreporter.write_line(line)
            process.kill()


def left_running() -> list[psutil.Process]:
    """What these tests started and has not ended."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(MARK) == str(os.getpid()):
                found.append(process)
    return found


def own_settings(place: Path) -> Settings:
    """An installation of its own below a folder: nothing is written into the checkout."""
    folders = {name: place / name for name in ("runs", "backbones", "uploads", "cache")}
    return Settings(data_dir=place / "data", **folders)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation of its own in a temporary folder, with the classifiers that ship."""
    return own_settings(tmp_path)


@pytest.fixture
def make_images(tmp_path: Path) -> MakeImages:
    """A function that writes class folders of noisy one-colour pictures, easy to tell apart."""

    def make(name: str = "colours", classes: tuple[str, ...] = ("red", "blue"), each: int = 6, side: int = 16) -> Path:
        random = np.random.default_rng(0)
        for label in classes:
            folder = tmp_path / name / label
            folder.mkdir(parents=True)
            for index in range(each):
                base = np.asarray(COLOURS.get(label, (120, 120, 120)))
                pixels = base + random.integers(-25, 25, (side, side, 3))
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index}.png")
        return tmp_path / name

    return make


@pytest.fixture
def idle() -> Iterator[int]:
    """The number of a process that may be ended."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process.pid
    process.kill()
    process.wait()


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch, idle: int) -> list[list[str]]:
    """What would have been started; an idle process stands for it."""
    launched: list[list[str]] = []

    def launch(arguments: list[str], *_: object) -> int:
        launched.append(arguments)
        return idle

    monkeypatch.setattr(queue, "launch", launch)
    return launched


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other on busy cores make tiny passes and steps ten times slower."""
    import torch  # most tests need none

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class Inspected:
    """A data set with known faults (tests/tiles.py) and its report. Shared: tests copy what they want to change."""

    folder: Path
    settings: Settings
    report: Report


@pytest.fixture(scope="session")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Inspected:
    """Looked at once for all tests; its cache knows the features of every photo in it."""
    place = tmp_path_factory.mktemp("inspected")
    folder = faulty(place / "photos")
    settings = own_settings(place)
    report = watched(make_report(Located(root=folder), settings, "efficientnet_lite0"), lambda _event: None)
    return Inspected(folder, settings, report)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> "Exported":
    """A run and its export, made once for all tests, which takes seconds."""
    from tests.exported import Exported, make_exported  # it brings torch along

    place, told = made_once(tmp_path_factory, "exported", make_exported)
    return Exported(place, *told)
