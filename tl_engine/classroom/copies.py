"""Photos of several data sets put together in one folder: each content once a class, named by it. No torch here.

Linked where the disk allows, so that a class of forty costs no room.
"""

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tl_engine.base.files import file_hash
from tl_engine.base.names import class_folder_names, clean_class_name
from tl_engine.photos.formats import START, format_of
from tl_engine.workspaces.chosen import Chosen

Photos = list[tuple[str, Path]]  # (class name, photo)


@dataclass(slots=True)
class Merged:
    """Class names that differ in capitals only, as one."""

    spellings: dict[str, Counter[str]] = field(default_factory=dict)

    def key(self, name: str) -> str:
        """What the spellings of a name have in common; counts this one."""
        plain = clean_class_name(name)
        self.spellings.setdefault(plain.casefold(), Counter())[plain] += 1
        return plain.casefold()

    def names(self) -> dict[str, str]:
        """Key -> the spelling of most photos, as a folder of any system may be called."""
        keys = sorted(self.spellings)
        usual = [max(sorted(self.spellings[key]), key=self.spellings[key].__getitem__) for key in keys]
        return dict(zip(keys, class_folder_names(usual), strict=True))

    def told(self) -> list[str]:
        """`cat and Cat are one class, cat.`, for each class with several spellings."""
        names = self.names()
        several = {key: sorted(count) for key, count in self.spellings.items() if len(count) > 1}
        return [f"{' and '.join(spelt)} are one class, {names[key]}." for key, spelt in several.items()]


def photos_in(chosen: Chosen) -> Photos:
    """All photos of a data set, as corrected; of one that is put together by hand also while it is incomplete.

    Raises DataError.
    """
    if own := chosen.collection:
        return [(name, path) for name in own.classes() for path in sorted(own.photos(name))]
    data = chosen.described()
    return [(data.classes[record.label], record.path) for record in data.records] if data else []


def put_together(photos: Iterable[tuple[str, Path]], folder: Path, most: int) -> tuple[Merged, Mapping[str, int]]:
    """Link photos into class folders below `folder`; what was merged, and how many there are of each class.

    Of more than `most` the last ones are left out. Raises OSError.
    """
    merged, sorted_in = Merged(), dict[tuple[str, str], Path]()
    for name, path in photos:
        with contextlib.suppress(FileNotFoundError):  # removed this moment
            digest = file_hash(path)
            key = merged.key(name)
            if len(sorted_in) < most:
                sorted_in.setdefault((key, digest), path)
    names, counts = merged.names(), Counter[str]()
    for (key, digest), path in sorted_in.items():
        with contextlib.suppress(FileNotFoundError):
            _link(path, folder / names[key], digest)
            counts[names[key]] += 1
    return merged, counts


def _link(path: Path, folder: Path, digest: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("rb") as opened:
        kind = format_of(opened.read(START))
    target = folder / f"{digest}{kind.suffix if kind else ''}"
    try:
        os.link(path, target)
    except FileExistsError:
        return
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(path, target)
