"""The log of a job as it comes, and its lines as events of a run here."""

import dataclasses
import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tl_engine.base.errors import EngineError, without_paths
from tl_engine.base.events import Event, RunStarted, describe
from tl_engine.runs.config import TrainConfig, to_dict
from tl_engine.runs.run import Run

if TYPE_CHECKING:
    from huggingface_hub import HfApi

POLL = 0.5  # seconds between two looks at whether to stop


class LostLogError(EngineError):
    """The log could not be followed to its end."""

    def __init__(self, reason: Exception) -> None:
        super().__init__("The log of the job was lost: try again.")
        self.reason = reason


def log_lines(api: "HfApi", job: str, user: str, stop_asked: Callable[[], bool]) -> Iterator[str]:
    """The job's log as it comes, until it is over or somebody asks to stop. Raises LostLogError."""
    told: queue.Queue[str | Exception | None] = queue.Queue()

    def read() -> None:
        try:
            for line in api.fetch_job_logs(job_id=job, namespace=user, follow=True):
                told.put(line)
            told.put(None)
        except Exception as error:  # the client's, the network's, and what they make of an answer
            told.put(error)

    threading.Thread(target=read, daemon=True).start()  # a quiet log must not keep anybody from stopping
    while not stop_asked():
        try:
            line = told.get(timeout=POLL)
        except queue.Empty:
            continue
        if line is None:
            return
        if isinstance(line, Exception):
            raise LostLogError(line)
        yield line


def as_ours(event: Event, config: TrainConfig, run: Run) -> Event | None:
    """An event without the paths of the machine there; None for one whose fields are not what they should be."""
    if isinstance(event, RunStarted):
        return RunStarted(run_folder=str(run.folder), config=to_dict(config), process_id=os.getpid())
    told = {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
    plain: dict[str, Any] = {name: without_paths(value) for name, value in told.items() if isinstance(value, str)}
    try:
        describe(event)
    except (TypeError, ValueError, AttributeError, KeyError, ZeroDivisionError):
        return None
    return dataclasses.replace(event, **plain | {"at": None})
