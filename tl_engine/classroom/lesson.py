"""A lesson that a teacher prepared: what is learnt from, with what, and what pupils may change. One file. No torch."""

import contextlib
import dataclasses
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from tl_engine.backbones.architectures import DEFAULT_ARCHITECTURE, get_architecture
from tl_engine.backbones.weights import check_weights
from tl_engine.base.errors import ConfigError
from tl_engine.base.files import write_json
from tl_engine.base.names import TITLE_LENGTH, clean_class_name, plain_title
from tl_engine.base.settings import Settings
from tl_engine.runs.config import TrainConfig
from tl_engine.sources.collection import CLASS_LENGTH, NOT_IN_NAMES
from tl_engine.workspaces.chosen import UPLOAD

FORMAT = 1
FILE = "lesson.json"
BRING = ""  # as `data`: each pupil brings photos
OPENABLE = {  # what pupils may be allowed to change -> what it is called in a sentence
    "data": "the photos",
    "classes": "the classes",
    "architecture": "the backbone",
    "strategy": "what learns",
    "epochs": "the epochs",
    "advanced": "the advanced settings",
}
MOST_CLASSES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What a class does together. Raises ConfigError when made from nonsense."""

    title: str
    data: str = BRING  # a choice that everybody has, or BRING
    classes: tuple[str, ...] = ()  # of the photos that pupils bring; none: they name them
    architecture: str = DEFAULT_ARCHITECTURE
    strategy: str = "feature-extraction"
    epochs: int = 50
    open: tuple[str, ...] = ()  # keys of OPENABLE
    key: str = dataclasses.field(default_factory=lambda: secrets.token_hex(4))  # in its link

    def __post_init__(self) -> None:
        title = plain_title(self.title)
        if title is None:
            raise ConfigError(f"A lesson's title must have 1 to {TITLE_LENGTH} visible characters: give it one.")
        if not isinstance(self.data, str) or self.data.startswith(UPLOAD):
            raise ConfigError(
                "A lesson is on photos that everybody has here: choose a sample, a folder of the host's, or have each "
                "pupil bring photos."
            )
        object.__setattr__(self, "title", title)
        object.__setattr__(self, "open", tuple(name for name in OPENABLE if name in self.open))
        object.__setattr__(self, "classes", _class_names(self.classes) if self.brings else ())
        if self.brings and not self.classes and "classes" not in self.open:
            raise ConfigError("Name at least two classes, or let pupils name them.")
        config = self.config()
        object.__setattr__(self, "epochs", config.epochs)

    @property
    def brings(self) -> bool:
        """Whether each pupil brings photos."""
        return self.data == BRING

    def config(self, **changed: Any) -> TrainConfig:
        """What a training of the lesson is asked to do. Raises ConfigError."""
        own = {"architecture": self.architecture, "strategy": self.strategy, "epochs": self.epochs}
        return TrainConfig.from_options({"data": self.data or "photos", **own, **changed})

    def write(self, settings: Settings) -> None:
        """Keep it. Raises ConfigError where that cannot be."""
        try:
            write_json(settings.class_folder / FILE, {"format": FORMAT} | dataclasses.asdict(self))
        except OSError as error:
            raise ConfigError(f"The lesson could not be saved ({error.strerror}): make room and try again.") from None

    @classmethod
    def read(cls, settings: Settings) -> Self | None:
        """The lesson that was prepared; None where there is none, or one that this version does not understand."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError, ConfigError):
            kept = json.loads((settings.class_folder / FILE).read_text(encoding="utf-8"))
            if kept.pop("format") == FORMAT:
                known = {field.name for field in dataclasses.fields(cls)}
                return cls(**{name: _as_tuple(value) for name, value in kept.items() if name in known})
        return None

    def kept_to(self, options: Mapping[str, Any], own_classes: Sequence[str] | None) -> dict[str, Any]:
        """The options of a pupil's training with the lesson's where none were given.

        `own_classes` are those of the pupil's own data set, None of any other one. Raises ConfigError, in the
        lesson's name, where one differs that is not the pupil's to change.
        """
        given = {key.replace("-", "_"): value for key, value in options.items() if value not in (None, "")}
        preset = given.pop("preset", None)
        data = given.get("data") or self.data
        self._check_data(data, own_classes)
        own = {"architecture": self.architecture, "strategy": self.strategy, "epochs": self.epochs}
        wanted = own | given | {"data": data}
        asked = TrainConfig.from_options(wanted, preset)
        free = {name: getattr(asked, name) for name in own if name in self.open}
        meant = self.config(**free)
        for field in dataclasses.fields(TrainConfig):
            of = field.name if field.name in own else "advanced"
            if (
                field.name != "data"
                and of not in self.open
                and getattr(asked, field.name) != getattr(meant, field.name)
            ):
                raise self._refusal(of)
        return wanted | ({"preset": preset} if preset else {})

    def _check_data(self, data: Any, own_classes: Sequence[str] | None) -> None:
        if "data" in self.open:
            return
        if self.brings and own_classes is None:
            raise ConfigError(f"In the lesson {self.title} everybody brings photos: add yours in Photos.")
        if not self.brings and data != self.data:
            raise self._refusal("data")
        locked = self.brings and self.classes and "classes" not in self.open
        if locked and sorted(map(str.casefold, own_classes or ())) != sorted(map(str.casefold, self.classes)):
            raise ConfigError(
                f"In the lesson {self.title} the classes are {', '.join(self.classes)}: have exactly these."
            )

    def _refusal(self, what: str) -> ConfigError:
        verb = "stay as they are" if OPENABLE[what].endswith("s") and what != "strategy" else "stays as it is"
        return ConfigError(
            f"In the lesson {self.title} {OPENABLE[what]} {verb}: reload the page to have the lesson's settings again."
        )

    def closed(self, what: str) -> bool:
        """Whether pupils may not change that."""
        return what not in self.open


def check_architecture(lesson: Lesson, settings: Settings) -> None:
    """Raise WeightsError where nobody here could train the lesson's backbone."""
    if lesson.strategy != "from-scratch":
        check_weights(get_architecture(lesson.architecture), settings)


def forget_lesson(settings: Settings) -> None:
    """No lesson any more."""
    (settings.class_folder / FILE).unlink(missing_ok=True)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _class_names(names: Sequence[str]) -> tuple[str, ...]:
    """Class names as folders may have them, each once, capitals aside. Raises ConfigError."""
    plain = [clean for name in names if (clean := clean_class_name(str(name)))]
    wrong = [n for n in plain if len(n) > CLASS_LENGTH or n.startswith(".") or set(n) & set(NOT_IN_NAMES)]
    if wrong:
        raise ConfigError(
            f"A class's name must have 1 to {CLASS_LENGTH} characters, not begin with a dot and hold none of "
            f"{' '.join(NOT_IN_NAMES)}: got {wrong[0][:60]!r}."
        )
    if len({name.casefold() for name in plain}) < len(plain):
        raise ConfigError("Two classes have the same name, capitals aside: give each its own.")
    if len(plain) == 1 or len(plain) > MOST_CLASSES:
        raise ConfigError(f"A lesson has 2 to {MOST_CLASSES} classes, got {len(plain)}: name others.")
    return tuple(plain)
