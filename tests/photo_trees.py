"""Trees of tiny photos for the tests of what a folder is read as."""

import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image


def png() -> bytes:
    """One picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 30, 30)).save(buffer, "PNG")
    return buffer.getvalue()


PICTURE = png()


def make(root: Path, names: Iterable[str], content: bytes = PICTURE) -> Path:
    """Files below root, folders as needed; a name that ends in / is an empty folder."""
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return root


def numbered(folder: str, count: int) -> list[str]:
    """Names of so many photos in a folder."""
    return [f"{folder}/{index:04d}.png" for index in range(count)]


def filled(root: Path, *folders: str, each: int = 3) -> Path:
    """These folders with so many photos in each."""
    return make(root, (name for folder in folders for name in numbered(folder, each)))
