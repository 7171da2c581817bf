"""How a person wants a data set read, where it could be read in two ways. No torch here."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from tl_engine.base.errors import ConfigError
from tl_engine.base.written import AUTO

Layout = Literal["auto", "classes", "splits"]
CLASSES: Final = "classes"  # the folders are the classes, whatever they are called
SPLITS: Final = "splits"  # the folders are splits, or groups such as one for each pupil, and hold the classes
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The answers to the questions that a folder or zip may raise. Raises ConfigError for answers that are none."""

    layout: str = AUTO  # one of LAYOUTS
    zip_names: str = AUTO  # the encoding of names in a zip that does not say it, as Python calls it: gbk, cp866

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ConfigError(f"layout must be one of {', '.join(LAYOUTS)}, got {str(self.layout)[:60]!r}.")
