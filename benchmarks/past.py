"""What a long past costs: the queue and one waiting page beside thousands of runs that have ended."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tl_engine.base.events import RunEnded
from tl_engine.base.settings import Settings
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from ui.train.run_view import EventReader, view

CONFIG = TrainConfig.from_options({"data": "digits"})
ROUNDS = 20


def milliseconds(work: Callable[[], object]) -> float:
    """The median of some calls."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - started))
    return sorted(times)[ROUNDS // 2]


def beside(ended: int) -> tuple[float, float]:
    """Milliseconds of one look of the queue's caretaker, and of one poll of a page whose run waits."""
    with tempfile.TemporaryDirectory() as place:
        settings = Settings(runs=Path(place, "runs"), cache=Path(place, "cache"))
        for number in range(ended):
            run = queue.create(CONFIG, settings, f"ended-{number}", process=1)
            run.log(RunEnded(state="finished", reason="", run_folder="", best_val_accuracy=1, best_epoch=1, seconds=1))
        queue.advance(settings)
        looking = milliseconds(lambda: queue.advance(settings))
        reader = EventReader()
        waiting = queue.create(CONFIG, settings, "waiting")
        return looking, milliseconds(lambda: view(waiting, settings, reader))


if __name__ == "__main__":
    for number in (10, 5_000):
        look, poll = beside(number)
        print(f"beside {number:,} ended runs: the queue {look:.2f} ms, a poll of a waiting page {poll:.2f} ms")
