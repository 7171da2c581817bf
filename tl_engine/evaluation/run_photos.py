"""The photos that a run used: where they lie now, and small copies of them that travel with the run. No torch here."""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from PIL import Image

from tl_engine.base.errors import DataError, ImageError
from tl_engine.base.files import appearing
from tl_engine.base.parallel import in_order
from tl_engine.data.dataset import ImageFolder, Record
from tl_engine.photos.opening import open_image
from tl_engine.runs.run import Run

SMALL = "photos"  # the folder of the small copies, each named by its photo's content
SIDE, QUALITY = 160, 80  # pixels of the long side; of a JPEG
MOST = 2_000  # copies
Place = Callable[[Path, str], Path]  # of a report's folder and a photo's content


@dataclass(frozen=True, slots=True)
class RunPhotos:
    """The photos by their names below the data set's folder, as the run's manifest lists them."""

    run: Run
    root: Path | None  # None: the data set is no longer here
    listed: dict[str, dict[str, Any]]  # file -> class, split, sha256
    classes: tuple[str, ...]

    @classmethod
    def of(cls, run: Run) -> Self:
        """Of a run; without a manifest none are listed."""
        listed: dict[str, dict[str, Any]] = {}
        classes: tuple[str, ...] = ()
        root = Path(run.facts.data)  # of runs whose manifest does not say it
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(run.manifest.read_text(encoding="utf-8"))
            listed = {str(photo["file"]): dict(photo) for photo in kept["photos"]}
            classes = tuple(map(str, kept["classes"]))
            root = Path(kept.get("root", root))
        return cls(run, root if root.is_absolute() and root.is_dir() else None, listed, classes)

    def hidden(self) -> Self:
        """The same without a photo to be shown."""
        return dataclasses.replace(self, root=None, listed={})

    def path(self, file: str) -> Path | None:
        """Where a photo lies, if it is still there."""
        path = self.root / file if self.root and file in self.listed else None
        return path if path and path.is_file() else None

    def small(self, file: str) -> Path | None:
        """Its small copy, if there is one."""
        return self._there(file, small_copy)

    def why(self, file: str) -> Path | None:
        """The small picture of what spoke for the class it was taken for, if there is one."""
        return self._there(file, why_copy)

    def keep_why(self, file: str, picture: Image.Image) -> None:
        """Keep that picture, small. Raises OSError."""
        self._write(file, picture.copy(), why_copy)

    def _there(self, file: str, place: Place) -> Path | None:
        path = place(self.run.report, str(self.listed[file]["sha256"])) if file in self.listed else None
        return path if path and path.is_file() else None

    def _write(self, file: str, picture: Image.Image, place: Place) -> None:
        picture.thumbnail((SIDE, SIDE))
        with appearing(place(self.run.report, str(self.listed[file]["sha256"]))) as partial:
            picture.save(partial, "JPEG", quality=QUALITY)

    def keep_small(self, files: Iterable[str]) -> None:
        """Make small copies of these photos, MOST at most; those that cannot be read get none."""
        wanted = [file for file in dict.fromkeys(files) if self.small(file) is None][:MOST]
        with contextlib.suppress(OSError):  # a run that is deleted meanwhile gets no folder back
            (self.run.report / SMALL).mkdir(exist_ok=True)
            for _ in in_order(self._keep, wanted):
                pass

    def _keep(self, file: str) -> None:
        path = self.path(file)
        if path is None:
            return
        with contextlib.suppress(ImageError, OSError):
            self._write(file, open_image(path, short_side=SIDE), small_copy)

    def folder(self) -> ImageFolder:
        """The photos that are still there, as the training saw them. Raises DataError for none."""
        if self.root is None:
            raise DataError("The data set of this training is no longer here: what needs its photos is left out.")
        labels = {name: label for label, name in enumerate(self.classes)}
        records = tuple(
            Record(path, labels[facts["class"]], facts["split"])
            for file, facts in self.listed.items()
            if (path := self.path(file)) is not None
        )
        if not records:
            raise DataError("The photos of this training are no longer here: what needs them is left out.")
        return ImageFolder(root=self.root, classes=self.classes, records=records)


def why_copy(report: Path, sha256: str) -> Path:
    """Where the picture of what spoke for a class lies, of the photo of that content."""
    return report / SMALL / f"{sha256[:32]}-why.jpg"


def small_copy(report: Path, sha256: str) -> Path:
    """Where the small copy of a photo of that content lies, or would lie, in a run's report."""
    return report / SMALL / f"{sha256[:32]}.jpg"
