"""From what a person names (a picture, a folder, a pattern that no shell expanded) to pictures. No torch here."""

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tl_engine.base.errors import ConfigError, ImageError
from tl_engine.base.names import is_junk
from tl_engine.base.written import written_path
from tl_engine.photos.formats import PHOTO_SUFFIXES


@dataclass(frozen=True, slots=True)
class NamedPictures:
    """What one name stands for."""

    pictures: Sequence[Path]
    others: Sequence[Path] = ()  # files of a folder that do not look like pictures from outside


def named_pictures(name: str) -> NamedPictures:
    """The picture, the pictures anywhere in the folder, or those that match. Raises ImageError when there are none."""
    try:
        path = written_path(name)
        if path.exists() and not path.is_dir():
            return NamedPictures([path])
        found = _sorted_out([path]) if path.is_dir() else _sorted_out(_matches(path))
    except (OSError, ConfigError):  # longer than names can be; ~nobody
        raise ImageError(f"{name[:80]!r} is not there: check the path.") from None
    if not found.pictures and glob.has_magic(name):
        raise ImageError(f"Nothing here matches {name[:80]!r}: check the pattern, capitals count.")
    if not found.pictures:
        reason = "holds no pictures: name another folder" if path.is_dir() else "is not there: check the path"
        raise ImageError(f"{path.name[:80]} {reason}.")
    return found


def _matches(pattern: Path) -> list[Path]:
    """What a shell would put in the pattern's place, without junk."""
    found = map(Path, sorted(glob.glob(str(pattern), recursive=True)))  # noqa: PTH207 - what is hidden stays so
    return [path for path in found if not any(map(is_junk, path.parts))]


def _sorted_out(named: Sequence[Path]) -> NamedPictures:
    """Files as they were named, and those in folders that look like pictures from outside; each once."""
    files = [path for path in named if path.is_file()]
    inside = [path for folder in named if folder.is_dir() for path in _files(folder)]
    pictures = [path for path in inside if path.suffix.lower() in PHOTO_SUFFIXES]
    others = [path for path in inside if path.suffix.lower() not in PHOTO_SUFFIXES]
    return NamedPictures(list(dict.fromkeys([*files, *pictures])), list(dict.fromkeys(others)))


def _files(folder: Path) -> Iterator[Path]:
    """All files below but what operating systems leave behind and what is hidden."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(is_junk(part) or part.startswith(".") for part in parts):
            yield path
