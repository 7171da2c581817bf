"""What the teacher shows to the class: one run, the board, or nothing. A file, so that a restart shows it still."""

import contextlib
import dataclasses
import json
from dataclasses import dataclass
from typing import Self

from tl_engine.base.errors import ConfigError
from tl_engine.base.files import write_json
from tl_engine.base.settings import Settings
from tl_engine.runs.run import CONFIG, Run

FILE = "stage.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What every page of the class shows."""

    run: str = ""  # its name
    named: bool = False  # whether the class is told whose it is
    board: bool = False

    @classmethod
    def read(cls, settings: Settings) -> Self:
        """What is shown now."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads((settings.class_folder / FILE).read_text(encoding="utf-8"))
            return cls(run=str(kept["run"]), named=bool(kept["named"]), board=bool(kept["board"]))
        return cls()

    def write(self, settings: Settings) -> None:
        """Show it. Raises ConfigError."""
        try:
            write_json(settings.class_folder / FILE, dataclasses.asdict(self))
        except OSError as error:
            raise ConfigError(f"It could not be shown ({error.strerror}): make room and try again.") from None

    def shown(self, settings: Settings) -> Run | None:
        """The run that is shown, if it is still there."""
        run = Run(settings.runs / self.run) if self.run else None
        return run if run and (run.folder / CONFIG).is_file() else None
