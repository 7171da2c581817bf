"""Trainings where a GPU is lent for seconds (ZeroGPU): the same training in slices, each going on from the one before.

The GPU exists only inside a call that `lend` makes, in a process forked for it. Everything around that call is here, in
a thread of the server: photos are decoded before it, events are logged as they come out of it, and what it could not
finish goes on in the next one, or on the CPU where no GPU can be had. The numbers are not measured on a GPU.
"""

import contextlib
import contextvars
import math
import os
import shutil
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tl_engine.backbones.architectures import get_architecture
from tl_engine.backbones.weights import check_weights, find_weights
from tl_engine.base.errors import EngineError, without_paths
from tl_engine.base.events import EpochEnd, Event, Note, RunEnded
from tl_engine.base.settings import Settings
from tl_engine.data.dataset import ImageFolder
from tl_engine.data.decoded import decode_ahead
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.find import started_with
from tl_engine.runs.process import Spare
from tl_engine.runs.run import Run
from tl_engine.runs.saved_classifier import STOPPED, ending
from tl_engine.sources.intake import load_data
from tl_engine.training.endings import SLICE_OVER
from tl_engine.training.phases import phases
from tl_engine.vitals.limits import time_up
from tl_engine.workspaces.worker import run_command

STARTING, EMBEDDING, LEARNING = 6.0, 0.004, 0.02  # seconds: of a slice, of a photo once, of a photo in an epoch
SPARE_SHARE, SPARE_SECONDS = 1.5, 5.0  # asked for beyond what is needed
MOST_SECONDS = 60  # of one slice; a longer one waits longer and is refused sooner
MARGIN = 3.0  # seconds before the end of a slice in which it saves
MOST_SLICES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What goes into one call with a GPU; all of it can be pickled."""

    config: TrainConfig
    data: ImageFolder
    folder: Path  # of the run
    settings: Settings
    ahead: Path  # the decoded photos
    seconds: int  # asked for
    resume: bool
    started: float  # seconds since 1970


Lend = Callable[[Slice], Iterator[Event]]  # calls `work` where there is a GPU


def work(part: Slice) -> Iterator[Event]:
    """One slice, in the process that the GPU was lent to; it ends in time, with all that it did saved."""
    begun = time.monotonic()
    from tl_engine.networks.runtime import lend_gpu
    from tl_engine.training.trainer import Training, train

    lend_gpu()
    run = Run(part.folder)
    yield from train(
        Training(
            config=part.config, data=part.data, folder=part.folder, settings=part.settings, stop_asked=run.stop_asked,
            deadline=begun + part.seconds - MARGIN, resume=part.resume, started=part.started, ahead=part.ahead,
        )
    )  # fmt: skip


def needed(config: TrainConfig, photos: int, done: int = 0) -> float:
    """Seconds of a GPU that a training takes with its first `done` epochs behind it; a guess, not measured."""
    seconds = STARTING
    for phase in phases(config):
        left = max(0, phase.last_epoch - max(done, phase.first_epoch - 1))
        if phase.learns.head_only:
            seconds += photos * EMBEDDING if left else 0.0
        else:
            seconds += photos * LEARNING * left
    return seconds


def asked_seconds(need: float) -> int:
    """What a slice asks for."""
    return min(MOST_SECONDS, math.ceil(need * SPARE_SHARE + SPARE_SECONDS))


class LentGpu(Spare):
    """In place of a process in waiting: takes the queue's next run and works on it in slices."""

    def __init__(self, settings: Settings, lend: Lend) -> None:
        super().__init__()
        self.settings = settings
        self.lend = lend
        self._contexts: dict[str, contextvars.Context] = {}

    def prepare(self, environment: dict[str, str]) -> None:
        """Nothing: the GPU's process is made by whoever lends it."""

    def expect(self, name: str) -> None:
        """Keep who asked for a run, whose share of GPU time it takes when its turn comes."""
        self._contexts[name] = contextvars.copy_context()

    def hand_over(self, arguments: list[str], errors: str) -> int | None:
        """Work on the run that the command names; this process is the one that does."""
        run = Run(Path(errors).parent)
        context = self._contexts.pop(run.name, None) or contextvars.copy_context()
        sliced = SlicedRun(run, self, resume=arguments[0] == "resume")
        threading.Thread(target=context.run, args=(sliced.go,), daemon=True, name=f"slices of {run.name[:6]}").start()
        return os.getpid()


class SlicedRun:
    """One run, from its first slice to its end."""

    def __init__(self, run: Run, lent: LentGpu, *, resume: bool) -> None:
        self.run = run
        self.lent = lent
        self.settings = lent.settings
        self.resume = resume
        self.ahead = self.settings.cache / "decoded" / run.name
        self.ended = False

    def go(self) -> None:
        """Until it has ended, or goes on in a process on the CPU; whatever happens, the log tells the end."""
        try:
            if self.resume:
                queue.take_up(self.run)
            self._slices()
        except EngineError as error:
            self._end("failed", str(error))
        except BaseException as error:  # an interpreter that is shutting down, too
            traceback.print_exc()
            self._end("failed", f"Unexpected {type(error).__name__}: {without_paths(str(error))[:200]}")
            if not isinstance(error, Exception):
                raise
        finally:
            shutil.rmtree(self.ahead, ignore_errors=True)
            queue.advance(self.settings, self.lent)
        if self.run.ended() and self.run.best.is_dir():
            with contextlib.suppress(EngineError):  # the reason stands in the report's place
                run_command("report", [self.run.name, "--runs", str(self.settings.runs), "--again"], self.settings,
                            lambda _event: None)  # fmt: skip

    def _slices(self) -> None:
        config, settings = started_with(self.run, {})
        if config.strategy != "from-scratch":
            check_weights(get_architecture(config.architecture), settings)
        data = load_data(config.data, settings, reading=config.reading)
        self._decode(config, data, settings)
        part = Slice(config=config, data=data, folder=self.run.folder, settings=settings, ahead=self.ahead, seconds=0,
                     resume=self.resume, started=time.time())  # fmt: skip
        minutes, begun = float(self.run.facts.options.get("minutes") or 0), time.monotonic()
        for _ in range(MOST_SLICES):
            if minutes and time.monotonic() - begun > minutes * 60:
                return self._end("stopped", time_up(minutes))
            need = needed(config, len(data.records), self._epochs())
            part = replace(part, seconds=asked_seconds(need))
            self.run.log(Note(message=f"Needs about {need:.0f} s of GPU, asks for {part.seconds}."))
            if not self._slice(part):
                return None
            part = replace(part, resume=True, started=time.time())
        return self._end("stopped", f"It took more than {MOST_SLICES} slices of {MOST_SECONDS} s: go on with it later.")

    def _slice(self, part: Slice) -> bool:
        """Run one; whether another is needed."""
        try:
            for event in self.lent.lend(part):
                if isinstance(event, RunEnded):
                    if event.reason == SLICE_OVER and not self.run.stop_asked():
                        return True
                    self.ended = True
                self.run.log(event)
            if self.ended:
                return False
            reason = "the call ended without a word"
        except EngineError:
            raise
        except Exception as error:  # no quota, no GPU, a call that was cut off: whatever the one who lends says
            reason = without_paths(" ".join(str(error).split()))[:160] or type(error).__name__
        if self.run.stop_asked():
            self._end("stopped", STOPPED)
            return False
        self.run.log(Note(message=f"No GPU could be had ({reason}): it goes on on the CPU, slower."))
        self.ended = True  # here: a process of its own tells the rest
        queue.hand_back(self.run, self.settings)
        return False

    def _decode(self, config: TrainConfig, data: ImageFolder, settings: Settings) -> None:
        """The photos as the network or its training sees them, before any GPU is asked for."""
        from tl_engine.networks.preprocessing import preprocess_for
        from tl_engine.training.batches import PhotoStore

        architecture = get_architecture(config.architecture)
        override = find_weights(architecture, settings).preprocess
        store = PhotoStore(replace(preprocess_for(architecture, override), fit=config.fit), config.augmentation)
        plan = phases(config)
        # Which of them will be held out to judge is decided once all have been read.
        wanted = [(record, False) for record in data.records]
        if not plan[-1].learns.head_only:
            wanted += [(record, True) for record in data.records if store.learns(record)]
        for event in decode_ahead(wanted, store.decoded, self.ahead):
            self.run.log(event)

    def _epochs(self) -> int:
        return max((e.epoch for e in self.run.events()[0] if isinstance(e, EpochEnd)), default=0)

    def _end(self, state: str, reason: str) -> None:
        """Tell the end, unless it was told."""
        if self.ended:
            return
        self.ended = True
        with contextlib.suppress(OSError):
            self.run.log(ending(self.run, state, reason))
