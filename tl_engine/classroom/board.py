"""The board: each pupil's newest classifier on the hidden test set, with intervals, and places only beyond noise.

Measured in a process of its own. Two classifiers have different places only where the same photos tell them apart:
McNemar's exact test for each pair, and Holm's correction, since among thirty some pair always differs by luck.
"""

import contextlib
import dataclasses
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tl_engine.base.errors import EngineError, RunError
from tl_engine.base.files import write_json
from tl_engine.base.settings import Settings
from tl_engine.classroom.hidden import TestSet, contents, folder
from tl_engine.classroom.pupils import pupils
from tl_engine.evaluation.figures import interval
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.jobs.worker import OnEvent, run_command
from tl_engine.ledger.listing import runs_by_owner
from tl_engine.runs.find import classifier_of
from tl_engine.runs.run import Run
from tl_engine.runs.saved_classifier import saved_at

FORMAT = 1
FILE = "board.json"
CHANCE = 0.05  # that any of all pairs is told apart by luck


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One classifier, measured."""

    seat: str  # of the pupil
    run: str
    saved: int  # which of the run's classifiers, by the time it was written
    right: str  # a 1 for each photo that it has right, a 0 for each other one; "" where it could not be measured
    seen: int  # photos of the test set that it had learnt from
    trouble: str = ""  # why it could not be measured, in words

    @property
    def score(self) -> int:
        """How many it has right."""
        return self.right.count("1")

    @property
    def interval(self) -> tuple[float, float]:
        """Where its true accuracy lies, in 95 of 100 cases."""
        return interval(self.score, len(self.right)) if self.right else (0.0, 1.0)

    @property
    def counts(self) -> bool:
        """Whether it has a place: not where it learnt from photos that it is asked about."""
        return bool(self.right) and not self.seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """All that was measured, the best first."""

    test: str  # the digest of the test set
    at: float  # seconds since 1970
    entries: tuple[Entry, ...]

    @classmethod
    def read(cls, settings: Settings) -> "Board | None":
        """The last one, if it is about the test set of now."""
        test = TestSet.read(settings)
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads((settings.class_folder / FILE).read_text(encoding="utf-8"))
            if test and kept["format"] == FORMAT and kept["test"] == test.digest:
                entries = tuple(Entry(**entry) for entry in kept["entries"])
                return cls(test=test.digest, at=float(kept["at"]), entries=entries)
        return None

    def places(self) -> dict[str, int]:
        """Run -> its place, one more than how many are better beyond noise; only of those that count."""
        return places({entry.run: entry.right for entry in self.entries if entry.counts})

    def sentence(self) -> str:
        """Who is in front, if that is more than noise."""
        found = list(self.places().values())
        if len(found) < 2:
            return "There are not two classifiers to compare yet."
        if max(found) == 1:
            return "No winner within noise: these photos cannot tell any two of them apart."
        first = found.count(1)
        if first == 1:
            second = sum(1 for other in found if other > 1)
            return f"One is better than all {second} others, and by more than noise."
        return f"{first} share the first place: between them there is no winner within noise."


def measure(settings: Settings, on_progress: OnEvent) -> Board:
    """Measure each pupil's newest classifier; those measured before are not asked again. Raises EngineError."""
    test = TestSet.read(settings)
    if test is None:
        raise RunError("There is no hidden test set yet: choose one first.")
    newest = _newest(settings)
    if not newest:
        raise RunError("Nobody in the class has a classifier yet: wait until a training has ended.")
    old = Board.read(settings)
    known = {(entry.run, entry.saved): entry for entry in old.entries} if old else {}
    asked = {seat: (run, saved_at(run.best)) for seat, run in newest.items()}
    new = [run.name for run, saved in asked.values() if (run.name, saved) not in known]
    said = _said(new, settings, on_progress) if new else {}
    entries = []
    for seat, (run, saved) in asked.items():
        entry = known.get((run.name, saved)) or _entry(seat, run, saved, said.get(run.name, {}), settings)
        entries.append(dataclasses.replace(entry, seat=seat))
    entries.sort(key=lambda entry: (-entry.score, entry.seat))
    board = Board(test=test.digest, at=time.time(), entries=tuple(entries))
    write_json(settings.class_folder / FILE, {"format": FORMAT} | dataclasses.asdict(board))
    return board


def _newest(settings: Settings) -> dict[str, Run]:
    """Seat -> the pupil's newest run that has a classifier."""
    by_owner = runs_by_owner(settings)
    found = {}
    for pupil in pupils(settings):
        run = next((run for run in by_owner.get(pupil.workspace.token, ()) if classifier_of(run)), None)
        if run:
            found[pupil.seat] = run
    return found


def _said(names: Sequence[str], settings: Settings, on_progress: OnEvent) -> dict[str, dict[str, str]]:
    places = {"runs": settings.runs, "cache-dir": settings.cache, "weights-dir": settings.weights_dir}
    folders = [word for name, place in places.items() if place for word in (f"--{name}", str(place))]
    told = run_command("measure", [*names, "--data", str(folder(settings)), *folders], settings, on_progress)
    found: dict[str, dict[str, str]] = told["classifiers"]
    return found


def _entry(seat: str, run: Run, saved: int, said: Mapping[str, str], settings: Settings) -> Entry:
    learnt = {str(photo["sha256"]) for photo in RunPhotos.of(run).listed.values()}
    return Entry(seat=seat, run=run.name, saved=saved, right=said.get("right", ""), trouble=said.get("error", ""),
                 seen=len(learnt & contents(settings)))  # fmt: skip


def places(right: Mapping[str, str]) -> dict[str, int]:
    """Name -> one more than how many are better beyond noise, of answers to the same photos."""
    pairs = []
    for one, other in itertools.combinations(right, 2):
        only_one = sum(a > b for a, b in zip(right[one], right[other], strict=True))
        only_other = sum(b > a for a, b in zip(right[one], right[other], strict=True))
        better, worse = (one, other) if only_one > only_other else (other, one)
        pairs.append((_by_luck(only_one, only_other), better, worse))
    beaten = dict.fromkeys(right, 0)
    for number, (by_luck, _, worse) in enumerate(sorted(pairs)):
        if by_luck > CHANCE / (len(pairs) - number):
            break
        beaten[worse] += 1
    return {name: 1 + number for name, number in beaten.items()}


def _by_luck(only_one: int, only_other: int) -> float:
    if only_one == only_other:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(only_one, only_one + only_other, 0.5).pvalue)


def forget_board(settings: Settings) -> None:
    """No board any more. Raises EngineError."""
    try:
        (settings.class_folder / FILE).unlink(missing_ok=True)
    except OSError as error:
        raise EngineError(f"The board could not be removed ({error.strerror}): ask the host.") from None
