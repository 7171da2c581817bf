"""Small pictures of photos, made once and kept in the cache, so that no gallery opens originals twice. No torch."""

import hashlib
from pathlib import Path

from tl_engine.base.errors import ImageError
from tl_engine.base.files import appearing
from tl_engine.base.settings import Settings
from tl_engine.photos.opening import open_image

SIDE = 160  # pixels of the short side
LONGEST = 320  # pixels of the long side; panoramas are cut there
MOST = 50_000  # kept; about 5 kB each


def thumbnail(path: Path, settings: Settings) -> Path:
    """The file of a photo's thumbnail, a JPEG. Raises ImageError when the photo cannot be read or nothing written."""
    try:
        small = place(path, settings)
        if not small.exists():
            _make(path, small)
        return small
    except OSError as error:
        raise ImageError(f"There is no preview of {path.name} ({error.strerror}): make room on the disk.") from None


def place(path: Path, settings: Settings) -> Path:
    """Where the thumbnail of a photo as it is now lies, or would lie. Raises OSError when the photo is gone."""
    status = path.stat()
    name = hashlib.sha256(f"{path}\0{status.st_size}\0{status.st_mtime_ns}".encode("utf-8", "surrogateescape"))
    return settings.cache / "thumbnails" / name.hexdigest()[:2] / f"{name.hexdigest()[2:34]}.jpg"


def _make(path: Path, small: Path) -> None:
    picture = open_image(path, short_side=SIDE)
    width, height = picture.size
    left, top = max(0, (width - LONGEST) // 2), max(0, (height - LONGEST) // 2)
    small.parent.mkdir(parents=True, exist_ok=True)
    _keep_few(small.parent)
    with appearing(small) as partial:
        picture.crop((left, top, width - left, height - top)).save(partial, "JPEG", quality=80)


def _keep_few(folder: Path) -> None:
    """One of 256 folders: when it is full, the older half goes."""
    kept = list(folder.glob("*.jpg"))
    if len(kept) >= MOST // 256:
        for old in sorted(kept, key=lambda file: file.stat().st_mtime)[: len(kept) // 2]:
            old.unlink(missing_ok=True)
