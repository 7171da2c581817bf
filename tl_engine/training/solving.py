"""The phase of a head that is solved: an epoch is an iteration, the last is kept, nothing is chosen by validation."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tl_engine.base.events import EpochEnd, Event, Note
from tl_engine.classifiers.solved_head import SolvedHead
from tl_engine.data.dataset import ImageFolder, Record
from tl_engine.inspection.folds import Folds, make_folds
from tl_engine.networks.embedder import Embedded
from tl_engine.networks.models import flat_features
from tl_engine.runs.config import OF_STEPS, SOLVED, TrainConfig, to_dict
from tl_engine.training.endings import StopAsked
from tl_engine.training.epochs import Score, score_of
from tl_engine.training.inputs import Inputs
from tl_engine.training.optimization import training_criterion
from tl_engine.training.phases import Phase, check_loss
from tl_engine.training.resume import Course

SAVE_EVERY = 1.0  # seconds between saves of what is solved so far; the first and the last are saved in any case


def is_solved(config: TrainConfig, head: nn.Module) -> bool:
    """Whether this head is solved: L-BFGS is asked for, and it is one linear layer."""
    return config.optimizer == SOLVED and isinstance(head, nn.Linear)


@dataclass(frozen=True, slots=True)
class Solving:
    """The heads of a run with their inputs. The folds judge unless there are photos of a validation folder."""

    head: nn.Linear  # of the classifier: what is kept goes into it
    heads: SolvedHead
    labels: Tensor  # of the photos that teach
    val: tuple[Tensor, Tensor] | None  # features (N, D) and labels (N,)

    @torch.no_grad()
    def measured(self) -> tuple[Score, Score]:
        """Of the head as it is now, put in its place: on the photos that teach, and by its judge."""
        weight, bias = self.heads.head()
        self.head.weight.copy_(weight)
        self.head.bias.copy_(bias)
        train, folds = score_of(self.heads.logits(), self.labels), self.heads.judged()
        if self.val is not None:
            features, labels = self.val
            return train, score_of(self.head(features), labels)
        return train, train if folds is None else score_of(folds, self.labels)


def folds_of(records: list[Record], embedded: Embedded, seed: int) -> Folds | None:
    """Who judges each photo that teaches."""
    features = flat_features(embedded.plain(records)).cpu().numpy()
    return make_folds(records, embedded.hashes, embedded.tones(records), features, seed)


def solve(
    phase: Phase, inputs: Inputs, embedded: Embedded, data: ImageFolder, course: Course, save: Callable[[Phase], None]
) -> Generator[Event, None, None]:
    """All iterations. `save` keeps the classifier as the best of `course` says it now is."""
    config, train, best = inputs.config, data.of("train"), course.best
    if told := _without_use(config):
        yield Note(message=told)
    best.chosen = False
    best.folds = folds_of(train, embedded, config.seed)
    for label in best.folds.alike if best.folds else ():
        yield Note(message=f"All photos of {data.classes[label]} look alike, so its copies judge it: that flatters.")
    yield inputs.freeze(frozen=True)
    solving = yield from _prepared(inputs, embedded, data, best.folds)
    inputs.check_stop()
    saved = 0.0
    first, _ = yield from course.take_up(phase, solving.heads)
    for epoch in range(first, phase.last_epoch + 1):
        started = time.monotonic()
        solving.heads.step()
        train_score, judged = solving.measured()
        check_loss(judged.loss, "loss of the judged photos", epoch, phase)
        stopping = _stopping(inputs.check_stop)
        keep = stopping is not None or epoch == phase.last_epoch or started - saved > SAVE_EVERY
        if keep:
            saved, best.epoch, best.score, best.folded = started, epoch, judged, solving.heads.judged()
            save(phase)
        seconds = time.monotonic() - started
        event = EpochEnd(
            epoch=epoch, epochs=config.epochs, phase=phase.learns, train_loss=train_score.loss,
            train_accuracy=train_score.accuracy, val_loss=judged.loss, val_accuracy=judged.accuracy, learning_rate=0.0,
            best=keep, seconds=seconds, seconds_left=seconds * (phase.last_epoch - epoch),
        )  # fmt: skip
        yield from course.end(event, phase, 0, solving.heads)
        if stopping:
            raise stopping


def _stopping(check_stop: Callable[[], None]) -> StopAsked | None:
    """What a stop raises, if one was asked for: first what is solved so far is saved."""
    try:
        check_stop()
    except StopAsked as asked:
        return asked
    return None


def _without_use(config: TrainConfig) -> str:
    """What was set and has no use here, in a sentence."""
    usual = to_dict(TrainConfig(data=config.data, strategy=config.strategy, architecture=config.architecture))
    changed = [name.replace("_", "-") for name in OF_STEPS if getattr(config, name) != usual[name]]
    if not changed:
        return ""
    verb = "has" if len(changed) == 1 else "have"
    return f"{SOLVED} takes no steps of a chosen length: {', '.join(changed)} {verb} no part in this."


def _prepared(
    inputs: Inputs, embedded: Embedded, data: ImageFolder, folds: Folds | None
) -> Generator[Event, None, Solving]:
    config, device = inputs.config, inputs.runtime.device
    train, val = data.of("train"), data.of("val")
    views = yield from inputs.views(embedded, train)
    labels = torch.tensor([r.label for r in train], device=device)
    heads = SolvedHead(
        views,
        labels,
        len(data.classes),
        folds=torch.tensor(folds.number, device=device) if folds else None,
        weights=training_criterion(config, train, len(data.classes)).weight,
        smoothing=config.label_smoothing,
    )
    judges = (embedded.plain(val), torch.tensor([r.label for r in val], device=device)) if val else None
    return Solving(linear_head(inputs.classifier.backbone.head), heads, labels, judges)


def linear_head(head: nn.Module) -> nn.Linear:
    """The head as what it is. Raises TypeError for one that cannot be solved."""
    if not isinstance(head, nn.Linear):
        raise TypeError(f"a head of kind {type(head).__name__} is not solved")
    return head
