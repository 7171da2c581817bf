"""Heavy work with data in a process of its own, so that the page answers meanwhile: unpacking a zip, the report."""

import dataclasses
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from typing import Any

from tl_engine.base.errors import EngineError, Question, without_paths
from tl_engine.base.events import Progress, from_json
from tl_engine.base.settings import PROJECT, Settings
from tl_engine.base.words import duration

OnEvent = Callable[[Progress], object]
MOST_AT_ONCE = threading.Semaphore(2)  # more would only take the memory from each other
WRONG = 2  # the exit code of a command that refuses, in one sentence; any other one is a crash
UNEXPECTED = "Reading the photos ended unexpectedly: try again, or with fewer photos."


def run_command(name: str, arguments: Sequence[str], settings: Settings, on_progress: OnEvent) -> dict[str, Any]:
    """Run `python -m tl_engine NAME` to its end and return the object it prints.

    Raises EngineError with the sentence that it refused with, or the Question that it asked.
    """
    limits = json.dumps(dataclasses.asdict(settings.limits))
    command = [sys.executable, "-m", "tl_engine", name, *arguments, "--json", "--progress", "--limits", limits]
    # The answer goes to a file: two pipes would need two readers.
    with MOST_AT_ONCE, tempfile.TemporaryFile() as answer, subprocess.Popen(
        command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=answer, stderr=subprocess.PIPE
    ) as process:  # fmt: skip
        refusal = _followed(process.stderr, on_progress)
        if code := process.wait():
            raise refusal if code == WRONG and refusal else EngineError(UNEXPECTED)
        answer.seek(0)
        result: dict[str, Any] = json.load(answer)
        return result


def _followed(lines: Any, on_progress: OnEvent) -> EngineError | None:
    """Pass progress on; a question, or the last of what else the process says, is its refusal, if it refuses."""
    said: EngineError | None = None
    for raw in lines:
        line = raw.decode("utf-8", "replace").strip()
        event = from_json(line)
        if isinstance(event, Progress):
            on_progress(event)
        elif line and event is None and not isinstance(said, Question):
            said = Question.from_json(line) or EngineError(without_paths(line))
    return said


def told(progress: Any, event: Progress) -> None:
    """A stage on Gradio's progress bar, with the time left."""
    left = f", {duration(event.seconds_left)} left" if event.seconds_left else ""
    progress(event.done / max(1, event.total), desc=f"{event.stage}{left}")
