"""One training and its export, shared: making them takes seconds."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import own_settings
from tests.tiles import tiles
from tl_engine.api import train
from tl_engine.base.progress import watched
from tl_engine.base.settings import Settings
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import Run
from tl_engine.sharing.export import Destinations, export

NAME = "secret-token"


@dataclass(frozen=True)
class Exported:
    """A run, its export unpacked, and what was told of it. Tests copy what they change."""

    place: Path
    photos: Path
    told: dict[str, Any]
    events: list[Any]

    @property
    def settings(self) -> Settings:
        """Of the installation that trained it."""
        return own_settings(self.place)

    @property
    def run(self) -> Run:
        """What was exported."""
        return Run(self.settings.runs / NAME)

    @property
    def folder(self) -> Path:
        """The zip, unpacked."""
        return self.place / "bundle"

    @property
    def facts(self) -> dict[str, Any]:
        """Its classifier.json."""
        read: dict[str, Any] = json.loads((self.folder / "classifier.json").read_text())
        return read


def make_exported(place: Path) -> tuple[Path, dict[str, Any], list[Any]]:
    """A head on the backbone that comes along, taught temples and flowers, as a zip that was unpacked.

    Returns its photos, and what was told in the end and on the way.
    """
    settings, events = own_settings(place), list[Any]()
    data = tiles(place / "photos")
    for _ in train(TrainConfig(data=str(data), fit="pad"), name=NAME, settings=settings):
        pass
    best, out = settings.runs / NAME / "best", Destinations(zip=place / "places.zip")
    told = watched(export(best, settings, out), events.append)
    with zipfile.ZipFile(place / "places.zip") as archive:
        archive.extractall(place / "bundle")
    return data, told, events
