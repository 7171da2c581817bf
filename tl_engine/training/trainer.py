"""The training loop: a plain generator of events. What it promises, it saved first; it knows nothing of its caller.

The strategies differ only in their phases: in one the head learns on features computed once, in another every layer
on pictures. Both run the same loop below.
"""

import os
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from accelerate.utils import set_seed
from torch import Tensor

from tl_engine.base.errors import EngineError
from tl_engine.base.events import DataRead, EpochEnd, Event, FileSkipped, FinalTest, Note, RunEnded, RunStarted
from tl_engine.base.settings import Settings
from tl_engine.classifiers.classifier import Classifier
from tl_engine.data.dataset import ImageFolder, check_trainable, split_validation, without
from tl_engine.data.hashes import content_hashes
from tl_engine.data.manifest import write_listing
from tl_engine.networks.backbone import prepare_backbone
from tl_engine.networks.runtime import make_runtime
from tl_engine.runs.config import TrainConfig, to_dict
from tl_engine.runs.meta import Figures
from tl_engine.runs.run import Run
from tl_engine.training.divergence import check_loss
from tl_engine.training.endings import STOPPED, StopAsked, afterwards, unexpected
from tl_engine.training.epochs import Score, Step, evaluate, train_epoch
from tl_engine.training.inputs import Inputs, Ready, look_at_photos
from tl_engine.training.optimization import make_optimizer, make_schedule, training_criterion
from tl_engine.training.phases import Phase, phases


@dataclass(slots=True)
class Best:
    """The best epoch so far, by validation accuracy; the lower loss wins a tie."""

    epoch: int | None = None
    score: Score | None = None

    def improved_by(self, score: Score) -> bool:
        """Whether this score is better than the best."""
        best = self.score
        return best is None or (score.accuracy, -score.loss) > (best.accuracy, -best.loss)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """All that one training needs. `stop_asked` is looked at between batches."""

    config: TrainConfig
    data: ImageFolder
    folder: Path  # of the run; the best classifier and the list of photos are written inside
    settings: Settings
    stop_asked: Callable[[], bool] = lambda: False
    started: float = field(default_factory=time.time)  # seconds since 1970, when this training was asked for

    @property
    def run(self) -> Run:
        """Its folder by the names of what lies in it."""
        return Run(self.folder)

    def check_stop(self) -> None:
        """Raise StopAsked if somebody asked for it."""
        if self.stop_asked():
            raise StopAsked


def train(training: Training) -> Iterator[Event]:
    """Run a training and tell it as events; the last one is always RunEnded, whatever happened."""
    best = Best()
    state, reason = "finished", "all epochs done"
    try:
        reason = (yield from _train(training, best)) or reason
    except StopAsked:
        state, reason = "stopped", STOPPED
    except EngineError as error:
        state, reason = "failed", str(error)
    except MemoryError:
        state, reason = "failed", "The memory is full: choose a smaller batch-size or a smaller architecture."
    except Exception as error:  # a run must say how it ended; the traceback goes to its stderr
        if training.stop_asked():  # under torchrun the process that saw the flag first leaves the others in a lurch
            state, reason = "stopped", STOPPED
        else:
            traceback.print_exc()
            state, reason = "failed", unexpected(error)
    yield RunEnded(
        state=state,
        reason=reason,
        run_folder=str(training.folder),
        best_val_accuracy=best.score.accuracy if best.score else None,
        best_epoch=best.epoch,
        seconds=time.time() - training.started,
    )


def _train(training: Training, best: Best) -> Generator[Event, None, str | None]:
    """The training without its ending; returns why it ended early, if it did."""
    config = training.config
    yield RunStarted(
        run_folder=str(training.folder),
        config=to_dict(config),
        process_id=os.getpid(),
    )
    for entry in training.data.left_out:
        yield FileSkipped(file=entry.file, reason=entry.reason)
    for note in training.data.notes:
        yield Note(message=note)
    set_seed(config.seed)
    backbone = yield from prepare_backbone(
        config.architecture, training.settings, fit=config.fit, pretrained=config.strategy != "from-scratch",
        check_stop=training.check_stop,
    )  # fmt: skip
    plan = phases(config)
    runtime = make_runtime(backbone, training.settings, learning=not all(phase.learns.head_only for phase in plan))
    classifier = Classifier.on(backbone, training.data.classes)
    yield Note(message=runtime.reason)
    split = split_validation(training.data, config.val_fraction, config.seed)
    inputs = yield from look_at_photos(
        split, classifier, config, training.settings, runtime, training.check_stop
    )  # fmt: skip
    data = yield from _readable(training, inputs)
    reason = None
    # The best may be the head of the first phase, on a backbone that the second one then changes.
    untouched = classifier.copied_state() if len(plan) > 1 and data.of("test") else None
    for phase in plan:
        ready = yield from inputs.ready(phase, data)
        reason = yield from _run_phase(phase, ready, training, inputs, data, best)
    if data.of("test"):
        yield from afterwards("Measuring the test photos", _final_test(training, inputs, data, untouched))
    return reason


def _final_test(
    training: Training, inputs: Inputs, data: ImageFolder, untouched: dict[str, Tensor] | None
) -> Iterator[Event]:
    """Measure what was saved, once, on photos that no epoch has seen."""
    runtime, classifier = inputs.runtime, inputs.classifier
    runtime.accelerator.wait_for_everyone()  # the first process may still be saving
    classifier.restore(training.run.best, untouched)
    batches = inputs.evaluation_batches(data.of("test"))
    score = evaluate(classifier.model, batches, runtime, training.check_stop)
    yield FinalTest(test_loss=score.loss, test_accuracy=score.accuracy)


def _readable(training: Training, inputs: Inputs) -> Generator[Event, None, ImageFolder]:
    """The data without the files that do not decode, each of them named, and then split: a class keeps its share."""
    config, given = training.config, training.data
    data = without(given, inputs.unreadable)
    for entry in data.left_out[len(given.left_out) :]:
        yield FileSkipped(file=entry.file, reason=entry.reason)
    data = split_validation(data, config.val_fraction, config.seed)
    check_trainable(data)
    if inputs.runtime.accelerator.is_main_process:
        write_listing(training.run.manifest, data, content_hashes(data, training.settings))
    yield DataRead(classes=list(data.classes), counts=data.counts())
    return data


def _save(training: Training, inputs: Inputs, phase: Phase, data: ImageFolder, best: Best) -> None:
    """Keep the classifier as it is now as the best; under torchrun one process does."""
    if best.score and inputs.runtime.accelerator.is_main_process:
        photos = {split: len(data.of(split)) for split in ("train", "val", "test")}
        figures = Figures(
            epoch=best.epoch or 0, val_accuracy=best.score.accuracy, val_loss=best.score.loss, images=photos
        )
        inputs.classifier.save(training.run.best, phase.learns, training.config, figures)


def _run_phase(
    phase: Phase, ready: Ready, training: Training, inputs: Inputs, data: ImageFolder, best: Best
) -> Generator[Event, None, str | None]:
    """All epochs of one phase; returns the reason if it stops early."""
    config, runtime = training.config, inputs.runtime
    optimizer = make_optimizer(ready.learner.parameters(), config, phase.learning_rate)
    schedule = make_schedule(optimizer, config.schedule, epochs=phase.epochs, steps_per_epoch=len(ready.train))
    step = Step(
        ready.learner,
        runtime.accelerator.prepare_optimizer(optimizer),
        schedule,
        training_criterion(config, data.of("train"), len(data.classes)).to(runtime.device),
    )
    since_best = 0
    for epoch in range(phase.first_epoch, phase.first_epoch + phase.epochs):
        started = time.monotonic()
        rate = float(schedule.get_last_lr()[0])
        train_score = yield from train_epoch(step, ready.train, epoch, phase, runtime, training.check_stop)
        val_score = evaluate(ready.learner, ready.val, runtime, training.check_stop)
        check_loss(val_score.loss, "validation loss", epoch, phase)
        improved = best.improved_by(val_score)
        if improved:
            best.epoch, best.score = epoch, val_score
            _save(training, inputs, phase, data, best)
        since_best = 0 if improved else since_best + 1
        seconds = time.monotonic() - started
        yield _epoch_end(epoch, phase, config, (train_score, val_score), rate, improved, seconds)
        if config.early_stopping and since_best >= config.early_stopping:
            return f"stopped early: {since_best} epochs without a better one"
    return None


def _epoch_end(
    epoch: int, phase: Phase, config: TrainConfig, scores: tuple[Score, Score], rate: float, best: bool, seconds: float
) -> EpochEnd:
    train, val = scores
    return EpochEnd(
        epoch=epoch,
        epochs=config.epochs,
        phase=phase.learns,
        train_loss=train.loss,
        train_accuracy=train.accuracy,
        val_loss=val.loss,
        val_accuracy=val.accuracy,
        learning_rate=rate,
        best=best,
        seconds=seconds,
        seconds_left=seconds * (phase.last_epoch - epoch) if phase.last else None,
    )
