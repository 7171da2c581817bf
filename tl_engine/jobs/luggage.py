"""What a job takes along: this program, what it is to do, and the photos where they are nobody's but one's own.

Photos keep their names below the data set's folder, so that what comes home speaks of those here; what takes no part in
the training stays here. Samples and sets of the hub are fetched by the job itself.
"""

import json
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from tl_engine.base.errors import DataError
from tl_engine.base.progress import OnProgress
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural, size_words
from tl_engine.checkout.program import program_files
from tl_engine.checkout.requirements import REQUIREMENTS, name_of, requirements
from tl_engine.data.dataset import ImageFolder, check_trainable
from tl_engine.data.mends import Located
from tl_engine.data.scan import scan
from tl_engine.hub.commit import Files
from tl_engine.runs.config import TrainConfig, to_dict
from tl_engine.sources.hub import PREFIX
from tl_engine.sources.intake import locate
from tl_engine.sources.samples import SAMPLES

ORDER, PHOTOS, MENDS = "job.json", "data.zip", "mends.json"
DATA = "data"  # the folder of the photos there
PAGE = "gradio"  # which a training has no use for


@dataclass(frozen=True, slots=True, kw_only=True)
class Photos:
    """The photos that go along, and how they are to be read."""

    located: Located
    data: ImageFolder
    bytes: int = field(default=0)

    @property
    def words(self) -> str:
        """`24 photos (1.2 MB)`."""
        return f"{plural(len(self.data.records), 'photo')} ({size_words(self.bytes)})"


def own_photos(config: TrainConfig, settings: Settings, tell: OnProgress | None = None) -> Photos | None:
    """The photos that lie here; None for a set that the job can have by its name. Raises DataError."""
    if config.data in SAMPLES or config.data.startswith(PREFIX):
        return None
    located = locate(config.data, settings, tell, config.reading)
    data = located.applied(scan(located.root, settings.limits, located.layout))
    check_trainable(data)
    try:
        return Photos(located=located, data=data, bytes=sum(r.path.stat().st_size for r in data.records))
    except OSError as error:
        raise DataError(f"A photo of {located.root.name} is gone ({error.strerror}): look at the folder.") from None


def luggage(config: TrainConfig, photos: Photos | None, flavor: str, place: Path) -> Files:
    """All files of the job, some of them written into `place`. Raises EngineError and OSError."""
    data = config.data if photos is None else MENDS
    needed = requirements(flavor).splitlines()
    files: dict[str, Path | bytes] = {
        **program_files(),
        REQUIREMENTS: ("\n".join(line for line in needed if name_of(line) != PAGE) + "\n").encode(),
        ORDER: json.dumps({**to_dict(config), "data": data, "layout": "auto", "zip_names": "auto"}).encode(),
    }
    if photos is not None:
        photos.located.write(place / MENDS)
        kept = json.loads((place / MENDS).read_bytes()) | {"root": DATA}  # no folder's name leaves this machine
        files |= {MENDS: json.dumps(kept).encode(), PHOTOS: _packed(photos.data, place / PHOTOS)}
    return files


def _packed(data: ImageFolder, file: Path) -> Path:
    """The photos as one file; they are packed already. Raises DataError for a name that no zip can hold."""
    try:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, strict_timestamps=False) as packed:
            for record in data.records:
                packed.write(record.path, record.path.relative_to(data.root).as_posix())
    except UnicodeEncodeError:
        raise DataError(f"A photo of {data.root.name} has a name that is no text: rename it.") from None
    return file


def unpack() -> None:
    """On the job, in the program's folder: the photos as a folder beside it."""
    if not Path(PHOTOS).is_file():
        return
    with zipfile.ZipFile(PHOTOS) as packed:
        packed.extractall(DATA)
    kept = json.loads(Path(MENDS).read_bytes())
    Path(MENDS).write_text(json.dumps(kept | {"root": os.path.realpath(DATA)}), encoding="ascii")
