"""One look at every picture before training, so that a damaged file is named at once and never stops a run."""

import os
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tl_engine.dataset import ImageFolder
from tl_engine.errors import ImageError
from tl_engine.events import Progress
from tl_engine.pictures import open_image
from tl_engine.progress import Stage

LOOK = 64  # pixels of the short side: JPEG then decodes at an eighth, yet reads the file to its end


def unreadable(data: ImageFolder, check_stop: Callable[[], None]) -> Generator[Progress, None, dict[Path, str]]:
    """The files that do not decode, each with one sentence. Pillow decodes outside the GIL, so threads help."""
    bad: dict[Path, str] = {}
    paths = [record.path for record in data.records]
    clock = Stage("checking photos", len(paths))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, (path, reason) in enumerate(zip(paths, pool.map(_problem, paths), strict=True), start=1):
            try:
                check_stop()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
            if reason:
                bad[path] = reason
            if event := clock.due(done):
                yield event
    return bad


def _problem(path: Path) -> str | None:
    try:
        open_image(path, short_side=LOOK)
    except ImageError as error:
        return str(error)
    return None
