"""From what a person names (a sample, a folder, a zip, a hub's data set) to a checked image folder. No torch here."""

import dataclasses
from pathlib import Path

from tl_engine.base.errors import ConfigError, DataError
from tl_engine.base.files import make_parent, publish, temporary
from tl_engine.base.progress import OnProgress
from tl_engine.base.settings import Limits, Settings
from tl_engine.base.written import AUTO, written_path
from tl_engine.data.dataset import ImageFolder, check_trainable
from tl_engine.data.mends import Located
from tl_engine.data.reading import Reading
from tl_engine.data.scan import check_data, scan
from tl_engine.sources.hub import PREFIX, hub_folder
from tl_engine.sources.samples import SAMPLES, sample_folder
from tl_engine.zips.archives import content_name, unpack
from tl_engine.zips.names import shown

PLAIN = Reading()


def load_data(
    data: str, settings: Settings, on_progress: OnProgress | None = None, reading: Reading = PLAIN
) -> ImageFolder:
    """The image folder behind a sample's name, a folder, a zip, hf:OWNER/NAME or a file of mends, as corrected.

    A sample's name wins over a folder of that name. Raises DataError with one sentence when there is nothing to
    learn from.
    """
    located = locate(data, settings, on_progress, reading)
    corrected = located.applied(scan(located.root, settings.limits, located.layout))
    check_trainable(corrected)  # a correction may have left out the last photo of a class
    return corrected


def locate(data: str, settings: Settings, on_progress: OnProgress | None = None, reading: Reading = PLAIN) -> Located:
    """Where that data set lies, how it is to be read, and what was corrected in it. Raises DataError.

    A layout that is asked for wins over one that was chosen before.
    """
    located = _located(data, settings, on_progress, reading)
    return located if reading.layout == AUTO else dataclasses.replace(located, layout=reading.layout)


def _located(data: str, settings: Settings, on_progress: OnProgress | None, reading: Reading) -> Located:
    if sample := SAMPLES.get(data):
        return Located(root=sample_folder(sample, settings, on_progress))
    if data.startswith(PREFIX):
        return Located(root=hub_folder(data, settings, on_progress))
    path = _existing(data)
    if path is None:
        raise DataError(
            f"There is no folder, zip or sample {Path(data).name[:80]!r}: the samples are {', '.join(SAMPLES)}; "
            "a folder needs one folder per class inside."
        )
    if path.suffix == ".json" and path.is_file():
        return Located.read(path)
    if path.is_file():
        path = unpacked(path, settings.samples / "archives", settings.limits, on_progress, reading)
    return Located(root=path.resolve())


def _existing(data: str) -> Path | None:
    """What is named, if it is there; names may be anything a person types."""
    try:
        path = written_path(data)
        return path if data.strip() and path.exists() else None
    except (OSError, ConfigError):  # longer than names can be; ~nobody; a zero byte
        return None


def unpacked(
    archive: Path, parent: Path, limits: Limits, on_progress: OnProgress | None = None, reading: Reading = PLAIN
) -> Path:
    """The folder with the contents of a zip, under `parent` and named by the hash, so that it is unpacked once."""
    name = shown(archive.name)
    try:
        folder = parent / content_name(archive, reading.zip_names)
    except OSError as error:
        raise DataError(f"{name} cannot be read ({error.strerror}): copy it again.") from None
    if not folder.is_dir():
        make_parent(parent)
        with temporary(parent) as place:
            partial = Path(place, name)  # refusals speak of the archive's own name
            unpack(archive, partial, limits, on_progress, reading.zip_names)
            check_data(partial, limits, reading.layout)
            publish(partial, folder, name)
    return folder
