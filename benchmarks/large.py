"""Ten thousand photos: memory above the idle engine, and whether the pace holds."""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from benchmarks.bench import PROJECT, Bench, MeasurementError, Probe, environment, run_program
from benchmarks.engine import Told, command, seconds_per_photo, told
from benchmarks.photos import make_photos

MANY, FEW = 10_000, 1_000
LOOK_EVERY = 0.05  # seconds between two looks at the memory
MEGABYTE = 1e6
IDLE = (
    "import psutil, tl_engine.training.trainer; from accelerate import Accelerator; Accelerator(); "
    "print(psutil.Process().memory_info().rss)"
)
GIVES = ("memory above idle", "time per photo of many", "time per photo of few")


def measure(bench: Bench, _turn: int) -> Mapping[str, float]:
    """Embed few, then many, each set new and with an empty cache. The photos are made once."""
    many, few = (40, 20) if bench.small else (MANY, FEW)
    idle = int(run_program("-c", IDLE)[1])
    small_run, _ = watched(bench, photo_set(bench, few))
    large_run, peak = watched(bench, photo_set(bench, many))
    return {
        "memory above idle": (peak - idle) / MEGABYTE,
        "time per photo of many": seconds_per_photo(large_run) * 1000,
        "time per photo of few": seconds_per_photo(small_run) * 1000,
    }


def photo_set(bench: Bench, count: int) -> Path:
    """A folder of two classes with `count` photos in all, half made from each half of the data's folders."""
    target = bench.scratch / f"{count}-photos"
    if not target.is_dir():
        sources = sorted(path for path in (bench.data / "train").iterdir() if path.is_dir())[:2]
        for source in sources:
            make_photos(source, target / source.name, count // len(sources))
    return target


def watched(bench: Bench, data: Path) -> tuple[Told, int]:
    """One epoch on features of the photos, and the largest memory (bytes) of its process with its children."""
    options = ("--strategy", "feature-extraction", "--epochs", "1")
    arguments = command(bench, bench.folder("cache"), *options, data=data)
    peak, started = 0, time.perf_counter()
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=PROJECT, env=environment(), stdout=printed, stderr=subprocess.STDOUT
        )
        try:
            while process.poll() is None:
                peak = max(peak, memory(process.pid))
                time.sleep(LOOK_EVERY)
        finally:
            process.kill()
            process.wait()
        printed.seek(0)
        text = printed.read()
    if process.returncode:
        raise MeasurementError(f"the training of {data.name} ended with {process.returncode}: {text[-1500:]}")
    return told(text, time.perf_counter() - started), peak


def memory(pid: int) -> int:
    """Resident bytes of a process and its children."""
    total = 0
    with contextlib.suppress(psutil.Error):
        top = psutil.Process(pid)
        for process in (top, *top.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total


PROBES = (Probe(gives=GIVES, run=measure),)
