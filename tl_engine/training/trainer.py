"""The training loop: a plain generator of events. What it promises, it saved first; it knows nothing of its caller.

The strategies differ only in their phases: in one the head learns on features computed once, in another every layer
on pictures. Both run the same loop below.
"""

import dataclasses
import functools
import os
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from accelerate.utils import set_seed
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from tl_engine.base.errors import EngineError
from tl_engine.base.events import DataRead, Event, FileSkipped, Note, RunEnded, RunStarted
from tl_engine.base.settings import Settings
from tl_engine.classifiers.classifier import Classifier
from tl_engine.data.dataset import ImageFolder, check_trainable, split_validation, without
from tl_engine.data.hashes import content_hashes
from tl_engine.data.manifest import write_listing
from tl_engine.networks.backbone import prepare_backbone
from tl_engine.networks.runtime import Portion, make_runtime
from tl_engine.runs.config import SOLVED, TrainConfig, to_dict
from tl_engine.runs.run import Run
from tl_engine.runs.saved_classifier import STOPPED
from tl_engine.training.endings import SLICE_OVER, StopAsked, afterwards, failure, with_news
from tl_engine.training.epochs import Step, epoch_end, evaluate, train_epoch
from tl_engine.training.evidence import Evidence, judge_of, save_best
from tl_engine.training.inputs import Inputs, Ready, look_at_photos
from tl_engine.training.optimization import Stepping, make_optimizer, make_schedule, training_criterion
from tl_engine.training.phases import Phase, check_loss, phases
from tl_engine.training.resume import Course
from tl_engine.training.solving import is_solved, solve
from tl_engine.vitals.pulse import Pulse


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """All that one training needs. `stop_asked` is looked at between batches, and they are its signs of life."""

    config: TrainConfig
    data: ImageFolder
    folder: Path  # of the run; the best classifier and the list of photos are written inside
    settings: Settings
    stop_asked: Callable[[], bool] = lambda: False
    stop_reason: Callable[[], str] = lambda: STOPPED  # asked when it stops
    deadline: float | None = None  # by the monotonic clock, when its time is up
    time_up: str = SLICE_OVER  # the reason then
    ahead: Path | None = None  # a folder of photos decoded before
    resume: bool = False  # go on where the folder's run was left
    started: float = field(default_factory=time.time)  # seconds since 1970, when this training was asked for
    pulse: Pulse = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pulse", Pulse(self.run))

    @property
    def run(self) -> Run:
        """Its folder by the names of what lies in it."""
        return Run(self.folder)

    def judging(self, data: ImageFolder) -> ImageFolder:
        """The data with photos to judge by: its own, none where the folds judge all, else a share held out."""
        return (
            data if self.config.judge == "folds" else split_validation(data, self.config.val_fraction, self.config.seed)
        )

    @property
    def stopping(self) -> str | None:
        """Why it is to end now, if it is."""
        if self.stop_asked():
            return self.stop_reason()
        return self.time_up if self.deadline is not None and time.monotonic() >= self.deadline else None

    def check_stop(self) -> None:
        """Raise StopAsked if it is to end now."""
        self.pulse.beat()
        if reason := self.stopping:
            raise StopAsked(reason)


def train(training: Training) -> Iterator[Event]:
    """Run a training and tell it as events; the last one is always RunEnded, whatever happened."""
    course = Course.of(training.run, training.config, resume=training.resume)
    state, reason = "finished", "all epochs done"
    # A batch may take half a minute, and shows with each layer that it goes on.
    beating = register_module_forward_pre_hook(lambda *_: training.pulse.beat())
    try:
        reason = (yield from with_news(_train(training, course), training.pulse.news)) or reason
    except StopAsked as asked:
        state, reason = "stopped", str(asked)
    except Exception as error:  # a run must say how it ended
        # Under torchrun the process that saw the flag first leaves the others in a lurch.
        if (why := training.stopping) and not isinstance(error, EngineError):
            state, reason = "stopped", why
        else:
            state, reason = "failed", training.pulse.after_sleep() + failure(error, training.data.root)
    finally:
        beating.remove()
    best_epoch, accuracy = course.best.on_disk or (None, None)
    seconds = course.seconds + time.time() - training.started
    try:
        yield RunEnded(
            state=state, reason=reason, run_folder=str(training.folder), best_val_accuracy=accuracy,
            best_epoch=best_epoch, seconds=seconds,
        )  # fmt: skip
    finally:  # whoever listens may stop at the last event
        if state == "finished":
            course.close()


def _train(training: Training, course: Course) -> Generator[Event, None, str | None]:
    """The training without its ending; returns why it ended early, if it did."""
    config = training.config
    yield RunStarted(
        run_folder=str(training.folder),
        config=to_dict(config),
        process_id=os.getpid(),
        resumed_from=course.told if training.resume else None,
    )
    if training.resume:
        course.read()
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
        training.judging(training.data), classifier, config, training.settings, runtime, training.check_stop,
        training.ahead, training.pulse.beat,
    )  # fmt: skip
    return (yield from _learn(plan, training, inputs, course))


def _learn(plan: list[Phase], training: Training, inputs: Inputs, course: Course) -> Generator[Event, None, str | None]:
    """What follows once all photos were looked at: the phases, then what the run leaves, also one that is stopped."""
    data = yield from _readable(training, inputs, course)
    reason, stopped, best = None, None, course.best
    # The best may be the head of the first phase, on a backbone that the second one then changes.
    untouched = inputs.classifier.copied_state() if len(plan) > 1 and data.of("test") else None
    try:
        reason = yield from _run_phases(plan, training, inputs, data, course)
    except StopAsked as asked:
        if best.score is None or best.catching_up:  # what an earlier part of the run left for its report stands
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
    plan: list[Phase], training: Training, inputs: Inputs, data: ImageFolder, course: Course
) -> Generator[Event, None, str | None]:
    """All phases; returns why the last of them ended early, if it did."""
    reason, config = None, training.config
    save = functools.partial(save_best, run=training.run, inputs=inputs, config=config, data=data, best=course.best)
    for phase in plan:
        if course.past(phase):
            continue
        if inputs.embedded and is_solved(config, inputs.classifier.backbone.head):
            yield from solve(phase, inputs, inputs.embedded, data, course, save)
        else:
            ready = yield from inputs.ready(phase, data)
            for parameter in ready.learner.parameters():
                if parameter.requires_grad:  # each layer of a long backward pass is a sign of life too
                    parameter.register_post_accumulate_grad_hook(lambda _: training.pulse.beat())
            criterion = training_criterion(config, data.of("train"), len(data.classes))
            reason = yield from _run_phase(phase, ready, inputs, criterion, course, save)
    return reason


def _readable(training: Training, inputs: Inputs, course: Course) -> Generator[Event, None, ImageFolder]:
    """The data without the files that do not decode, each of them named, and then split: a class keeps its share."""
    given = training.data
    data = without(given, inputs.unreadable)
    for entry in data.left_out[len(given.left_out) :]:
        yield FileSkipped(file=entry.file, reason=entry.reason)
    data = training.judging(data)
    check_trainable(data)
    hashes = content_hashes(data, training.settings, training.check_stop)
    course.check(data, hashes, inputs.classifier.backbone)
    if inputs.runtime.accelerator.is_main_process:
        write_listing(training.run.manifest, data, hashes)
    yield DataRead(classes=list(data.classes), counts=data.counts(), judge=judge_of(data))
    return data


def _run_phase(
    phase: Phase, ready: Ready, inputs: Inputs, criterion: nn.Module, course: Course, save: Callable[[Phase], None]
) -> Generator[Event, None, str | None]:
    """All epochs of one phase; returns the reason if it stops early."""
    config, runtime, best = inputs.config, inputs.runtime, course.best
    optimizer = make_optimizer(ready.learner.parameters(), config, phase.learning_rate)
    schedule = make_schedule(optimizer, config.schedule, epochs=phase.epochs, steps_per_epoch=len(ready.train))
    prepared = runtime.accelerator.prepare_optimizer(optimizer)
    step = Step(ready.learner, prepared, schedule, criterion.to(runtime.device))
    scaler, judging = runtime.accelerator.scaler, Portion()
    stepping = Stepping(inputs.classifier, phase.learns, optimizer, schedule, ready.order, scaler, step.portion)
    first, since_best = yield from course.take_up(phase, stepping)
    for epoch in range(first, phase.last_epoch + 1):
        if config.early_stopping and since_best >= config.early_stopping:
            return f"stopped early: {since_best} epochs without a better one"
        started = time.monotonic()
        rate = float(schedule.get_last_lr()[0])
        train_score = yield from train_epoch(step, ready.train, epoch, phase, runtime, inputs.check_stop)
        val_score = evaluate(ready.learner, ready.val, runtime, inputs.check_stop, judging)
        if told := judging.news():
            yield Note(message=f"{told} That was while it was judged, which changes nothing.")
        check_loss(val_score.loss, "validation loss", epoch, phase)
        improved = best.improved_by(val_score)
        if improved:
            best.epoch, best.score = epoch, val_score
            save(phase)
        since_best = 0 if improved else since_best + 1
        seconds = time.monotonic() - started
        event = epoch_end(epoch, phase, config, (train_score, val_score), rate, improved, seconds)
        yield from course.end(event, phase, since_best, stepping)
    return None
