"""How events look in a terminal: json lines, or a readable log with a progress bar."""

import sys
from typing import Any, Protocol

from tqdm import tqdm

from tl_engine.events import BatchEnd, Event, Progress, RunEnded, describe, to_json


class Printer(Protocol):
    """Shows events one by one."""

    def show(self, event: Event) -> None: ...


class JsonLines:
    """Nothing but events on stdout, one json object a line."""

    def show(self, event: Event) -> None:
        """Print the event."""
        print(to_json(event), flush=True)


class ReadableLog:
    """A line for each event worth reading on stdout, and a bar on stderr for what takes a while."""

    def __init__(self) -> None:
        self.bar: Any = None

    def show(self, event: Event) -> None:
        """Print the event or move the bar."""
        match event:
            case Progress():
                self._move(event.stage, event.done, event.total)
            case BatchEnd():
                self._move(f"epoch {event.epoch}", event.batch, event.batches)
            case _:
                if self.bar is not None:
                    self.bar.close()
                    self.bar = None
                if line := describe(event):
                    print(line, flush=True)
                if isinstance(event, RunEnded):
                    print(f"run folder: {event.run_folder}", flush=True)

    def _move(self, stage: str, done: int, total: int) -> None:
        if self.bar is None or self.bar.desc.rstrip(": ") != stage:
            if self.bar is not None:
                self.bar.close()
            self.bar = tqdm(total=total, desc=stage, leave=False, file=sys.stderr)
        self.bar.update(done - self.bar.n)
        if done >= total:  # else what is printed next begins behind the bar
            self.bar.close()
            self.bar = None
