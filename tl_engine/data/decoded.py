"""Photos decoded and shrunk beforehand, in one file: where a GPU is lent for seconds, none of them go into decoding."""

import json
import shutil
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tl_engine.base.errors import DataError, ImageError
from tl_engine.base.events import Progress
from tl_engine.base.files import is_disk_full, make_parent
from tl_engine.base.parallel import in_order
from tl_engine.base.progress import Stage
from tl_engine.data.dataset import Record

PIXELS, INDEX = "pixels.bin", "index.json"
Pixels = NDArray[np.uint8]  # (H, W, 3)


class Decoded:
    """Small pictures by their photos' paths, read where they lie; those that could not be decoded are not there."""

    def __init__(self, folder: Path) -> None:
        self._places: dict[str, list[int]] = json.loads((folder / INDEX).read_text(encoding="ascii"))
        size = (folder / PIXELS).stat().st_size
        self._bytes = np.memmap(folder / PIXELS, np.uint8, "r") if size else np.zeros(0, np.uint8)

    def get(self, record: Record, *, learns: bool) -> Pixels | None:
        """The picture of a photo as training keeps it, or as the network sees it; None if it is not there."""
        place = self._places.get(_key(record, learns))
        if place is None:
            return None
        start, height, width = place
        return self._bytes[start : start + height * width * 3].reshape(height, width, 3)


def decode_ahead(
    wanted: Sequence[tuple[Record, bool]], draw: Callable[[Record, bool], Pixels], folder: Path
) -> Generator[Progress, None, None]:
    """Decode photos into `folder`, anew; `draw` takes a record and whether it is to be learnt from.

    Raises DataError where they cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    make_parent(folder)
    clock, places, at = Stage("decoding photos", len(wanted)), {}, 0

    def drawn(item: tuple[Record, bool]) -> Pixels | None:
        try:
            return draw(*item)
        except ImageError:  # the training meets it too, and names it
            return None

    try:
        with (folder / PIXELS).open("wb") as file:
            for done, (item, pixels) in enumerate(zip(wanted, in_order(drawn, wanted), strict=True), start=1):
                if pixels is not None:
                    places[_key(*item)] = [at, pixels.shape[0], pixels.shape[1]]
                    at += file.write(np.ascontiguousarray(pixels).tobytes())
                if event := clock.due(done):
                    yield event
        (folder / INDEX).write_text(json.dumps(places), encoding="ascii")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        why = "the disk is full" if is_disk_full(error) else error.strerror or "input/output error"
        raise DataError(f"The photos could not be decoded beforehand ({why}): make room.") from None


def _key(record: Record, learns: bool) -> str:
    return f"{'learns' if learns else 'seen'}:{record.path}"
