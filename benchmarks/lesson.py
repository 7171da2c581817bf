"""A lesson, compressed: pupils bring photos, train in turn, predict and reload, while things go wrong around them.

`python -m benchmarks.lesson --pupils 30`. The page runs in a process of its own, pupils are visitors over HTTP. Two
crashes happen (a trainer is killed, then the server), and somebody floods the page. At the end everybody must have a
classifier that knows their own photos, and nobody anything of another pupil's.
"""

import argparse
import contextlib
import json
import random
import re
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from PIL import Image

from benchmarks.pupil import RefusedError
from benchmarks.visitor import Visitor
from tests.serving import Server
from tl_engine.base.events import RunStarted
from tl_engine.base.settings import Settings
from tl_engine.runs import open_runs
from tl_engine.runs.run import Run
from tl_engine.vitals.forecast import wait_of

CLASSES = ("sky", "brick")
SIDES = (160, 120)  # pixels of a photo
RELOADS = 5  # pages reloaded in the middle of a training
PATIENCE = 900.0  # seconds that a pupil goes on trying


@dataclass
class Pupil:
    """One pupil's photos, and what became of them."""

    number: int
    folder: Path
    classes: list[str] = field(default_factory=list)
    workspace: str = ""
    run: str = ""
    right: int = 0
    asked: int = 0
    waited: list[float] = field(default_factory=list)  # seconds of each prediction
    troubles: list[str] = field(default_factory=list)

    def make_photos(self, each: int) -> None:
        """Photos of two classes whose colours and names no other pupil has."""
        draw = random.Random(self.number)
        for index, name in enumerate(CLASSES):
            label = f"{name}-{self.number:02}"
            self.classes.append(label)
            (self.folder / label).mkdir(parents=True)
            for photo in range(each):
                base = [40 + 5 * self.number % 60, 60, 60]
                base[2 if index == 0 else 0] += 120
                picture = Image.new("RGB", SIDES, tuple(base))
                for _ in range(30):
                    spot = (draw.randrange(SIDES[0]), draw.randrange(SIDES[1]))
                    picture.paste(tuple(draw.randrange(256) for _ in range(3)), (*spot, spot[0] + 4, spot[1] + 4))
                picture.save(self.folder / label / f"{label}-{photo}.jpg", quality=90)

    def photos(self, label: str) -> list[Path]:
        """The photos of a class."""
        return sorted((self.folder / label).iterdir())


class Lesson:
    """One page and its pupils."""

    def __init__(self, folder: Path, pupils: int, each: int, pause: float) -> None:
        self.settings = Settings(runs=folder / "runs", cache=folder / "cache")
        self.server = Server(folder, flags=("--cache-dir", str(self.settings.cache)))
        self.each, self.pause = each, pause
        self.pupils = [Pupil(number, folder / "pupils" / str(number)) for number in range(pupils)]
        self.reloaded = threading.Semaphore(min(RELOADS, pupils))
        self.trained = threading.Semaphore(0)  # released for each pupil who has a classifier
        self.flooded: list[int] = []
        self.over = threading.Event()
        self.foretold: dict[str, tuple[float, int]] = {}  # run -> when it was first said how long it waits, and that

    def hold(self) -> None:
        """From the first photo to the last prediction."""
        for pupil in self.pupils:
            pupil.make_photos(self.each)
        self.server.start()
        threads = [threading.Thread(target=self._attend, args=[pupil], daemon=True) for pupil in self.pupils]
        wrong = threading.Thread(target=self._go_wrong, daemon=True)
        threading.Thread(target=self._note_waits, daemon=True).start()
        for thread in (*threads, wrong):
            thread.start()
            time.sleep(self.pause / 10)
        for thread in threads:
            thread.join(PATIENCE)
        self.over.set()
        wrong.join(60)

    def _attend(self, pupil: Pupil) -> None:
        """One pupil's lesson; whatever a crash interrupts is tried again, as a person does."""
        end = time.monotonic() + PATIENCE
        kept: dict[str, object] = {}
        cookies = httpx.Cookies()
        for step in (self._bring, self._train, self._predict):
            while time.monotonic() < end:
                try:
                    with contextlib.closing(Visitor(self.server.url, kept, cookies)) as page:
                        cookies = page.client.cookies
                        step(pupil, page)
                        kept = page.kept
                    break
                except (httpx.HTTPError, RefusedError, AssertionError) as error:
                    pupil.troubles.append(f"{step.__name__}: {type(error).__name__} {str(error)[:120]}")
                    time.sleep(1)
        self.trained.release()

    def _bring(self, pupil: Pupil, page: Visitor) -> None:
        page.press("door-own")
        for number, label in enumerate(pupil.classes, 1):
            page.write(f"title-{number}", label, "submit")
            for photo in pupil.photos(label)[:-2]:
                page.send(f"add-{number}", [photo])
                time.sleep(self.pause * random.random() / 10)
        pupil.workspace = str(page.kept["tl-workspace"])

    def _train(self, pupil: Pupil, page: Visitor) -> None:
        """Press, and again where the line is full, as the page says."""
        page.press("photos-train")
        while "tl-problem" in str(page.value("photos-said")):
            time.sleep(self.pause * (1 + random.random()))
            page.press("photos-train")
        self.wait_for_training(pupil, page)

    def wait_for_training(self, pupil: Pupil, page: Visitor) -> None:
        """Watch until it has ended, as the open page does; now and then the page is reloaded meanwhile."""
        while True:
            status = re.sub(r"<[^>]*>", " ", str(page.value("status")))
            if "Finished" in status:
                pupil.run = str(page.kept["tl-current"]["run"])
                return
            if "Interrupted" in status or "Failed" in status or "Stopped" in status:
                pupil.troubles.append(f"training: {' '.join(status.split())[:120]}")
                page.press("go-on")
            if self.reloaded.acquire(blocking=False):
                page.open()
            time.sleep(1)
            page.poll()

    def _predict(self, pupil: Pupil, page: Visitor) -> None:
        pupil.right = pupil.asked = 0
        for label in pupil.classes:
            for photo in pupil.photos(label)[-2:]:
                began = time.perf_counter()
                said = page.call("predict", page.upload([photo])[0], pupil.run)
                pupil.waited.append(time.perf_counter() - began)
                pupil.asked += 1
                pupil.right += max(said, key=said.get) == label
                time.sleep(self.pause * random.random())

    def _note_waits(self) -> None:
        """What who waits is told first, as soon as there is something to tell."""
        while not self.over.wait(1):
            for name in open_runs.names(self.settings.runs):
                run = Run(self.settings.runs / name)
                if name not in self.foretold and run.state() == "queued" and (wait := wait_of(run, self.settings)):
                    self.foretold[name] = time.time(), wait

    def waits(self) -> list[tuple[int, float]]:
        """The seconds that were foretold of each wait, and the seconds that it took."""
        found = []
        for name, (at, wait) in self.foretold.items():
            events = Run(self.settings.runs / name).events()[0]
            started = next((event.at for event in events if isinstance(event, RunStarted) and event.at), None)
            if started:
                found.append((wait, started - at))
        return found

    def _go_wrong(self) -> None:
        """A trainer is killed, somebody floods, the server is killed: each after some more pupils are done."""
        for harm in (self._kill_a_trainer, self._flood, self._kill_the_server):
            for _ in range(max(1, len(self.pupils) // 5)):
                self.trained.acquire(timeout=PATIENCE / 4)
            if not self.over.is_set():
                harm()

    def _kill_a_trainer(self) -> None:
        for _ in range(600):
            for file in self.server.runs.glob("*/process.json"):
                process = Run(file.parent).process()
                if process and Run(file.parent).state() == "running":
                    process.kill()
                    return
            time.sleep(0.1)

    def _kill_the_server(self) -> None:
        self.server.kill()
        self.server.start()

    def _flood(self) -> None:
        """500 calls at once by somebody without a page."""
        photo = self.pupils[0].photos(self.pupils[0].classes[0])[0]
        with httpx.Client(base_url=self.server.url, timeout=60) as client, photo.open("rb") as opened:
            path = client.post("/gradio_api/upload", files=[("files", opened)]).json()[0]
            sent = {"path": path, "meta": {"_type": "gradio.FileData"}}
            for _ in range(500):
                with contextlib.suppress(httpx.HTTPError):
                    answer = client.post("/gradio_api/call/predict", json={"data": [sent, "imagenet"]})
                    self.flooded.append(answer.status_code)

    def in_wrong_hands(self) -> list[str]:
        """Whatever of one pupil lies with another: photos by their bytes, classes by their names."""
        owner = {photo.read_bytes(): pupil for pupil in self.pupils for photo in pupil.folder.rglob("*.jpg")}
        wrong = []
        for pupil in self.pupils:
            own = self.server.folder / "uploads" / pupil.workspace
            for file in own.rglob("*.jpg"):
                if owner.get(file.read_bytes(), pupil) is not pupil:
                    wrong.append(f"pupil {pupil.number} has {file.name}")
            run = Run(self.server.runs / pupil.run) if pupil.run else None
            if run and run.facts.workspace != pupil.workspace:
                wrong.append(f"the run of pupil {pupil.number} is another's")
        return wrong

    def classifiers(self) -> int:
        """How many pupils have one that knows their own classes."""
        number = 0
        for pupil in self.pupils:
            meta = self.server.runs / pupil.run / "best" / "meta.json"
            if pupil.run and meta.is_file():
                number += json.loads(meta.read_text(encoding="utf-8"))["classes"] == sorted(pupil.classes)
        return number


def told(lesson: Lesson, seconds: float) -> dict[str, object]:
    """What came of it, as one object."""
    waited = sorted(second for pupil in lesson.pupils for second in pupil.waited)
    waits = lesson.waits()
    return {
        "pupils": len(lesson.pupils),
        "classifiers": lesson.classifiers(),
        "in_wrong_hands": lesson.in_wrong_hands(),
        "predictions": f"{sum(p.right for p in lesson.pupils)} of {sum(p.asked for p in lesson.pupils)} right",
        "predict_p50_s": _at(waited, 0.5),
        "predict_p95_s": _at(waited, 0.95),
        "flood_refused": f"{sum(code >= 400 for code in lesson.flooded)} of {len(lesson.flooded)}",
        "waits": f"{sum(_true(*wait) for wait in waits)} of {len(waits)} true within 30 %",
        "waited": [f"{foretold} s: {took:.0f}" for foretold, took in waits],
        "troubles": sum(len(pupil.troubles) for pupil in lesson.pupils),
        "seconds": round(seconds),
        "server_megabytes": _megabytes(lesson.server),
    }


def _true(foretold: int, took: float) -> bool:
    """Within 30 %, or within the ten seconds to which it is rounded."""
    return abs(foretold - took) <= max(0.3 * took, 10)


def _at(ordered: list[float], share: float) -> float | None:
    """So much of them are below it."""
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2) if ordered else None


def _megabytes(server: Server) -> int | None:
    with contextlib.suppress(psutil.Error, AttributeError):
        return round(psutil.Process(server.process.pid).memory_info().rss / 1e6)  # type: ignore[union-attr]
    return None


def main() -> int:
    """Hold a lesson and say what came of it; 1 if somebody went without."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lesson", description=__doc__)
    parser.add_argument("--pupils", type=int, default=30)
    parser.add_argument("--each", type=int, default=10, help="Photos of a class; two of them are kept to ask about.")
    parser.add_argument("--pause", type=float, default=2.0, help="Seconds that a pupil thinks, at most.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lesson = Lesson(Path(folder), options.pupils, options.each, options.pause)
        began = time.perf_counter()
        try:
            lesson.hold()
            result = told(lesson, time.perf_counter() - began)
            print(json.dumps(result | {"said": [line for p in lesson.pupils for line in p.troubles][:40]}, indent=1))
        finally:
            lesson.server.stop()
    return int(result["classifiers"] != options.pupils or bool(result["in_wrong_hands"]))


if __name__ == "__main__":
    raise SystemExit(main())
