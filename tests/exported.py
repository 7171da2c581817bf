"""One training and its export, shared: making them takes seconds."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tiles import tiles
from tl_engine.api import train
from tl_engine.base.progress import watched
from tl_engine.base.settings import Settings
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import Run
from tl_engine.sharing.export import Destinations, export


@dataclass(frozen=True)
class Exported:
    """A run, its export unpacked, and what was told of it. Tests copy what they change."""

    run: Run
    settings: Settings
    folder: Path
    told: dict[str, Any]
    events: list[Any]

    @property
    def facts(self) -> dict[str, Any]:
        """Its classifier.json."""
        read: dict[str, Any] = json.loads((self.folder / "classifier.json").read_text())
        return read


def make_exported(place: Path) -> Exported:
    """A head on the backbone that comes along, taught temples and flowers, as a zip that was unpacked."""
    settings = Settings(
        runs=place / "runs", data_dir=place / "data", backbones=place / "backbones", cache=place / "cache"
    )
    data = tiles(place / "photos")
    for _ in train(TrainConfig(data=str(data), fit="pad"), name="secret-token", settings=settings):
        pass
    run, events = Run(settings.runs / "secret-token"), []
    told = watched(export(run.best, settings, Destinations(zip=place / "places.zip")), events.append)
    with zipfile.ZipFile(place / "places.zip") as archive:
        archive.extractall(place / "bundle")
    return Exported(run, settings, place / "bundle", told, events)
