"""The training loop: a plain generator of events. What it promises, it saved first; it knows nothing of its caller.

The strategies differ only in their phases: in one the head learns on features computed once, in another every layer
on pictures. Both run the same loop below.
"""

import dataclasses
import functools
import os
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from accelerate.utils import set_seed

from tl_engine.base.errors import EngineError
from tl_engine.base.events import DataRead, EpochEnd, Event, FileSkipped, Note, RunEnded, RunStarted
from tl_engine.base.settings import Settings
from tl_engine.classifiers.classifier import Classifier
from tl_engine.data.dataset import ImageFolder, check_trainable, split_validation, without
from tl_engine.data.hashes import content_hashes
from tl_engine.data.manifest import write_listing
from tl_engine.evaluation.judged import FOLDS, VAL
from tl_engine.networks.backbone import prepare_backbone
from tl_engine.networks.runtime import make_runtime
from tl_engine.runs.config import SOLVED, TrainConfig, to_dict
from tl_engine.runs.meta import Figures
from tl_engine.runs.run import Run
from tl_engine.training.endings import STOPPED, StopAsked, afterwards, unexpected
from tl_engine.training.epochs import Best, Score, Step, evaluate, train_epoch
from tl_engine.training.evidence import Evidence, temperature_of
from tl_engine.training.inputs import Inputs, Ready, look_at_photos
from tl_engine.training.optimization import make_optimizer, make_schedule, training_criterion
from tl_engine.training.phases import Phase, check_loss, phases
from tl_engine.training.solving import is_solved, solve


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

    def judging(self, data: ImageFolder) -> ImageFolder:
        """The data with photos to judge by: its own, none where the folds judge all, else a share held out."""
        return (
            data if self.config.judge == "folds" else split_validation(data, self.config.val_fraction, self.config.seed)
        )

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
    classifier = Classifier.on(backbone, training.data.classes)
    if config.optimizer == SOLVED and not is_solved(config, backbone.head):
        yield Note(message=f"The head of {config.architecture} is more than one linear layer: it learns by adamw.")
        config = dataclasses.replace(config, optimizer="adamw", judge="split")
        training = dataclasses.replace(training, config=config)
    plan = phases(config)
    runtime = make_runtime(backbone, training.settings, learning=not all(phase.learns.head_only for phase in plan))
    yield Note(message=runtime.reason)
    inputs = yield from look_at_photos(
        training.judging(training.data), classifier, config, training.settings, runtime, training.check_stop
    )  # fmt: skip
    return (yield from _learn(plan, training, inputs, best))


def _learn(plan: list[Phase], training: Training, inputs: Inputs, best: Best) -> Generator[Event, None, str | None]:
    """What follows once all photos were looked at: the phases, then what the run leaves, also one that is stopped."""
    data = yield from _readable(training, inputs)
    reason, stopped = None, None
    # The best may be the head of the first phase, on a backbone that the second one then changes.
    untouched = inputs.classifier.copied_state() if len(plan) > 1 and data.of("test") else None
    try:
        reason = yield from _run_phases(plan, training, inputs, data, best)
    except StopAsked as asked:
        if best.score is None:
            raise
        stopped = asked
    evidence = Evidence(run=training.run, inputs=inputs, data=data, best=best, before=untouched)
    if data.of("test") and stopped is None:
        yield from afterwards("Measuring the test photos", evidence.measure_test())
    yield from afterwards("Describing the photos for the report", evidence.leave(quick=stopped is not None))
    if stopped:
        raise stopped
    return reason


def _run_phases(
    plan: list[Phase], training: Training, inputs: Inputs, data: ImageFolder, best: Best
) -> Generator[Event, None, str | None]:
    """All phases; returns why the last of them ended early, if it did."""
    reason = None
    for phase in plan:
        if inputs.embedded and is_solved(training.config, inputs.classifier.backbone.head):
            save = functools.partial(_save, training, inputs, data=data, best=best)
            yield from solve(phase, inputs, inputs.embedded, data, best, save)
        else:
            ready = yield from inputs.ready(phase, data)
            reason = yield from _run_phase(phase, ready, training, inputs, data, best)
    return reason


def _readable(training: Training, inputs: Inputs) -> Generator[Event, None, ImageFolder]:
    """The data without the files that do not decode, each of them named, and then split: a class keeps its share."""
    given = training.data
    data = without(given, inputs.unreadable)
    for entry in data.left_out[len(given.left_out) :]:
        yield FileSkipped(file=entry.file, reason=entry.reason)
    data = training.judging(data)
    check_trainable(data)
    if inputs.runtime.accelerator.is_main_process:
        write_listing(training.run.manifest, data, content_hashes(data, training.settings))
    yield DataRead(classes=list(data.classes), counts=data.counts(), judge=_judge(data))
    return data


def _judge(data: ImageFolder) -> str:
    """Whose figures those of an epoch are."""
    return VAL if data.of("val") else FOLDS


def _save(training: Training, inputs: Inputs, phase: Phase, data: ImageFolder, best: Best) -> None:
    """Keep the classifier as it is now as the best; under torchrun one process does."""
    if best.score and inputs.runtime.accelerator.is_main_process:
        photos = {split: len(data.of(split)) for split in ("train", "val", "test")}
        figures = Figures(
            epoch=best.epoch or 0, val_accuracy=best.score.accuracy, val_loss=best.score.loss, images=photos,
            judge=_judge(data),
        )  # fmt: skip
        inputs.classifier.save(training.run.best, phase.learns, training.config, figures, temperature_of(best, data))


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
