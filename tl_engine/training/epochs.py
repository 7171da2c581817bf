"""One pass over the images: learning from them, or measuring on them."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from tl_engine.base.events import BatchEnd, EpochEnd, Note
from tl_engine.inspection.folds import Folds
from tl_engine.networks.models import main_logits
from tl_engine.networks.runtime import Portion, Runtime
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.meta import Figures
from tl_engine.training.batches import Batches
from tl_engine.training.phases import Phase, check_loss

AUXILIARY_WEIGHT = 0.4  # Inception: https://arxiv.org/abs/1409.4842, section 5


BATCH_EVENT_SECONDS = 0.5  # at most one BatchEnd in this time


@dataclass(frozen=True, slots=True)
class Score:
    """Mean loss and accuracy (a fraction) over some images, and what was said of each where somebody asks later."""

    loss: float
    accuracy: float
    logits: Tensor | None = None  # (N, C) float32, on the CPU


def score_of(logits: Tensor, labels: Tensor) -> Score:
    """The score of logits (N, C) for labels (N,): unsmoothed, unweighted."""
    loss = nn.functional.cross_entropy(logits, labels).item()
    return Score(loss, (logits.argmax(1) == labels).double().mean().item(), logits.detach().float().cpu())


@dataclass(slots=True)
class Best:
    """The epoch that is saved: the best so far by validation accuracy, the lower loss winning a tie, or the last."""

    epoch: int | None = None
    score: Score | None = None
    chosen: bool = True  # by the photos that judge; a solved head is that of the last epoch, whatever it got right
    folds: Folds | None = None  # where every photo judged: who judged it,
    folded: Tensor | None = None  # and what was said of it, (N, C)
    left: Figures | None = None  # of the classifier that an earlier part of this run saved

    def improved_by(self, score: Score) -> bool:
        """Whether this score is better than the best."""
        best = self.score
        return best is None or (score.accuracy, -score.loss) > (best.accuracy, -best.loss)

    @property
    def catching_up(self) -> bool:
        """Whether an earlier part of this run saved a later epoch than this: then that one is the best there is."""
        return self.left is not None and self.left.epoch > (self.epoch or 0)

    @property
    def on_disk(self) -> tuple[int, float] | None:
        """The epoch of the classifier that is saved, and its accuracy."""
        if self.left and self.catching_up:
            return self.left.epoch, self.left.val_accuracy
        return (self.epoch or 0, self.score.accuracy) if self.score else None


@dataclass(frozen=True, slots=True)
class Step:
    """What one optimisation step needs."""

    learner: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    criterion: nn.Module
    portion: Portion = field(default_factory=Portion)

    def __call__(self, inputs: Tensor, labels: Tensor, runtime: Runtime) -> tuple[Tensor, Tensor]:
        """Learn from one batch; the mean loss and the number right, both still on the device.

        Where the memory does not hold it, in parts: their gradients add up to that of the whole, which is one step.
        """
        if runtime.accelerator.num_processes > 1:  # processes that cut at other places would part ways
            result = self._gradients(inputs, labels, runtime, len(labels))
        else:
            result = self.portion.tried(len(labels), lambda n: self._gradients(inputs, labels, runtime, n))
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        return result

    def _gradients(self, inputs: Tensor, labels: Tensor, runtime: Runtime, at_once: int) -> tuple[Tensor, Tensor]:
        parts = -(-len(labels) // at_once)
        if parts == 1:
            outputs = self.learner(inputs)
            loss = classification_loss(outputs, labels, self.criterion)
            runtime.accelerator.backward(loss)
            return loss.detach(), (main_logits(outputs).argmax(1) == labels).sum()
        self.optimizer.zero_grad()  # of the part that an earlier try came to
        total, right = torch.zeros((), device=labels.device), torch.zeros((), device=labels.device)
        # Of even sizes: batch norm cannot learn from a rest of one picture.
        for some, of in zip(inputs.tensor_split(parts), labels.tensor_split(parts), strict=True):
            outputs = self.learner(some)
            loss = classification_loss(outputs, of, self.criterion) * (self._weight(of) / self._weight(labels))
            runtime.accelerator.backward(loss)
            total += loss.detach()
            right += (main_logits(outputs).argmax(1) == of).sum()
        return total, right

    def _weight(self, labels: Tensor) -> Tensor | int:
        """What the mean loss of these is divided by."""
        weights = getattr(self.criterion, "weight", None)
        return len(labels) if weights is None else weights[labels].sum()


def train_epoch(
    step: Step, batches: Batches, epoch: int, phase: Phase, runtime: Runtime, check_stop: Callable[[], None]
) -> Generator[BatchEnd | Note, None, Score]:
    """One pass over the training images; some of the batches are told."""
    step.learner.train()
    # Sums stay on the device: reading one would wait for the step to finish.
    loss_sum, right, seen = (torch.zeros((), device=runtime.device) for _ in range(3))
    started = told = time.monotonic()
    for index, (inputs, labels) in enumerate(batches, start=1):
        check_stop()
        loss, correct = step(inputs, labels, runtime)
        if halved := step.portion.news():
            yield Note(message=f"{halved} Each step still learns from {len(labels)}.")
        loss_sum += loss * len(labels)
        right += correct
        seen += len(labels)
        now = time.monotonic()
        if now - told >= BATCH_EVENT_SECONDS:
            told = now
            if runtime.accelerator.num_processes == 1:  # processes that look at other moments would part ways
                check_loss((loss_sum / seen).item(), "mean loss", epoch, phase)
            per_batch = (now - started) / index
            steps = len(batches) - index + len(batches) * (phase.last_epoch - epoch)
            left = per_batch * steps if phase.last else None
            yield BatchEnd(epoch=epoch, batch=index, batches=len(batches), loss=loss.item(), seconds_left=left)
    loss_total, right_total, count = runtime.accelerator.reduce(torch.stack((loss_sum, right, seen))).tolist()
    mean_loss, accuracy = loss_total / count, right_total / count
    check_loss(mean_loss, "mean loss", epoch, phase)
    return Score(mean_loss, accuracy)


@torch.no_grad()
def evaluate(
    learner: nn.Module, batches: Batches, runtime: Runtime, check_stop: Callable[[], None],
    portion: Portion | None = None,
) -> Score:  # fmt: skip
    """Mean cross-entropy (unsmoothed, unweighted) and accuracy; every image counts exactly once."""
    learner.eval()
    said: list[Tensor] = []
    wanted: list[Tensor] = []
    portion = portion or Portion()
    for inputs, labels in batches:
        check_stop()
        own = _asked(learner, inputs, portion)
        logits, labels = runtime.accelerator.gather_for_metrics((own, labels))
        said.append(logits)
        wanted.append(labels)
    return score_of(torch.cat(said), torch.cat(wanted))


def _asked(learner: nn.Module, inputs: Tensor, portion: Portion) -> Tensor:
    """The logits (B, C) float32 of a batch, in parts where the memory does not hold it."""
    return portion.tried(len(inputs), lambda n: torch.cat([learner(part).float() for part in inputs.split(n)]))


def epoch_end(
    epoch: int, phase: Phase, config: TrainConfig, scores: tuple[Score, Score], rate: float, best: bool, seconds: float
) -> EpochEnd:
    """What is told of an epoch: its scores on the photos that teach and on those that judge."""
    train, val = scores
    return EpochEnd(
        epoch=epoch, epochs=config.epochs, phase=phase.learns, train_loss=train.loss, train_accuracy=train.accuracy,
        val_loss=val.loss, val_accuracy=val.accuracy, learning_rate=rate, best=best, seconds=seconds,
        seconds_left=seconds * (phase.last_epoch - epoch) if phase.last else None,
    )  # fmt: skip


def classification_loss(outputs: Tensor | tuple[Tensor, ...], labels: Tensor, criterion: nn.Module) -> Tensor:
    """The mean loss; for Inception while training, main + 0.4 x auxiliary."""
    if isinstance(outputs, Tensor):
        loss: Tensor = criterion(outputs, labels)
        return loss
    main, auxiliary = outputs
    total: Tensor = criterion(main, labels) + AUXILIARY_WEIGHT * criterion(auxiliary, labels)
    return total
