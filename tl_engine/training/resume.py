"""What a training goes on from: all that its next epoch depends on, kept beside its best classifier.

Where the log knows more epochs than the checkpoint, they are computed again (on the CPU equal bit for bit) and not told
again.
"""

import json
import os
import random
import shutil
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError

from tl_engine.base.errors import DataError, RunError, without_paths
from tl_engine.base.events import EpochEnd, Event, Note, worked
from tl_engine.base.words import plural
from tl_engine.classifiers.state_file import read_state, write_state
from tl_engine.data.dataset import ImageFolder
from tl_engine.data.manifest import changed_photos
from tl_engine.networks.backbone import Backbone
from tl_engine.runs.config import TrainConfig, to_dict
from tl_engine.runs.run import CHECKPOINT, Run
from tl_engine.runs.saved_classifier import read_figures, read_meta
from tl_engine.training.epochs import Best, Score
from tl_engine.training.phases import Phase

FILE = "state.safetensors"
REMEDY = f"train anew, or delete its folder {CHECKPOINT}/ and go on, which computes all epochs again"
FORMAT = "1"  # another one is refused
FIELDS = ("config", "epoch_end", "since_best", "best", "learning", "random")  # of the json in the header
HEAD_EVERY = 1.0  # seconds between checkpoints of a head alone: its epochs take milliseconds and are soon done again


class Learning(Protocol):
    """What a phase changes as it learns, as numbers, texts and tensors in lists and dictionaries."""

    def state(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...


@dataclass(slots=True, kw_only=True)
class Course:
    """How far a run is, over all processes that worked on it one after the other."""

    run: Run
    config: TrainConfig
    best: Best = field(default_factory=Best)
    told: int = 0  # the last epoch in the log when this process took the run up
    seconds: float = 0.0  # worked by those before
    kept: dict[str, Any] | None = None  # the checkpoint, until its phase has taken it
    main: bool = field(default_factory=lambda: os.environ.get("RANK", "0") == "0")  # whether this process writes
    _saved: float = field(default_factory=time.monotonic)
    _troubled: bool = False

    @classmethod
    def of(cls, run: Run, config: TrainConfig, *, resume: bool) -> "Course":
        """Of a new run, or of one that goes on as its log and its best classifier tell."""
        if not resume:
            return cls(run=run, config=config)
        events, _ = run.events()
        told = max((event.epoch for event in events if isinstance(event, EpochEnd)), default=0)
        best = Best(left=read_figures(run.best))
        return cls(run=run, config=config, best=best, told=told, seconds=worked(events))

    def read(self) -> None:
        """Read the checkpoint, if there is one. Raises RunError for one that is damaged or another run's."""
        self.kept = _read(self.run.folder / CHECKPOINT)
        if self.kept is None:
            return
        if self.kept["config"] != _plain(self.config):
            raise RunError(f"The checkpoint of {self.run.name} belongs to another run: {REMEDY}.")
        if self.best.left is None:
            raise RunError(f"The best classifier of {self.run.name} is gone, so it cannot go on: train anew.")

    @property
    def begun(self) -> bool:
        """Whether an epoch has ended before."""
        return self.told > 0 or self.kept is not None

    def check(self, data: ImageFolder, hashes: Mapping[Path, str], backbone: Backbone) -> None:
        """Raise DataError or RunError where the photos or the weights are not those of the epochs before."""
        if not self.begun:
            return
        if changed := changed_photos(self.run.manifest, data, hashes):
            raise DataError(
                f"{plural(len(changed), 'photo')} changed since this run began, the first: {changed[0]}: put them back "
                "as they were, or train anew; what was saved stays."
            )
        if self.best.left and read_meta(self.run.best).backbone.hash != backbone.weights_hash:
            raise RunError(
                f"The weights of {backbone.architecture.name} are not those that this run began with: put the earlier "
                "file back, or train anew; what was saved stays."
            )

    def past(self, phase: Phase) -> bool:
        """Whether the checkpoint lies behind that phase."""
        return self.kept is not None and int(self.kept["epoch_end"]["epoch"]) > phase.last_epoch

    def take_up(self, phase: Phase, learning: Learning) -> Generator[Event, None, tuple[int, int]]:
        """Where this phase goes on: its next epoch, and how many have passed without a better one.

        Raises RunError for a checkpoint that does not fit.
        """
        kept, self.kept, best = self.kept, None, self.best
        if kept is None:
            return phase.first_epoch, 0
        try:
            last = EpochEnd(**kept["epoch_end"])
            learning.restore(kept["learning"])
            best.epoch, best.folded = kept["best"]["epoch"], kept["best"]["folded"]
            best.score = Score(kept["best"]["loss"], kept["best"]["accuracy"], kept["best"]["logits"])
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError):
            raise RunError(f"The checkpoint of {self.run.name} does not fit its network: {REMEDY}.") from None
        if last.epoch > self.told:  # saved, and then the process died before it could tell
            self.told = last.epoch
            yield last
        _set_random_state(kept["random"])  # last, so that nothing above draws from it
        return last.epoch + 1, int(kept["since_best"])

    def end(self, event: EpochEnd, phase: Phase, since_best: int, learning: Learning) -> Iterator[Event]:
        """The end of an epoch: saved, then told, unless the log knows it."""
        if self.main and not (phase.learns.head_only and time.monotonic() - self._saved < HEAD_EVERY):
            yield from self._keep(event, since_best, learning)
        if event.epoch > self.told:
            yield event

    def _keep(self, event: EpochEnd, since_best: int, learning: Learning) -> Iterator[Event]:
        """Save what the epoch after this one needs; where that cannot be, say so once, and the training goes on."""
        best = self.best
        score = best.score or Score(0.0, 0.0)
        values = (
            _plain(self.config),
            asdict(event),
            since_best,
            {
                "epoch": best.epoch,
                "folded": best.folded,
                "loss": score.loss,
                "accuracy": score.accuracy,
                "logits": score.logits,
            },
            learning.state(),
            _random_state(),
        )
        try:
            write_state(self.run.folder / CHECKPOINT / FILE, dict(zip(FIELDS, values, strict=True)), FORMAT)
        except (OSError, SafetensorError) as error:
            if not self._troubled:
                why = getattr(error, "strerror", None) or without_paths(str(error).split("\n", 1)[0])[:120]
                yield Note(message=f"The checkpoint could not be written ({why}): make room; the training goes on.")
            self._troubled = True
        self._saved = time.monotonic()

    def close(self) -> None:
        """Remove the checkpoint of a run that is finished: nobody goes on with it."""
        if self.main:
            shutil.rmtree(self.run.folder / CHECKPOINT, ignore_errors=True)


def _plain(config: TrainConfig) -> Any:
    return json.loads(json.dumps(to_dict(config)))


def _read(folder: Path) -> dict[str, Any] | None:
    """The checkpoint in that folder, if there is one. Raises RunError."""
    if not (folder / FILE).exists():
        return None
    try:
        version, state = read_state(folder / FILE)
        if version != FORMAT:
            raise RunError(f"The checkpoint of {folder.parent.name} is of another version of this program: {REMEDY}.")
        return {name: state[name] for name in FIELDS}
    except (ValueError, KeyError):
        raise RunError(f"The checkpoint of {folder.parent.name} is damaged: {REMEDY}.") from None


def _random_state() -> dict[str, Any]:
    numbers: Any = np.random.get_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    numpy = [numbers[0], numbers[1].tolist(), *numbers[2:]]
    return {"torch": torch.get_rng_state(), "cuda": cuda, "python": random.getstate(), "numpy": numpy}


def _set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    version, numbers, following = state["python"]
    random.setstate((version, tuple(numbers), following))
    np.random.set_state(tuple(state["numpy"]))
