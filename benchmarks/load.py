"""`python -m benchmarks.load --data DIR`: a class of thirty, floods and long pasts against a page that is served here.

Everything is compared with the quiet page of the same run, since machines differ and share. One table in the end.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from PIL import Image

from benchmarks.floods import Rude, flooding
from benchmarks.page import Page
from benchmarks.photos import few_of, make_data, pictures
from benchmarks.pupil import Pupil, RefusedError, handlers
from tl_engine.base.events import RunEnded
from tl_engine.base.settings import Settings
from tl_engine.base.written import written_path
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import Run

SIDE = (1600, 1200)  # pixels of a pupil's photo
MEGABYTE = 1e6
SETTLING = 20.0  # seconds in which memory has to come back
LOOKS = 15.0  # seconds in which the page has looked after its children three times
THINKING = 5.0  # seconds between a steady user's photos


@dataclass
class Load:
    """The page under load, its pupils' photos, and the table that grows."""

    page: Page
    options: argparse.Namespace
    scratch: Path
    photos: list[Path] = field(default_factory=list)
    small: list[Path] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def pupil(self, number: int) -> Pupil:
        """A visitor with an address of their own."""
        return Pupil(self.page.url, number, self.names)

    def server(self) -> psutil.Process:
        """The page's process."""
        return self.page.tree()[0]

    def memory(self) -> float:
        """Megabytes of the page's process."""
        return float(self.server().memory_info().rss / MEGABYTE)

    def row(self, what: str, measured: str, target: str, reached: bool | None) -> None:
        """Say and keep a line of the table; `reached` None: nothing was promised."""
        word = "" if reached is None else "yes" if reached else "**no**"
        self.rows.append((what, measured, target, word))
        print(f"{time.strftime('%H:%M:%S')} {what}: {measured} ({target}) {word}", file=sys.stderr, flush=True)


def p95(times: Sequence[float]) -> float:
    """The nineteenth of twenty."""
    return sorted(times)[min(len(times) - 1, int(0.95 * len(times)))]


async def gathered(calls: Sequence[Awaitable[float]]) -> tuple[list[float], list[str]]:
    """The times of those that came through, and what the others were told."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    wrong = [f"{type(a).__name__}: {a}"[:160] for a in answers if isinstance(a, BaseException)]
    return [a for a in answers if isinstance(a, float)], wrong


async def burst(load: Load, times: int) -> tuple[list[float], list[str]]:
    """All pupils choose a photo in the same moment, several times."""
    taken: list[float] = []
    wrong: list[str] = []
    for turn in range(times):
        async with contextlib.AsyncExitStack() as stack:
            pupils = [await stack.enter_async_context(load.pupil(n)) for n in range(load.options.pupils)]
            photos = [load.photos[(n + turn * 7) % len(load.photos)] for n in range(len(pupils))]
            more, failed = await gathered([p.predict(f) for p, f in zip(pupils, photos, strict=True)])
        taken, wrong = [*taken, *more], [*wrong, *failed]
        await asyncio.sleep(1)
    return taken, wrong


async def quiet(load: Load, times: int = 10) -> float:
    """The median second of one pupil alone."""
    async with load.pupil(200) as one:
        return statistics.median([await one.predict(load.photos[n % len(load.photos)]) for n in range(times)])


@contextlib.asynccontextmanager
async def training(load: Load, **changed: Any) -> Any:
    """A long training of all layers while the context lasts, after its first batch: its run."""
    config = {"data": load.options.data.name, "architecture": load.options.architecture, "epochs": 500,
              "strategy": "fine-tuning", **changed}  # fmt: skip
    async with load.pupil(201) as starter:
        ((mine),) = await starter.call("start_training", config)
        run = Run(load.page.runs / mine["run"])
        end = time.monotonic() + 180
        while not any(e.kind in ("batch_end", "epoch_end") for e in run.events()[0]):
            if run.ended() or time.monotonic() > end:
                raise RefusedError(f"the training did not begin: {run.ended()}")
            await asyncio.sleep(0.3)
        try:
            yield run
        finally:
            await starter.call("stop_training", mine["run"], mine["workspace"])


async def bursts(load: Load) -> None:
    """Thirty photos at once, without and with a training."""
    alone = await quiet(load)
    await burst(load, 1)
    before, wrong = await burst(load, load.options.bursts)
    load.row("one pupil alone, median", f"{alone:.2f} s", "", None)
    load.row(f"burst of {load.options.pupils}, no training, p95", f"{p95(before):.2f} s", "4 s on a quiet machine",
             p95(before) <= 4 and not wrong)  # fmt: skip
    async with training(load):
        during, failed = await burst(load, load.options.bursts)
    ratio = p95(during) / p95(before)
    load.row("the same beside a training, p95", f"{p95(during):.2f} s, {ratio:.2f} times", "1.5 times", ratio <= 1.5)
    load.row("errors in both", f"{len(wrong) + len(failed)} {(wrong + failed)[:1] or ''}", "0", not wrong + failed)


async def steady(load: Load) -> None:
    """Thirty pupils who think between photos, beside a training; memory at each half minute."""
    taken: list[float] = []
    wrong: list[str] = []
    memory: list[float] = []

    async def work(number: int) -> None:
        await asyncio.sleep(random.random() * THINKING)
        async with load.pupil(number) as one:
            turn = 0
            while time.monotonic() < end:
                turn += 1
                try:
                    taken.append(await one.predict(load.photos[(number + turn) % len(load.photos)]))
                except (RefusedError, httpx.HTTPError) as error:
                    wrong.append(str(error))
                await asyncio.sleep(THINKING)

    async def watch() -> None:
        while time.monotonic() < end:
            memory.append(load.memory())
            await asyncio.sleep(min(30, 60 * load.options.minutes / 4))

    async with training(load):
        end = time.monotonic() + 60 * load.options.minutes
        await asyncio.gather(watch(), *(work(n) for n in range(load.options.pupils)))
    late = memory[min(4, len(memory) - 1) :]
    load.row(f"{load.options.pupils} steady users for {load.options.minutes:g} min, p95 of {len(taken)} photos",
             f"{p95(taken):.2f} s (median {statistics.median(taken):.2f})", "1.5 s", p95(taken) <= 1.5)  # fmt: skip
    load.row("errors meanwhile", f"{len(wrong)} {wrong[:1] or ''}", "0", not wrong)
    load.row("the server's memory meanwhile", " ".join(f"{m:.0f}" for m in memory) + " MB",
             "flat after two minutes", late[-1] - late[0] <= 100)  # fmt: skip


async def followers(load: Load) -> None:
    """Thirty open pages that follow one run: the server's share of a core."""
    server = load.server()
    idle = await core(server, 5)
    async with training(load) as run, contextlib.AsyncExitStack() as stack:
        beside = await core(server, 5)
        pupils = [await stack.enter_async_context(load.pupil(n)) for n in range(load.options.pupils)]
        going = [asyncio.create_task(follow(pupil, run)) for pupil in pupils]
        await asyncio.sleep(3)
        share = await core(server, load.options.seconds)
        for task in going:
            task.cancel()
        answers = await asyncio.gather(*going, return_exceptions=True)
    wrong = [a for a in answers if not isinstance(a, asyncio.CancelledError)]
    load.row(f"{len(pupils)} open followers: the server's share of a core",
             f"{100 * share:.0f} % (idle {100 * idle:.0f} %, beside a training {100 * beside:.0f} %) {wrong[:1] or ''}",
             "30 %", share <= 0.3 and not wrong)  # fmt: skip


async def follow(pupil: Pupil, run: Run) -> None:
    """What an open page does: a poll each second, with the version it has."""
    seen = ""
    await asyncio.sleep(random.random())
    while True:
        answer = await pupil.poll("poll", run.name, "", seen)
        fresh = [value for value in answer if isinstance(value, str) and value.startswith(f"{run.name}:")]
        seen = fresh[0] if fresh else seen
        await asyncio.sleep(1)


async def core(process: psutil.Process, seconds: float) -> float:
    """The share of a core that a process takes in that time."""
    before, started = process.cpu_times(), time.monotonic()
    await asyncio.sleep(seconds)
    after = process.cpu_times()
    return float((after.user + after.system - before.user - before.system) / (time.monotonic() - started))


async def zips(load: Load) -> None:
    """Thirty zips of 20 MB at once: all stored or queued."""
    archive = make_zip(load)
    started = time.monotonic()
    refused: list[str] = []

    async def send(number: int) -> float:
        async with load.pupil(number) as one:
            (sent,) = await one.upload(archive)
            joined = await one.join("take_upload", sent, "")
            if joined.status_code != httpx.codes.OK:
                raise RefusedError(joined.text[:200])
            stored = time.monotonic() - started
            async with one.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": one.session}) as lines:
                async for line in lines.aiter_lines():
                    said = json.loads(line[6:]) if line.startswith("data: ") else {}
                    if said.get("msg") == "process_completed" and "tl-problem" in (text := json.dumps(said["output"])):
                        refused.append(text[:300])
            return stored

    taken, wrong = await gathered([send(n) for n in range(load.options.pupils)])
    whole = time.monotonic() - started
    wrong += refused
    load.row(f"{load.options.pupils} zips of {archive.stat().st_size / MEGABYTE:.0f} MB at once: stored or queued",
             f"{max(taken, default=0):.0f} s, all described after {whole:.0f} s, {len(wrong)} errors {wrong[:1] or ''}",
             "60 s, no error", max(taken, default=99) <= 60 and not wrong)  # fmt: skip


def make_zip(load: Load) -> Path:
    """A zip of two classes with photos as they are, about as large as asked for."""
    archive = load.scratch / "photos.zip"
    size, number = 0, 0
    with zipfile.ZipFile(archive, "w") as made:
        while size < load.options.zip_megabytes * MEGABYTE:
            photo = load.photos[number % len(load.photos)]
            content = photo.read_bytes() + bytes(number % 251 + 1)  # no two alike
            made.writestr(f"{'cats' if number % 2 else 'dogs'}/{number}.jpg", content)
            size, number = size + len(content), number + 1
    return archive


async def floods(load: Load) -> None:
    """One client's hundreds of calls, or tables, from a process of their own, beside another's single photos."""
    options = load.options
    rude = Rude(load.page.url, load.names, load.photos[0], load.small, options.flood, options.tables, options.table)
    for flood, what in (
        (Rude.joins, f"{options.flood} joins of one client"),
        (Rude.api_calls, f"{options.flood} calls of /predict of one client"),
        (Rude.direct_calls, f"{options.flood} calls past the queue of one client"),
        (Rude.tables_at_once, f"{options.tables} tables of {options.table} photos of one client"),
    ):
        before = await quiet(load)
        with flooding(rude, flood) as going:
            await asyncio.sleep(3)
            during, ends = [], time.monotonic() + 90
            async with load.pupil(210) as other:
                while len(during) < 15 and time.monotonic() < ends:
                    during.append(await other.predict(load.photos[len(during) % len(load.photos)]))
            over = not going.is_alive()
        ratio = statistics.median(during) / before
        words = (
            f"{ratio:.2f} times ({statistics.median(during):.2f} s beside {before:.2f} s; slowest {max(during):.2f})"
        )
        load.row(f"{what}: another's Predict", words + (" (the flood was over)" if over else ""), "2 times", ratio <= 2)
        await settled(load)


async def settled(load: Load) -> None:
    """Wait until the server has nothing to do."""
    end = time.monotonic() + 60
    while time.monotonic() < end and await core(load.server(), 1) > 0.25:
        pass


async def past(load: Load) -> None:
    """Polls beside ten ended runs, and beside a thousand."""
    settings = Settings(runs=load.page.runs, cache=load.scratch / "cache")
    live = queue.create(TrainConfig.from_options({"data": "digits"}), settings, "x" * 32, process=os.getpid())
    live.log(RunEnded(state="stopped", reason="", run_folder="", best_val_accuracy=1, best_epoch=1, seconds=1))
    times: dict[int, dict[str, float]] = {}
    made = 0
    for count in (10, load.options.past):
        for number in range(made, count):
            run = queue.create(TrainConfig.from_options({"data": "digits"}), settings, f"ended-{number}", process=1)
            run.log(RunEnded(state="finished", reason="", run_folder="", best_val_accuracy=1, best_epoch=1, seconds=1))
        made = count
        await asyncio.sleep(8)  # the caretaker sweeps the marks
        times[count] = await poll_times(load, live)
    for what in times[10]:
        few, many = times[10][what], times[load.options.past][what]
        load.row(f"{what} beside {load.options.past:,} ended runs", f"{1e3 * many:.1f} ms beside {1e3 * few:.1f} ms",
                 "no slower (1.2 times)", many <= 1.2 * few + 0.001)  # fmt: skip


async def poll_times(load: Load, run: Run) -> dict[str, float]:
    """Median seconds of each kind of poll."""
    calls: dict[str, Callable[[Pupil], Awaitable[Any]]] = {
        "a poll of the tab Train": lambda pupil: pupil.poll("poll", run.name, "", ""),
        "a poll of the tab Report": lambda pupil: pupil.poll("poll report", run.name, "", ""),
    }
    medians = {}
    async with load.pupil(1) as one:
        for name, call in calls.items():
            taken = []
            for _ in range(40):
                started = time.perf_counter()
                await call(one)
                taken.append(time.perf_counter() - started)
            medians[name] = statistics.median(taken[5:])
    return medians


async def row_of_runs(load: Load) -> None:
    """Many short runs one after another: growth of the server, zombies, orphans."""
    config = {"data": load.options.data.name, "architecture": load.options.architecture, "epochs": 1}
    before, started, pids = 0.0, time.monotonic(), []
    async with load.pupil(202) as one:
        for number in range(load.options.runs):
            if number == min(5, load.options.runs - 1):
                await asyncio.sleep(6)  # what the first ones set up is there, and trimmed
                before, counted = load.memory(), load.options.runs - number
            ((mine),) = await one.call("start_training", config)
            run = Run(load.page.runs / mine["run"])
            while not (ended := run.ended()):
                await asyncio.sleep(0.1)
            if ended.state != "finished":
                raise RefusedError(f"run {number} {ended.state}: {ended.reason}")
            pids.append(json.loads((run.folder / "process.json").read_text())["pid"])
    each = (time.monotonic() - started) / load.options.runs
    await asyncio.sleep(SETTLING / 2)
    growth = (load.memory() - before) / counted
    await settled(load)  # the last one describes what it learnt
    end = time.monotonic() + LOOKS
    while (left := [pid for pid in pids if psutil.pid_exists(pid)]) and time.monotonic() < end:
        await asyncio.sleep(1)
    zombies = [c.pid for c in load.server().children(recursive=True) if c.status() == psutil.STATUS_ZOMBIE]
    load.row(f"{load.options.runs} runs in a row ({each:.1f} s each): growth of the server", f"{growth:.2f} MB a run",
             "2 MB", growth <= 2)  # fmt: skip
    load.row("of their processes left, zombies", f"{len(left)}, {len(zombies)}", "none", not left and not zombies)


SCENES: dict[str, Callable[[Load], Awaitable[None]]] = {
    "bursts": bursts, "floods": floods, "followers": followers, "steady": steady, "zips": zips, "past": past,
    "runs": row_of_runs,
}  # fmt: skip


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The switches."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--data", type=written_path, help="Folder with train/ and val/, each with class folders; two "
                        "colours are made where there is none.")  # fmt: skip
    parser.add_argument("--weights-dir", type=written_path, help="Folder with the backbone's weights.")
    parser.add_argument("--architecture", default="efficientnet_lite0", help="Of the training beside it.")
    parser.add_argument("--only", nargs="+", choices=SCENES, default=list(SCENES), help="Which scenes.")
    parser.add_argument("--pupils", type=int, default=30)
    parser.add_argument("--bursts", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10, help="Of the steady users.")
    parser.add_argument("--seconds", type=float, default=20, help="Of watching the followers.")
    parser.add_argument("--flood", type=int, default=500, help="Calls of the rude client.")
    parser.add_argument("--tables", type=int, default=8)
    parser.add_argument("--table", type=int, default=200, help="Photos in each.")
    parser.add_argument("--zip-megabytes", type=float, default=20)
    parser.add_argument("--past", type=int, default=1000, help="Ended runs.")
    parser.add_argument("--runs", type=int, default=50, help="Runs in a row.")
    return parser.parse_args(argv)


def make_inputs(load: Load) -> None:
    """Photos of 1600 x 1200 for the pupils, smaller ones for tables, and data to train on."""
    data = load.scratch / "data" / load.options.data.name
    few_of(load.options.data, data, 100)
    folder = load.scratch / "photos"
    folder.mkdir()
    for number, path in enumerate(pictures(load.options.data)[: load.options.pupils]):
        with Image.open(path) as opened:
            photo = opened.convert("RGB")
        load.photos.append(folder / f"large-{number}.jpg")
        photo.resize(SIDE).save(load.photos[-1], quality=90)
        load.small.append(folder / f"small-{number}.jpg")
        photo.resize((500, 375)).save(load.small[-1], quality=90)


async def measure(load: Load) -> None:
    """Every scene that was asked for, and the memory after each."""
    load.names = handlers(httpx.get(f"{load.page.url}/config", timeout=60).json())
    await quiet(load, 5)
    await asyncio.to_thread(load.page.settle)
    first = load.memory()
    for name in load.options.only:
        try:
            await SCENES[name](load)
        except (RefusedError, httpx.HTTPError, psutil.Error) as error:
            load.row(f"scene {name}", f"failed: {error!r}"[:200], "", False)
        await settled(load)
        await asyncio.sleep(SETTLING)
        now = load.memory()
        load.row(
            f"the server's memory after {name}", f"{now:.0f} MB, {now - first:+.0f}", "+300 MB", now <= first + 300
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Serve, measure, print the table; 1 where a target was missed."""
    options = parse(argv)
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        options.data = options.data or make_data(scratch / "colours", each=12)
        flags = ["--data-dir", str(scratch / "data"), "--cache-dir", str(scratch / "cache")]
        flags += ["--weights-dir", str(options.weights_dir)] if options.weights_dir else []
        load = Load(Page(scratch / "page", flags=tuple(flags)), options, scratch)
        (scratch / "page").mkdir()
        make_inputs(load)
        try:
            load.page.serve(patience=300)
            asyncio.run(measure(load))
        finally:
            load.page.end()
    print("| what | measured | target | reached |\n|---|---|---|---|")
    for row in load.rows:
        print(f"| {' | '.join(row)} |")
    return int(any(row[3] == "**no**" for row in load.rows))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # else the page and a training would go on
    sys.exit(main())
