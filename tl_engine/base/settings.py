"""Where things lie and how much is accepted: one place for paths and limits, from flags and TL_* variables."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from tl_engine.base.written import written_path

VERSION = "0.6.0"


PROJECT = Path(__file__).resolve().parent.parent.parent
MEGABYTE = 1_000_000
GIGABYTE = 1_000_000_000
HOUR = 3600  # seconds
CACHE = PROJECT / "weights" / "cache"
FOLDER_OPTIONS = {  # of page and terminal -> what lies there
    "runs": "Folder of the runs.",
    "data-dir": "Folder with the host's data sets, only read.",
    "weights-dir": "Folder with backbone files, such as resnet18.pth, only read.",
    "cache-dir": "Folder for what can be had again.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one person may bring. The defaults are for one's own machine; SHARED is for a public page."""

    archive_bytes: int = GIGABYTE
    image_bytes: int = 50 * MEGABYTE
    unpacked_bytes: int = 2 * GIGABYTE
    entries: int = 20_000  # files in an archive
    depth: int = 6  # folders inside one another
    name_length: int = 120  # characters of one file or folder name
    archive_ratio: int = 20  # unpacked : packed, for the whole archive
    entry_ratio: int = 200  # the same, for one entry
    classes: int = 1_000
    images: int = 20_000
    classifier_bytes: int = 2 * GIGABYTE  # of a classifier's tensors on the hub
    hub_classifiers: int = 100  # kept for one visitor
    person_bytes: int = 1_000 * GIGABYTE  # kept for one visitor; at home only the disk is the limit
    free_bytes: int = GIGABYTE  # new data is refused when the disk has less than this left
    request_bytes: int = 1_100 * MEGABYTE  # of one upload, however many files are in it
    call_bytes: int = 16 * MEGABYTE  # of any other request, which is held in memory
    hour_bytes: int = 50 * GIGABYTE  # of one person's requests in an hour
    minute_requests: int = 20_000  # of one person; an open page asks once a second
    new_persons: int = 1_000  # browsers that are told apart, an address and hour; after that it is one person
    data_seconds: int = 0  # a visitor's photos are deleted so long after they were last seen; 0: never
    run_seconds: int = 0  # the same of their trainings
    kept_runs: int = 1_000  # trainings of one visitor that are kept however old
    person_runs: int = 20  # trainings of one person that wait or are at work
    epochs: int = 0  # of a training; the steps of a solved head are none. 0: as many as asked, and so below
    minutes: int = 0  # that a training may be at work, each time that it is its turn
    silent_minutes: int = 0  # after which one that gives no sign of life is ended, so that others can train
    waiting_calls: int = 200  # of one person in one lane of the page; more are refused with a time to come back


HOME = Limits()
SHARED = Limits(
    archive_bytes=200 * MEGABYTE,
    image_bytes=20 * MEGABYTE,
    unpacked_bytes=500 * MEGABYTE,
    entries=5_000,
    classes=100,
    images=3_000,
    classifier_bytes=400 * MEGABYTE,
    hub_classifiers=3,
    person_bytes=GIGABYTE,
    free_bytes=5 * GIGABYTE,
    waiting_calls=20,
    request_bytes=250 * MEGABYTE,
    hour_bytes=2 * GIGABYTE,
    minute_requests=6_000,
    new_persons=200,
    data_seconds=2 * HOUR,
    run_seconds=24 * HOUR,
    kept_runs=5,
    person_runs=1,
    epochs=30,
    minutes=10,
    silent_minutes=3,
)
# A class of thirty on a teacher's laptop. Photos are as many as the pooled ones of all; a pupil is kept to the bytes.
CLASSROOM = replace(
    SHARED,
    archive_bytes=100 * MEGABYTE,
    unpacked_bytes=250 * MEGABYTE,
    entries=2_000,
    classes=20,
    images=6_000,
    hub_classifiers=1,
    data_seconds=12 * HOUR,  # a school day
    person_bytes=300 * MEGABYTE,
    free_bytes=2 * GIGABYTE,
)


def _folder(flag: str | None, variable: str, default: Path) -> Path:
    """What the flag says, else the environment, else the default."""
    value = flag or os.environ.get(variable)
    return written_path(value).resolve() if value else default


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The folders of one installation.

    `weights_dir` and `data_dir` are the host's own and only read; downloads go to `backbones` and `samples`.
    """

    runs: Path = PROJECT / "weights" / "runs"
    data_dir: Path = PROJECT / "data"
    backbones: Path = PROJECT / "weights" / "backbones"
    demo: Path = PROJECT / "weights" / "demo"
    uploads: Path = PROJECT / "weights" / "uploads"  # what visitors brought, a folder for each workspace
    weights_dir: Path | None = None
    cache: Path = CACHE  # what can be had again: features, thumbnails, samples
    cache_bytes: int = 2 * GIGABYTE
    limits: Limits = HOME
    classroom: bool = False  # a teacher holds a lesson on this page

    @classmethod
    def make(
        cls,
        *,
        runs: str | None = None,
        data_dir: str | None = None,
        weights_dir: str | None = None,
        cache_dir: str | None = None,
    ) -> Self:
        """Settings from flags, else from TL_RUNS and other TL_ variables, else the project's own.

        Raises ConfigError for what can be no path.
        """
        weights = weights_dir or os.environ.get("TL_WEIGHTS_DIR")
        return cls(
            runs=_folder(runs, "TL_RUNS", PROJECT / "weights" / "runs"),
            data_dir=_folder(data_dir, "TL_DATA_DIR", PROJECT / "data"),
            weights_dir=written_path(weights).resolve() if weights else None,
            cache=_folder(cache_dir, "TL_CACHE_DIR", CACHE),
            uploads=_folder(None, "TL_UPLOADS", PROJECT / "weights" / "uploads"),
            backbones=_folder(None, "TL_BACKBONES", PROJECT / "weights" / "backbones"),
        )

    @property
    def class_folder(self) -> Path:
        """What a teacher prepared and collected: the lesson, the hidden test set, the board."""
        return self.uploads / ".classroom"

    @property
    def samples(self) -> Path:
        """Where data sets that we make, download or unpack are kept, beside what is cached."""
        return self.cache / "samples"

    @property
    def weight_folders(self) -> tuple[Path, ...]:
        """Where a host's weight files are looked for, first match wins."""
        return (self.weights_dir, self.backbones) if self.weights_dir else (self.backbones,)
