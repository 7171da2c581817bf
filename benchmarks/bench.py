"""What every measurement needs to know, how it starts programs of its own, and how measurements take turns."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
HOUR = 3600.0  # seconds; longer than any one measurement
Samples = dict[str, list[float]]  # quantity -> what each round measured


class MeasurementError(Exception):
    """A measurement did not come to its end; the others go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The arguments of one benchmark run."""

    data: Path  # folder with train/ and val/
    architecture: str
    weights_dir: Path
    scratch: Path  # empty at the start, removed at the end
    repeats: int = 3
    small: bool = False  # everything as short as can be, to see that it works; its numbers mean nothing
    workers: int | None = None  # of the textbook's loaders; None: as textbook.py says

    @property
    def epochs(self) -> int:
        """Of a feature extraction, ours and the textbook's."""
        return 3 if self.small else 25

    @property
    def timed_epochs(self) -> int:
        """How many of those the textbook loop really runs when its time is what counts; the rest is scaled."""
        return 1 if self.small else 5

    @property
    def calls(self) -> int:
        """Predictions in one round; their median counts."""
        return 3 if self.small else 40

    @property
    def seeds(self) -> int:
        """Trainings whose accuracies are averaged."""
        return 1 if self.small else 5

    def folder(self, name: str) -> Path:
        """A fresh folder in the scratch folder."""
        path = self.scratch / f"{name}-{time.time_ns()}"
        path.mkdir(parents=True)
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One measurement: a round gives a number for each of its quantities."""

    gives: tuple[str, ...]
    run: Callable[[Bench, int], Mapping[str, float]]  # (bench, number of the round, from 0)
    averaged: bool = False  # over seeds, one a round, and not just repeated


def environment() -> dict[str, str]:
    """What programs of ours are started with, from whatever folder."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])}


def run_program(*arguments: str) -> tuple[float, str]:
    """Run Python with these arguments: wall-clock seconds and what it printed. Raises MeasurementError."""
    command = [sys.executable, *arguments]
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=PROJECT, env=environment(), capture_output=True, text=True, timeout=HOUR, check=False
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise MeasurementError(f"python {' '.join(arguments[:3])} ended with {done.returncode}: {done.stderr[-1500:]}")
    return seconds, done.stdout


def ask(module: str, *arguments: str) -> tuple[float, dict[str, Any]]:
    """Run one of our own programs: wall-clock seconds and the json of its last line. Raises MeasurementError."""
    seconds, printed = run_program("-m", f"benchmarks.{module}", *arguments)
    answer: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return seconds, answer


def take_turns(probes: Iterable[Probe], bench: Bench, tell: Callable[[str], None]) -> Samples:
    """Every probe once, then every probe again: what is compared sees the same good and bad minutes."""
    samples: Samples = {}
    going = list(probes)
    for turn in range(max(bench.repeats, bench.seeds)):
        for probe in list(going):
            if turn >= (bench.seeds if probe.averaged else bench.repeats):
                continue
            started = time.monotonic()
            try:
                for name, value in probe.run(bench, turn).items():
                    samples.setdefault(name, []).append(value)
            except (MeasurementError, subprocess.TimeoutExpired) as error:
                going.remove(probe)
                tell(f"failed: {', '.join(probe.gives)}: {error}")
                continue
            tell(f"round {turn + 1}, {time.monotonic() - started:.0f} s: {', '.join(probe.gives)}")
    return samples
