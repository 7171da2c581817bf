"""What takes seconds to make is made by one of the processes that test, and copied by each."""

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from filelock import FileLock

T = TypeVar("T")


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], T]) -> tuple[Path, T]:
    """This process's own copy of the folder that `make` fills, and what `make` told of it."""
    base = factory.getbasetemp()
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    place, told = common / f"{name}-made", common / f"{name}-told"
    with FileLock(common / f"{name}.lock"):
        if not told.exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            told.write_bytes(pickle.dumps(make(place)))
        own = Path(shutil.copytree(place, factory.mktemp(name) / "own", symlinks=True))
    return own, pickle.loads(told.read_bytes())
