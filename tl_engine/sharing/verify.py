"""Whether an export says what the app says: its own predict.py, in a process of its own, on photos that judged."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tl_engine.base.errors import TrainingError
from tl_engine.base.files import write_whole
from tl_engine.base.names import visible
from tl_engine.base.parallel import batched
from tl_engine.base.words import plural
from tl_engine.evaluation.judged import read_judged
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.photos.formats import START, format_of
from tl_engine.runs.run import Run

MOST_PHOTOS = 200
MOST_SLOW = 48  # that the slower formats are asked about, and all of a backbone whose graph was checked before
MADE = 16  # pictures that are made where no photo of the training is here
CLOSE = 1e-4  # as far as a probability may be from the app's
LEAST_SAME = 0.99  # of the photos, for a smaller copy; of few photos, all but one
Pixels = NDArray[np.uint8]
Answers = Sequence[Mapping[str, Any]]  # of each photo: probabilities by class, and the verdict


class DisagreementError(TrainingError):
    """An export that says something else than the app."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What came of comparing the answers to the same photos."""

    photos: int
    same_class: int
    largest_difference: float  # of a probability
    same_verdict: int | None = None  # None: this copy gives none
    first: str | None = None  # the first photo of another class
    left_out: str | None = None  # why this copy is not in the bundle

    def told(self) -> dict[str, Any]:
        """Json-ready, without what is not known, and without the photo's name: it goes to strangers."""
        return {name: value for name, value in asdict(self).items() if value is not None and name != "first"}


def photos_of(run: Run, place: Path) -> tuple[list[Path], str]:
    """Photos to compare on, and what they are called: those that judged, their small copies, or made ones in `place`.

    Photos that Pillow alone does not decode (HEIC, AVIF) are left to the app.
    """
    judged = next(iter(read_judged(run.report).values()), None)
    photos = RunPhotos.of(run)
    files = list(dict.fromkeys(judged.files)) if judged else []
    there = [path for file in files if (path := photos.path(file)) and _plain(path)]
    if there:
        return _spread(there), "photos that judged it"
    small = [path for file in files if (path := photos.small(file))]
    if small:
        return _spread(small), "small copies of photos that judged it"
    return made_pictures(place)


def made_pictures(place: Path) -> tuple[list[Path], str]:
    """Pictures made in `place`, and what they are called."""
    return [_made(place, number) for number in range(MADE)], "made pictures, since no photo of the training is here"


def a_few(paths: Sequence[Path], most: int) -> list[Path]:
    """At most so many of them, evenly from the whole list."""
    return list(paths[:: max(1, -(-len(paths) // most))])


def said_by_model(bundle: Path, model: str, pixels: Sequence[Pixels]) -> Answers:
    """What one of a bundle's models says of pictures as they are seen, by the bundle's own code."""
    from tl_engine.sharing.predict import BATCH as AT_ONCE
    from tl_engine.sharing.predict import Classifier

    classifier = Classifier(model, bundle)
    rows = [np.ascontiguousarray(picture.transpose(2, 0, 1)) for picture in pixels]
    return [answer for batch in batched(rows, AT_ONCE) for answer in classifier(batch)]


class Asked:
    """A bundle's predict.py at work on photos, in a process that knows nothing of this program."""

    def __init__(self, bundle: Path, model: str, paths: Sequence[Path]) -> None:
        self.said, self.complaints = bundle / f".{model}.said", bundle / f".{model}.errors"
        command = [sys.executable, "-E", "-s", "-B", "predict.py", "--json", "--model", model, *map(str, paths)]
        with self.said.open("wb") as out, self.complaints.open("wb") as errors:
            self.process = subprocess.Popen(command, cwd=bundle, stdin=subprocess.DEVNULL, stdout=out, stderr=errors)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no process and no file of it."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for file in (self.said, self.complaints):
            file.unlink(missing_ok=True)

    def answers(self) -> Answers:
        """What it said of each, once it has ended. Raises DisagreementError where it could not."""
        code = self.process.wait()
        lines = self.said.read_text(encoding="utf-8").splitlines()
        if code:
            raise DisagreementError(f"The export cannot be run: {self._complaint(lines)}.")
        return [json.loads(line) for line in lines]

    def _complaint(self, lines: Sequence[str]) -> str:
        errors = self.complaints.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        refused = [line for line in lines if '"error"' in line]
        return visible((errors or refused or ["it ended without a word"])[-1])[:200]


def compared(app: Answers, said: Answers, paths: Sequence[Path]) -> Agreement:
    """How far two lists of answers to the same photos agree; classes of one probability are the same."""
    if len(app) != len(said):
        raise DisagreementError(f"The export answered {len(said)} of {plural(len(app), 'photo')}.")
    same, largest, first = 0, 0.0, None
    for ours, theirs, path in zip(app, said, paths, strict=True):
        mine, other = ours["probabilities"], theirs["probabilities"]
        if mine.keys() != other.keys():
            raise DisagreementError("The export has other classes than the app.")
        differences = [abs(mine[name] - other[name]) for name in mine]
        largest = max(largest, *(d if d == d else 1.0 for d in differences))  # not a number is as wrong as can be
        agrees = mine[max(other, key=other.__getitem__)] >= max(mine.values()) - CLOSE
        same += agrees
        first = first if agrees or first else path.name
    told = [(ours["verdict"], theirs["verdict"]) for ours, theirs in zip(app, said, strict=True) if "verdict" in theirs]
    return Agreement(
        photos=len(paths), same_class=same, largest_difference=float(largest), first=first,
        same_verdict=sum(one == other for one, other in told) if told else None,
    )  # fmt: skip


def check_whole(found: Agreement) -> None:
    """Raise DisagreementError unless the full export says what the app says."""
    if found.same_class < found.photos:
        raise DisagreementError(
            f"The export names another class than the app for {plural(found.photos - found.same_class, 'photo')} of "
            f"{found.photos}, the first is {found.first}: nothing was written."
        )
    if found.largest_difference > CLOSE:
        raise DisagreementError(
            f"The export's probabilities are up to {found.largest_difference:.1g} from the app's, more than "
            f"{CLOSE:.0e}: nothing was written."
        )


def why_left_out(found: Agreement) -> str | None:
    """Why a smaller copy is not good enough; None for one that is."""
    missed = found.photos - found.same_class
    if missed > max(1, found.photos * (1 - LEAST_SAME)):
        return f"it names another class for {missed} of {plural(found.photos, 'photo')}"
    return None


def _spread(paths: Sequence[Path]) -> list[Path]:
    """At most MOST_PHOTOS, evenly from the whole list."""
    return (
        list(paths) if len(paths) <= MOST_PHOTOS else [paths[i * len(paths) // MOST_PHOTOS] for i in range(MOST_PHOTOS)]
    )


def _plain(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            kind = format_of(file.read(START))
    except OSError:
        return False
    return kind is not None and not kind.apart


def _made(place: Path, number: int) -> Path:
    """A picture of large soft spots: noise alone looks the same to every network."""
    random = np.random.default_rng(number)
    spots = Image.fromarray(random.integers(0, 256, (2 + number % 7, 3 + number % 5, 3), np.uint8))
    path = place / f"made-{number:02d}.png"
    spots.resize((240 + 40 * (number % 4), 300), Image.Resampling.BICUBIC).save(path)
    return path


def stamp(folder: Path, verified: Mapping[str, Any]) -> None:
    """Write what was found beside the export. Raises OSError."""
    write_whole(folder / "verified.json", (json.dumps(verified, indent=1) + "\n").encode("ascii"))
