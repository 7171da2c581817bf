"""A data set that a visitor chose, resolved once: what the engine calls it, where it lies, and what is in it."""

import dataclasses
import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path

from tl_engine.base.errors import DataError
from tl_engine.base.settings import Limits, Settings
from tl_engine.base.words import plural
from tl_engine.base.written import AUTO
from tl_engine.data.dataset import ImageFolder
from tl_engine.data.mends import Located
from tl_engine.data.scan import scan
from tl_engine.sources.collection import PREFIX, Collection
from tl_engine.sources.intake import locate
from tl_engine.sources.samples import SAMPLES, present_folder

HASHED = re.compile(r"-[0-9a-f]{16}$")  # what the folder of an upload ends with
HUB_PREFIX = "hf--"  # how the folder of a data set from the hub begins
FOLDER, UPLOAD = "folder:", "upload:"  # what a choice begins with that is no sample
MENDS = ".mends"  # in a workspace


@dataclass(frozen=True, slots=True)
class Chosen:
    """One data set as one visitor sees it. Made by `Workspace.data`, which looks whether they may."""

    settings: Settings
    choice: str  # as the page sends it
    data: str  # as the engine takes it: a sample's name or a folder
    mends_folder: Path  # of the visitor

    @property
    def mends_file(self) -> Path:
        """Where the visitor's corrections of it lie, or would lie; tells it from all others."""
        kind, _, name = self.choice.rpartition(":")
        return self.mends_folder / (kind or "sample") / f"{name}.json"

    @property
    def absent(self) -> bool:
        """Whether it is a sample that must be downloaded first; training does that."""
        sample = SAMPLES.get(self.data)
        return sample is not None and not sample.offline and present_folder(sample, self.settings) is None

    @property
    def title(self) -> str:
        """What people call it."""
        if sample := SAMPLES.get(self.data):
            return sample.title
        return folder_title(Path(self.data))

    @property
    def run_title(self) -> str:
        """What a training on it is called: the same, with how much of it was corrected."""
        try:
            number = len(self.located().mends)
        except DataError:
            number = 0
        return f"{self.title}, {plural(number, 'correction')}" if number else self.title

    @property
    def collection(self) -> Collection | None:
        """What the visitor puts together by hand, if it is that."""
        if not self.choice.startswith(UPLOAD + PREFIX):
            return None
        own = Collection(Path(self.data))
        return own if own.titled else None  # somebody's zip may have such a name

    def located(self) -> Located:
        """Where it lies now, and what the visitor corrected in it. Raises DataError, for an absent sample too."""
        if self.absent:
            raise DataError(f"The sample {self.data} is not here yet: press Train, and it is downloaded first.")
        original = locate(self.data, self.settings)
        if not self.mends_file.is_file():
            return original
        try:
            own = Located.read(self.mends_file)
            return dataclasses.replace(original, mends=own.mends, layout=own.layout)
        except DataError:
            raise DataError("Your corrections of this data set cannot be read: press Undo all corrections.") from None

    def described(self, layout: str = AUTO) -> ImageFolder | None:
        """What is in it, as corrected; None for a sample not downloaded yet. Raises DataError.

        Read again only when its folders changed. A layout that is asked for wins over the one that was chosen before.
        """
        if self.absent:
            return None
        if own := self.collection:
            check_enough(own)
        located = self.located()
        wanted = located.layout if layout == AUTO else layout
        return located.applied(_scanned(located.root, last_change(located.root), self.settings.limits, wanted))


def folder_title(folder: Path) -> str:
    """What to call the data set in that folder."""
    if (collection := Collection(folder)).titled:
        return collection.title
    if folder.name.startswith(HUB_PREFIX):
        return folder.name.removeprefix(HUB_PREFIX).replace("--", "/")
    return HASHED.sub("", folder.name)


def check_enough(own: Collection) -> None:
    """Raise DataError, in words for who puts it together, while nothing can be learnt from it."""
    counts = own.counts()
    if len(counts) < 2:
        classes = "no class" if not counts else "one class"
        raise DataError(f"{own.title} has {classes} yet, and a classifier tells at least two apart: add one in Photos.")
    for name, number in counts.items():
        if number < 2:
            photos = "no photo" if not number else "one photo"
            raise DataError(f"The class {name} has {photos} yet, and needs at least two: add some in Photos.")


@functools.lru_cache(maxsize=32)
def _scanned(folder: Path, _changed: int, limits: Limits, layout: str) -> ImageFolder:
    return scan(folder, limits, layout)


def last_change(folder: Path) -> int:
    """When the folder or one below it last gained or lost a file, nanoseconds since 1970."""
    return max(Path(current).stat().st_mtime_ns for current, _, _ in os.walk(folder))
