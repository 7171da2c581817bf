"""The training loop: a plain generator of events. What it promises, it saved first; it knows nothing of its caller.

The strategies differ only in their phases: a "head" phase trains the head on features computed once, an "all" phase
trains every layer on pictures. Both run the same loop below.
"""

import time
import traceback
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from accelerate.utils import set_seed
from torch import Tensor, nn

from tl_engine.batches import Batches
from tl_engine.classifier import Classifier, prepare_classifier
from tl_engine.config import TrainConfig, to_dict
from tl_engine.dataset import ImageFolder, check_trainable, without
from tl_engine.errors import EngineError, TrainingError
from tl_engine.events import BatchEnd, EpochEnd, Event, FileSkipped, Note, RunEnded, RunStarted, TestEnd
from tl_engine.models import classification_loss, main_logits
from tl_engine.optimization import make_optimizer, make_schedule, training_criterion
from tl_engine.phases import Phase, Ready, phases, prepare_phase
from tl_engine.reading import unreadable
from tl_engine.runtime import Runtime, get_runtime
from tl_engine.settings import Settings

BATCH_EVENT_SECONDS = 0.5  # at most one BatchEnd in this time
DIVERGED = 1e4  # a mean loss that no working training reaches: chance is ln(classes), below 7


class Stopped(Exception):
    """Somebody asked the training to end; what it saved stays."""


@dataclass(frozen=True, slots=True)
class Score:
    """Mean loss and accuracy (a fraction) over some images."""

    loss: float
    accuracy: float


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
    folder: Path  # of the run; `best/` is written inside
    settings: Settings
    stop_asked: Callable[[], bool] = lambda: False

    def check_stop(self) -> None:
        """Raise Stopped if somebody asked for it."""
        if self.stop_asked():
            raise Stopped


def train(training: Training) -> Iterator[Event]:
    """Run a training and tell it as events; the last one is always RunEnded, whatever happened."""
    best = Best()
    state, reason = "finished", "all epochs done"
    try:
        reason = (yield from _train(training, best)) or reason
    except Stopped:
        state, reason = "stopped", "stopped on request; the best epoch so far is kept"
    except EngineError as error:
        state, reason = "failed", str(error)
    except MemoryError:
        state, reason = "failed", "The memory is full: choose a smaller batch-size or a smaller architecture."
    except Exception as error:  # a run must say how it ended; the traceback goes to its stderr
        traceback.print_exc()
        state, reason = "failed", f"Unexpected {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    yield RunEnded(
        state=state,
        reason=reason,
        run_folder=str(training.folder),
        best_val_accuracy=best.score.accuracy if best.score else None,
        best_epoch=best.epoch,
        seconds=time.time() - psutil.Process().create_time(),
    )


def _train(training: Training, best: Best) -> Generator[Event, None, str | None]:
    """The training without its ending; returns why it ended early, if it did."""
    config, data = training.config, training.data
    yield RunStarted(
        run_folder=str(training.folder),
        config=to_dict(config),
        classes=list(data.classes),
        counts=data.counts(),
        process_id=psutil.Process().pid,
    )
    runtime = get_runtime()
    yield Note(message=runtime.reason)
    set_seed(config.seed)
    data = yield from _readable(training)
    classifier = yield from prepare_classifier(config, data.classes, training.settings)
    reason = None
    for phase in phases(config):
        ready = yield from prepare_phase(phase, classifier, data, config, runtime, training.check_stop)
        reason = yield from _run_phase(phase, ready, training, classifier, data, best)
    if data.of("test"):
        classifier.restore(training.folder / "best")
        batches = classifier.evaluation_batches(data.of("test"), runtime)
        score = evaluate(classifier.model, batches, runtime, training.check_stop)
        yield TestEnd(test_loss=score.loss, test_accuracy=score.accuracy)
    return reason


def _readable(training: Training) -> Generator[Event, None, ImageFolder]:
    """The data without the files that do not decode, each of them named."""
    for file, reason in training.data.skipped:
        yield FileSkipped(file=file, reason=reason)
    for note in training.data.notes:
        yield Note(message=note)
    bad = yield from unreadable(training.data, training.check_stop)
    data = without(training.data, bad)
    for file, reason in data.skipped[len(training.data.skipped) :]:
        yield FileSkipped(file=file, reason=reason)
    check_trainable(data)
    return data


def _run_phase(
    phase: Phase, ready: Ready, training: Training, classifier: Classifier, data: ImageFolder, best: Best
) -> Generator[Event, None, str | None]:
    """All epochs of one phase; returns the reason if it stops early."""
    config, runtime = training.config, get_runtime()
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
        rate = schedule.get_last_lr()[0]
        train_score = yield from _train_epoch(step, ready.train, epoch, phase, training)
        val_score = evaluate(ready.learner, ready.val, runtime, training.check_stop)
        improved = best.improved_by(val_score)
        if improved:
            best.epoch, best.score = epoch, val_score
            figures = {"epoch": epoch, "val_accuracy": val_score.accuracy, "val_loss": val_score.loss}
            if runtime.accelerator.is_main_process:
                classifier.save(training.folder / "best", phase.name, config, data, figures)
        since_best = 0 if improved else since_best + 1
        seconds = time.monotonic() - started
        yield EpochEnd(
            epoch=epoch,
            epochs=config.epochs,
            phase=phase.name,
            train_loss=train_score.loss,
            train_accuracy=train_score.accuracy,
            val_loss=val_score.loss,
            val_accuracy=val_score.accuracy,
            learning_rate=rate,
            best=improved,
            seconds=seconds,
            seconds_left=seconds * (phase.last_epoch - epoch),
        )
        if config.early_stopping and since_best >= config.early_stopping:
            return f"stopped early: {since_best} epochs without a better one"
    return None


@dataclass(frozen=True, slots=True)
class Step:
    """What one optimisation step needs."""

    learner: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    criterion: nn.Module

    def __call__(self, inputs: Tensor, labels: Tensor, runtime: Runtime) -> tuple[Tensor, Tensor]:
        """Learn from one batch; the mean loss and the number right, both still on the device."""
        outputs = self.learner(inputs)
        loss = classification_loss(outputs, labels, self.criterion)
        runtime.accelerator.backward(loss)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        return loss.detach(), (main_logits(outputs).argmax(1) == labels).sum()


def _train_epoch(
    step: Step, batches: Batches, epoch: int, phase: Phase, training: Training
) -> Generator[BatchEnd, None, Score]:
    """One pass over the training images; some of the batches are told."""
    runtime = get_runtime()
    step.learner.train()
    # Sums stay on the device: reading one would wait for the step to finish.
    loss_sum, right, seen = torch.zeros((), device=runtime.device), torch.zeros((), device=runtime.device), 0
    started = told = time.monotonic()
    for index, (inputs, labels) in enumerate(batches, start=1):
        training.check_stop()
        loss, correct = step(inputs, labels, runtime)
        loss_sum += loss * len(labels)
        right += correct
        seen += len(labels)
        now = time.monotonic()
        if now - told >= BATCH_EVENT_SECONDS:
            told = now
            per_batch = (now - started) / index
            left = per_batch * (len(batches) - index + len(batches) * (phase.last_epoch - epoch))
            yield BatchEnd(epoch=epoch, batch=index, batches=len(batches), loss=loss.item(), seconds_left=left)
    totals = runtime.accelerator.reduce(torch.stack((loss_sum, right, torch.tensor(float(seen), device=runtime.device))))
    mean_loss, accuracy = (totals[:2] / totals[2]).tolist()
    if not mean_loss <= DIVERGED:  # true for NaN as well
        raise TrainingError(
            f"The training diverged in epoch {epoch} (mean loss {mean_loss:.3g}): choose a learning-rate below "
            f"{phase.learning_rate:g}; what was saved before stays."
        )
    return Score(mean_loss, accuracy)


@torch.no_grad()
def evaluate(learner: nn.Module, batches: Batches, runtime: Runtime, check_stop: Callable[[], None]) -> Score:
    """Mean cross-entropy (unsmoothed, unweighted) and accuracy; every image counts exactly once."""
    learner.eval()
    losses: list[Tensor] = []
    correct: list[Tensor] = []
    for inputs, labels in batches:
        check_stop()
        logits = learner(inputs)
        loss = nn.functional.cross_entropy(logits, labels, reduction="none")
        loss, right = runtime.accelerator.gather_for_metrics((loss, logits.argmax(1) == labels))
        losses.append(loss)
        correct.append(right)
    return Score(torch.cat(losses).mean().item(), torch.cat(correct).float().mean().item())
