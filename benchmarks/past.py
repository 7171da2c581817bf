"""What a long past costs: the queue, pages and lists beside thousands of runs that have ended."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.ended_runs import CONFIGS, OWNER, ended_run
from tl_engine.base.settings import Settings
from tl_engine.ledger import listing
from tl_engine.runs import queue
from tl_engine.workspaces.classifier_pool import ClassifierPool
from tl_engine.workspaces.workspace import Workspace, things
from ui.page import Page
from ui.runs.table import NEWEST
from ui.train.run_view import EventReader, view

ROUNDS = 20
NUMBERS = (10, 1_000)


def milliseconds(work: Callable[[], object]) -> float:
    """The median of some calls; the first one, which reads what none has read yet, is not among them."""
    work()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - started))
    return sorted(times)[ROUNDS // 2]


def once(work: Callable[[], object]) -> float:
    """Milliseconds of the first call."""
    started = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - started)


def beside(ended: int, place: Path) -> dict[str, float]:
    """Milliseconds of what pages and the queue ask, beside so many runs that have ended."""
    settings = Settings(runs=place / "runs", cache=place / "cache", uploads=place / "uploads", data_dir=place / "data")
    runs = [ended_run(settings, number) for number in range(ended)]
    queue.advance(settings)
    measured = {"one look of the queue's caretaker": milliseconds(lambda: queue.advance(settings))}
    waiting = queue.create(CONFIGS[0], settings, "waiting")
    reader = EventReader()
    page = Page(settings, ClassifierPool(settings), None)
    time.sleep(listing.SETTLED / 1e9 + 0.5)  # what was made a moment ago is looked at again each time
    visitor, last = Workspace(settings, OWNER), runs[-1].name
    request: Any = SimpleNamespace(query_params={})
    state = (OWNER, last, "", NEWEST, "0", "")

    def searched() -> object:
        return page.runs.list_runs(OWNER, last, "finished", "Most accurate first", "0", "")

    measured["the Runs tab, first time after a start"] = once(lambda: page.runs.list_runs(*state))
    measured["a search by accuracy, first time"] = once(searched)
    measured |= {
        "one poll of a page whose run waits": milliseconds(lambda: view(waiting, settings, reader)),
        "one poll of a page whose run has ended": milliseconds(lambda: page.train.follow_run(last, OWNER, "")),
        "the page's load": milliseconds(lambda: page.restore(OWNER, {}, request)),
        "the Runs tab": milliseconds(lambda: page.runs.list_runs(*state)),
        "a search by accuracy": milliseconds(searched),
        "two runs side by side": milliseconds(lambda: page.runs.beside.show(runs[:2])),
        "the Report tab": milliseconds(lambda: page.report.show_report(last, OWNER)),
        "My things": milliseconds(lambda: things(visitor)),
    }
    return measured


def main(argv: Sequence[str] | None = None) -> int:
    """A table with the ratio of the last number of runs to the first."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.past", description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, default=list(NUMBERS), help="Ended runs; by default 10 1000.")
    numbers = parser.parse_args(argv).numbers
    found = []
    for number in numbers:
        with tempfile.TemporaryDirectory() as place:
            found.append(beside(number, Path(place)))
    print(f"| milliseconds beside so many ended runs | {' | '.join(f'{n:,}' for n in numbers)} | ratio |")
    print("|---" * (len(numbers) + 2) + "|")
    for what in found[0]:
        values = [measured[what] for measured in found]
        print(f"| {what} | {' | '.join(f'{v:.2f}' for v in values)} | {values[-1] / values[0]:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
